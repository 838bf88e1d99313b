"""How long workloads wait for a reconcile, how long one takes, and what is asked, at 1 to 1,000 rollouts in flight.

The simulated cluster, Prometheus' stand-in and `sentinel run` are three processes. Waits and reconciles are what the
daemon's own metrics tell, queries what the stand-in was asked. Beside, what decoding a large answer costs the event
loop, in the thread where the daemon does it and on the loop.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness.build import Build
from benchmarks.harness.field import Field, Level, Plan
from benchmarks.harness.figures import machine, table
from benchmarks.harness.link import Message
from benchmarks.harness.result import Result
from benchmarks.harness.stalls import Stalls, decoding, decoding_hours

_INTERVAL = 5.0
_TURNS = ("urgent", "event", "routine")
_WARM_UP = 10.0
_PODS = 50
"""So many pods' hours are asked for at once."""
_RULES = 2
"""The metric rules of the policy."""
_SETTLES, _SETTLES_EACH = 60.0, 0.3
"""Seconds, and for each rollout more, until all of a level bake; else it has no figures, nor have those above it."""
_WAIT, _PASS = "sentinel_queue_wait_seconds", "sentinel_reconcile_seconds"


@dataclass(frozen=True, slots=True)
class Scale:
    """How many rollouts are in flight at each level, and for how many seconds each is watched."""

    levels: tuple[int, ...]
    seconds: float
    series: int

    def plan(self) -> Plan:
        """What is laid out."""
        levels = tuple(Level(count, 0) for count in self.levels)
        return Plan(max(self.levels), 3, 1, _INTERVAL, levels, warm_up=_WARM_UP)


FULL = Scale((1, 50, 200, 1000), 30.0, 10_000)
QUICK = Scale((1, 20), 15.0, 2000)


@dataclass(frozen=True, slots=True)
class Use:
    """Of one rollout and tick: milliseconds of CPU, and reconciles."""

    cpu: float
    reconciles: float


@dataclass(frozen=True, slots=True)
class Released:
    """So many rollouts, from the first one's release until all of a level have baked for a while: queries a rule, and
    milliseconds of CPU of each.
    """

    rollouts: int
    queries: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Watched:
    """One level: milliseconds that urgent and routine keys waited and that a reconcile took, each at the median and
    the 99th percentile; queries a rule and milliseconds of CPU a rollout while so many more were released; queries a
    tick and rule; what is used with requests and without any. Nothing is a number where the level was not reached.
    """

    in_flight: int
    waits: Mapping[str, tuple[float, float]]
    passes: tuple[float, float]
    released: Released
    queries: float
    busy: Use
    silent: Use

    @classmethod
    def unsettled(cls, in_flight: int) -> Watched:
        """A level that was not reached in time."""
        unknown, use = (math.nan, math.nan), Use(math.nan, math.nan)
        return cls(
            in_flight,
            dict.fromkeys(_TURNS, unknown),
            unknown,
            Released(0, math.nan, math.nan),
            math.nan,
            use,
            use,
        )

    @property
    def settled(self) -> bool:
        """Whether the level was reached and watched."""
        return not math.isnan(self.queries)


