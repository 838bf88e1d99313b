"""What a drained node pool costs an undo: from a crash loop to the undo, with a burst of other events and without.

The simulated cluster, Prometheus' stand-in and `sentinel run` are three processes, as for the reaction. Every second
strike comes right behind an event of each pod of the pool. The ratio and the difference of the two
samples are what counts: they are taken in turn in the same run.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.harness.build import Build
from benchmarks.harness.drain import POOL, REPLICAS
from benchmarks.harness.field import CRASH_LOOP, Field, Level, Plan
from benchmarks.harness.figures import Figures, machine, table
from benchmarks.harness.link import Message
from benchmarks.harness.result import Result

MAY_COST_MS = 100.0
"""By so much a burst may delay an undo at the 99th percentile."""
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Scale:
    """How many pods are drained at once, how many rollouts are in flight, how many strikes of each kind there are."""

    pods: int
    in_flight: int
    strikes: int

    def plan(self) -> Plan:
        """What is laid out."""
        level = Level(self.in_flight, 0)
        return Plan(self.in_flight, 3, 1, 5.0, (level,), warm_up=5.0, drained=self.pods)


FULL = Scale(5000, 20, 100)
QUICK = Scale(1000, 5, 20)


@dataclass(slots=True)
class Found:
    """Milliseconds from strike to undo, alone and behind a burst, and until a burst is read by one that does nothing
    with it; seconds of CPU of the daemon, those of a strike alone negative."""

    alone: list[float]
    behind: list[float]
    read: list[float]
    cpu: list[float]
    missed: int = 0

    @property
    def delay(self) -> float:
        """By how many milliseconds the 99th percentile lies higher behind a burst."""
        return Figures.of(self.behind).p99 - Figures.of(self.alone).p99


class Drained(Field):
    """The field, beside a node pool that is drained again and again."""

    _shown: asyncio.Future[tuple[int, int]]

    async def strike_in_turn(self, scale: Scale) -> Found:
        """Strike alone and behind a burst, and read a burst, one after the other."""
        assert self._daemon is not None
        await self._bring_into_flight(scale.in_flight)
        found = Found([], [], [], [])
        async with self._reader() as body:
            for number in range(2 * scale.strikes):
                name = await self._next()
                self._prepared(name, CRASH_LOOP, scale.in_flight)
                used = self._daemon.cpu_seconds()
                if number % 2:
                    self._world.link.send("drain")
                self._world.link.send("strike", (name,))
                await self._take(name, found.behind if number % 2 else found.alone)
                await asyncio.sleep(_PAUSE)
                found.cpu.append((self._daemon.cpu_seconds() - used) * (1 if number % 2 else -1))
                if number % 2:
                    found.read.append(await self._read_one(body))
        found.missed = self.missed
        return found

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[aiohttp.StreamReader]:
        assert self._session is not None
        url = f"{self._addresses['world'][1]}/api/v1/namespaces/{POOL}/pods"
        timeout = aiohttp.ClientTimeout(total=None)
        params = {"watch": "1", "resourceVersion": "0", "timeoutSeconds": "36000"}
        async with self._session.get(url, params=params, timeout=timeout) as response:
            response.raise_for_status()
            await self._until_quiet(response.content)
            yield response.content

    async def _until_quiet(self, body: aiohttp.StreamReader) -> None:
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(_PAUSE):
                    await body.readany()

    async def _read_one(self, body: aiohttp.StreamReader) -> float:
        """Milliseconds until a burst has been read to its last line."""
        self._shown = asyncio.get_running_loop().create_future()
        self._world.link.send("show")
        lines = 0
        while not self._shown.done() or lines < self._shown.result()[0]:
            lines += (await body.readany()).count(b"\n")
        return (time.monotonic_ns() - self._shown.result()[1]) / 1e6

    def _heed_more(self, message: Message) -> None:
        match message:
            case ("shown", int(events), int(stamp)):
                self._shown.set_result((events, stamp))


def bench(build: Build, quick: bool) -> Result:
    """Drain many pods many times, or a few."""
    scale = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        found = asyncio.run(measure(build, scale, Path(folder)))
    alone, behind = Figures.of(found.alone), Figures.of(found.behind)
    figures = {f"alone, {name}": value for name, value in (("p50", alone.p50), ("p99", alone.p99))}
    figures |= {
        f"behind a burst, {name}": value for name, value in (("p50", behind.p50), ("p99", behind.p99))
    }
    figures["a burst, CPU"] = per_burst(found)
    return Result(figures, lambda date: report(scale, found, date))


async def measure(build: Build, scale: Scale, folder: Path) -> Found:
    """Lay everything out and strike."""
    async with Drained.laid_out(build, scale.plan(), folder) as field:
        print(f"{scale.strikes} bursts of {scale.pods} events ...", file=sys.stderr)
        return await field.strike_in_turn(scale)


def per_burst(found: Found) -> float:
    """Seconds of CPU that a burst costs beyond a strike alone."""
    return sum(found.cpu) / max(1, len(found.behind))


def report(scale: Scale, found: Found, date: str) -> str:
    """The page."""
    alone, behind, read = (Figures.of(sample) for sample in (found.alone, found.behind, found.read))
    rows = [
        _row("alone", alone, alone),
        _row(f"behind {scale.pods:,} events", behind, alone),
        _row("the events alone, read and dropped", read, alone),
    ]
    cost = per_burst(found)
    return f"""# Burst: an undo behind a drained node pool

`python -m benchmarks burst`, {date}. {machine("aiohttp", "msgspec", "rollback-sentinel")}.

{scale.in_flight} rollouts are in flight. A crash loop of one of them is struck, alone and, in turn, right behind one
event of each of {scale.pods:,} other pods ({scale.pods // REPLICAS:,} guarded Deployments), of the size of real pods
(10 kB) and ahead of it in the watch of all pods. Timed is the way from the write of the pod's status into the API
server's store to the write of the Deployment that the undo makes there; the events were made beforehand, and sending
and reading them counts. A thread sends them, a chunk for each, while the server answers other requests and watches.

{table(["", "n", "p50 ms", "p90 ms", "p99 ms", "max ms", "p50 ÷ alone", "p99 ÷ alone"], rows)}

A burst delays an undo by {behind.p50 - alone.p50:.0f} ms at the median and {found.delay:.0f} ms at the 99th percentile:
the aim, at most {MAY_COST_MS:g} ms, is {_reached(found.delay)} here. One that only reads the events from that server
(the last row) has the last after {read.p50:.0f} and {read.p99:.0f} ms: no undo whose event comes on the same connection
can be sooner, so [the pods of candidates have a separate watch](../decisions/0013-candidates-pods-have-a-watch.md).
Of fewer than 100 undos the 99th percentile is the longest one.

Not undone within {Field.patience:g} s: {found.missed}. To take a burst in costs {cost:.2f} s of CPU,
{cost / scale.pods * 1e6:.0f} µs an event with the reconciles that follow. The machine's load average at the end, other
programs included: {os.getloadavg()[0]:.1f}.
"""


def _reached(delay: float) -> str:
    return "reached" if delay <= MAY_COST_MS else "**not reached**"


def _row(what: str, found: Figures, alone: Figures) -> Sequence[str]:
    times = [f"{value:.1f}" for value in (found.p50, found.p90, found.p99, found.most)]
    return [what, str(found.count), *times, f"{found.p50 / alone.p50:.2f}", f"{found.p99 / alone.p99:.2f}"]
