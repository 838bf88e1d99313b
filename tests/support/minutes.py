"""The simulated traffic counted by the minute, for stand-ins of systems that keep it so."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from clustersim.cluster import SimulatedCluster

MINUTE = 60
SETTLES_AFTER = 60
"""Seconds after its end until a minute's requests are complete."""
SAMPLED_EVERY = 5.0


@dataclass(slots=True)
class CountedMinutes:
    """Requests and failures by pod and minute. Of a minute that has not settled a tenth of the requests is there, and
    all failures.
    """

    cluster: SimulatedCluster
    _minutes: dict[tuple[bool, str, str], dict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    _seen: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    async def sample(self) -> None:
        """Add up what the pods have answered, for ever."""
        while True:
            minute = int(self.cluster.now().timestamp()) // MINUTE * MINUTE
            await asyncio.sleep(SAMPLED_EVERY)
            for counters in self.cluster.traffic.counters():
                failures = sum(n for code, n in counters.requests.items() if code.startswith("5"))
                run = (f"{counters.namespace}/{counters.pod}", counters.restarts)
                before, failed_before = self._seen.get(run, (0, 0))
                self._seen[run] = counters.count, failures
                for failed, new in ((False, counters.count - before), (True, failures - failed_before)):
                    self._minutes[failed, counters.namespace, counters.pod][minute] += new

    def of_pods(
        self, namespace: str, begin: int, end: int, *, failed: bool
    ) -> Iterator[tuple[str, Mapping[int, int]]]:
        """Each pod with what it counted in the minutes that begin within [begin, end)."""
        for (failures, place, pod), minutes in self._minutes.items():
            counted = {
                minute: self._known(minute, count, failed=failed)
                for minute, count in sorted(minutes.items())
                if begin <= minute < end
            }
            if (failures, place) == (failed, namespace) and any(counted.values()):
                yield pod, counted

    def _known(self, minute: int, count: int, *, failed: bool) -> int:
        settled = self.cluster.now().timestamp() >= minute + MINUTE + SETTLES_AFTER
        return count if settled or failed else count // 10


class CountingStandin(Protocol):
    """A stand-in of one of these systems: where it is, and what it does with a request."""

    minutes: CountedMinutes
    url: str

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        ...


@asynccontextmanager
async def counting(standin: CountingStandin) -> AsyncIterator[None]:
    """Counts and serves while the block lasts."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", standin.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    standin.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sampling = asyncio.create_task(standin.minutes.sample())
    try:
        yield
    finally:
        sampling.cancel()
        await runner.cleanup()