class Busy(Field):
    """The field, watched while nothing is struck."""

    _answered_queries: asyncio.Future[int]

    async def watch(self, in_flight: int, seconds: float) -> Watched:
        """Bring so many rollouts into flight and watch."""
        assert self._daemon is not None
        already, asked, used = self._in_flight, await self._asked(), self._daemon.cpu_seconds()
        try:
            async with asyncio.timeout(_SETTLES + _SETTLES_EACH * in_flight):
                await self._bring_into_flight(in_flight)
        except TimeoutError:
            print(f"not settled: {len(self._baking)} of {in_flight} bake", file=sys.stderr)
            return Watched.unsettled(in_flight)
        more = in_flight - already
        cpu = (self._daemon.cpu_seconds() - used) * 1000 / more
        released = Released(more, (await self._asked() - asked) / _RULES, cpu)
        asked, began = await self._asked(), time.monotonic()
        seen, busy = await self._use(in_flight, seconds)
        queries = (await self._asked() - asked) / ((time.monotonic() - began) / _INTERVAL) / _RULES
        self._metrics.link.send("requests", False)
        await asyncio.sleep(min(3 * _INTERVAL, seconds))
        _, silent = await self._use(in_flight, seconds)
        self._metrics.link.send("requests", True)
        waits = {turn: _quantiles(seen.get(f"{_WAIT}/{turn}", {})) for turn in _TURNS}
        passes = _quantiles(seen.get(f"{_PASS}/", {}))
        return Watched(in_flight, waits, passes, released, queries, busy, silent)

    async def _use(self, in_flight: int, seconds: float) -> tuple[dict[str, dict[float, float]], Use]:
        """The daemon's histograms of so many seconds, and what it used."""
        assert self._daemon is not None
        before = await self._histograms()
        used, began = self._daemon.cpu_seconds(), time.monotonic()
        await asyncio.sleep(seconds)
        ticks = in_flight * (time.monotonic() - began) / _INTERVAL
        cpu, after = self._daemon.cpu_seconds() - used, await self._histograms()
        seen = {name: _less(buckets, before.get(name, {})) for name, buckets in after.items()}
        reconciles = max(seen.get(f"{_PASS}/", {}).values(), default=math.nan)
        return seen, Use(cpu * 1000 / ticks, reconciles / ticks)

    async def _histograms(self) -> dict[str, dict[float, float]]:
        """The daemon's histograms of waits and reconciles: counts by upper bound."""
        assert self._session is not None
        assert self._daemon is not None
        async with self._session.get(f"{self._daemon.url}/metrics") as response:
            text = await response.text()
        found: dict[str, dict[float, float]] = {}
        for family in text_string_to_metric_families(text):
            if family.name in (_WAIT, _PASS):
                for sample in family.samples:
                    if sample.name.endswith("_bucket"):
                        name = f"{family.name}/{sample.labels.get('turn', '')}"
                        found.setdefault(name, {})[float(sample.labels["le"])] = sample.value
        return found

    async def _asked(self) -> int:
        """How many queries Prometheus' stand-in has answered."""
        self._answered_queries = asyncio.get_running_loop().create_future()
        self._metrics.link.send("asked")
        return await self._answered_queries

    def _heed_metrics(self, message: Message) -> None:
        if message[0] == "asked":
            self._answered_queries.set_result(message[1])
        else:
            super()._heed_metrics(message)


def bench(build: Build, quick: bool) -> Result:
    """Watch every level, or two small ones."""
    scale = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        levels = asyncio.run(measure(build, scale, Path(folder)))
    stalls = asyncio.run(decoding(scale.series)), asyncio.run(decoding_hours(_PODS))
    figures = {f"{one.in_flight} in flight, queries a tick and rule": one.queries for one in levels}
    for one in levels:
        figures[f"{one.in_flight} in flight, queries a rule while they are released"] = one.released.queries
        figures[f"{one.in_flight} in flight, CPU a rollout while they are released"] = one.released.cpu
    for one in levels:
        figures[f"{one.in_flight} in flight, CPU a rollout and tick"] = one.busy.cpu
        figures[f"{one.in_flight} in flight without requests, CPU a rollout and tick"] = one.silent.cpu
    figures |= {f"{one.in_flight} in flight, a reconcile, p50": one.passes[0] for one in levels}
    return Result(figures, lambda date: report(scale, levels, stalls, date))


async def measure(build: Build, scale: Scale, folder: Path) -> list[Watched]:
    """Lay everything out and watch each level."""
    async with Busy.laid_out(build, scale.plan(), folder) as field:
        found = []
        for count in scale.levels:
            print(f"{count} in flight ...", file=sys.stderr)
            reached = not found or found[-1].settled
            found.append(await field.watch(count, scale.seconds) if reached else Watched.unsettled(count))
        return found


