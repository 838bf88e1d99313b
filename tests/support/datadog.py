"""A stand-in for Datadog's timeseries query API on the loopback: it counts the simulated traffic by the minute."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from clustersim.cluster import SimulatedCluster

API_KEY, APP_KEY = "api-key", "app-key"
HITS, ERRORS = "trace.http.request.hits", "trace.http.request.errors"
MINUTE = 60
SETTLES_AFTER = 60
"""Seconds after its end until a minute's hits are complete."""
SAMPLED_EVERY = 5.0

_QUERY = re.compile(
    r"sum:(?P<metric>[\w.]+)\{kube_namespace:(?P<namespace>[\w-]+)\}"
    r" by \{kube_namespace,pod_name\}\.as_count\(\)\.rollup\(sum, 60\)"
)


@dataclass(slots=True)
class FakeDatadog:
    """Counts by metric, pod and minute. Of a minute that has not settled a tenth of the hits is there, and all errors.

    While `status` is set every query is answered with it.
    """

    cluster: SimulatedCluster
    url: str = ""
    status: int | None = None
    asked: int = 0
    _minutes: dict[tuple[str, str, str], dict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    _seen: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    async def sample(self) -> None:
        """Add up what the pods have answered, for ever."""
        while True:
            minute = int(self.cluster.now().timestamp()) // MINUTE * MINUTE
            await asyncio.sleep(SAMPLED_EVERY)
            for counters in self.cluster.traffic.counters():
                failed = sum(n for code, n in counters.requests.items() if code.startswith("5"))
                run = (f"{counters.namespace}/{counters.pod}", counters.restarts)
                hits_before, failed_before = self._seen.get(run, (0, 0))
                self._seen[run] = counters.count, failed
                for metric, new in ((HITS, counters.count - hits_before), (ERRORS, failed - failed_before)):
                    self._minutes[metric, counters.namespace, counters.pod][minute] += new

    async def handle(self, request: web.Request) -> web.Response:
        """Answer `GET /api/v1/query`."""
        self.asked += 1
        if (request.headers.get("DD-API-KEY"), request.headers.get("DD-APPLICATION-KEY")) != (
            API_KEY,
            APP_KEY,
        ):
            return web.json_response({"errors": ["Forbidden"]}, status=403)
        if self.status is not None:
            headers = {"X-RateLimit-Reset": "30"} if self.status == 429 else {}
            return web.json_response({"errors": ["Not now"]}, status=self.status, headers=headers)
        begin, end = int(request.query["from"]), int(request.query["to"])
        series: list[dict[str, Any]] = []
        for index, query in enumerate(re.split(r"(?<=\)),", request.query["query"])):
            asked = _QUERY.fullmatch(query)
            if asked is None:
                return web.json_response({"errors": [f"cannot parse {query}"]}, status=400)
            series += self._series(index, asked["metric"], asked["namespace"], begin, end)
        return web.json_response({"status": "ok", "series": series})

    def _series(self, index: int, metric: str, namespace: str, begin: int, end: int) -> list[dict[str, Any]]:
        found = []
        for (name, place, pod), minutes in self._minutes.items():
            points = [
                [minute * 1000, self._known(name, minute, count)]
                for minute, count in sorted(minutes.items())
                if begin <= minute <= end
            ]
            if (name, place) == (metric, namespace) and any(count for _, count in points):
                tags = [f"kube_namespace:{place}", f"pod_name:{pod}"]
                found.append({"tag_set": tags, "query_index": index, "interval": MINUTE, "pointlist": points})
        return found

    def _known(self, metric: str, minute: int, count: int) -> int:
        settled = self.cluster.now().timestamp() >= minute + MINUTE + SETTLES_AFTER
        return count if settled or metric == ERRORS else count // 10


@asynccontextmanager
async def fake_datadog(cluster: SimulatedCluster) -> AsyncIterator[FakeDatadog]:
    """Counts and serves while the block lasts."""
    datadog = FakeDatadog(cluster)
    app = web.Application()
    app.router.add_get("/api/v1/query", datadog.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    datadog.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sampling = asyncio.create_task(datadog.sample())
    try:
        yield datadog
    finally:
        sampling.cancel()
        await runner.cleanup()