def _less(after: Mapping[float, float], before: Mapping[float, float]) -> dict[float, float]:
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}


def _quantiles(buckets: Mapping[float, float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds, interpolated within buckets; NaN where nothing was seen."""
    return _quantile(buckets, 0.5) * 1000, _quantile(buckets, 0.99) * 1000


def _quantile(buckets: Mapping[float, float], share: float) -> float:
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return math.nan
    below, lower = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= share * total:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (share * total - below) / (buckets[bound] - below)
        below, lower = buckets[bound], bound
    return lower


def report(scale: Scale, levels: list[Watched], stalls: tuple[Stalls, Stalls], date: str) -> str:
    """The page."""
    least, (vector, hours) = levels[0], stalls
    rows = [
        [
            f"{one.in_flight:,}",
            *(
                _ratio(one.waits[turn][at], least.passes[0])
                for turn in ("urgent", "routine")
                for at in (0, 1)
            ),
            *(_ratio(one.passes[at], least.passes[0]) for at in (0, 1)),
            f"{one.released.rollouts:,}",
            _number(one.released.queries),
            _number(one.released.cpu / least.busy.cpu),
            _number(one.queries),
            _number(one.busy.reconciles),
            _number(one.busy.cpu / least.busy.cpu),
            _number(one.silent.reconciles),
            _number(one.silent.cpu / least.busy.cpu),
        ]
        for one in levels
    ]
    head = ["in flight", "urgent wait p50", "p99", "routine wait p50", "p99", "reconcile p50", "p99"]
    head += [
        "released",
        "queries a rule",
        "CPU",
        "queries a tick and rule",
        "reconciles a tick and rollout",
        "CPU",
        "reconciles without requests",
        "CPU",
    ]
    return f"""# Waits: how the queue fares with many rollouts in flight

`python -m benchmarks waits`, {date}. {machine("aiohttp", "orjson", "rollback-sentinel")}.

Rollouts of Deployments of 3 pods bake a canary's step, with an error rate and a latency rule every {_INTERVAL:g} s,
each level watched for {scale.seconds:g} s. Waits and reconciles are in units of the median reconcile with
{least.in_flight} in flight, of the same run, interpolated within the buckets of `sentinel_queue_wait_seconds` (whose
first ends at 1 ms) and `sentinel_reconcile_seconds`. *Urgent* are changes of a rollout in flight; *routine* are ticks,
which come for all rollouts in the same moment and wait for one another. *Released* are those that were not in flight
at the level before, 20 ms apart or, with 20 of them not baking yet, as soon as another bakes: all queries of a rule,
and the CPU of each, from the first release until all have baked for {_WARM_UP:g} s. Queries are what Prometheus was
asked: as much for one rollout as for all. Reconciles and CPU are of a rollout and tick, CPU ÷ that with
{least.in_flight} in flight.
*Without requests* nobody asked the pods for anything: each tick is measured, and one in four is judged, as of healthy
rollouts with requests while they bake.

{table(head, rows)}
{_unsettled(levels)}
An answer of {scale.series:,} series ({vector.mib:.1f} MiB) is decoded in a thread beside the loop. That stalls the
loop {vector.in_thread / vector.on_loop:.2f} times as long as decoding it on the loop would (Python runs one thread at a
time, and a decoder in C gives way only at its end); the hours of {_PODS} pods ({hours.mib:.1f} MiB), which are read
series by series, {hours.in_thread / hours.on_loop:.2f} times.
"""


def _unsettled(levels: list[Watched]) -> str:
    counts = ", ".join(f"{one.in_flight:,}" for one in levels if not one.settled)
    return f"\nNot settled, so without figures: {counts} in flight.\n" if counts else ""


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.2f}"


def _ratio(value: float, unit: float) -> str:
    return "none" if math.isnan(value) else f"{value / unit:.2f}"
