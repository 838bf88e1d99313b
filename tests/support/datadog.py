"""A stand-in for Datadog's timeseries query API on the loopback: it counts the simulated traffic by the minute."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from clustersim.cluster import SimulatedCluster
from tests.support.minutes import MINUTE, CountedMinutes, counting

API_KEY, APP_KEY = "api-key", "app-key"
HITS, ERRORS = "trace.http.request.hits", "trace.http.request.errors"

_QUERY = re.compile(
    r"sum:(?P<metric>[\w.]+)\{kube_namespace:(?P<namespace>[\w-]+)\}"
    r" by \{kube_namespace,pod_name\}\.as_count\(\)\.rollup\(sum, 60\)"
)


@dataclass(slots=True)
class FakeDatadog:
    """Answers with counts by pod and minute. While `status` is set every query is answered with it."""

    minutes: CountedMinutes
    url: str = ""
    status: int | None = None
    asked: int = 0

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
        return [
            {
                "tag_set": [f"kube_namespace:{namespace}", f"pod_name:{pod}"],
                "query_index": index,
                "interval": MINUTE,
                "pointlist": [[minute * 1000, count] for minute, count in minutes.items()],
            }
            for pod, minutes in self.minutes.of_pods(namespace, begin, end + 1, failed=metric == ERRORS)
        ]


@asynccontextmanager
async def fake_datadog(cluster: SimulatedCluster) -> AsyncIterator[FakeDatadog]:
    """Counts and serves while the block lasts."""
    datadog = FakeDatadog(CountedMinutes(cluster))
    async with counting(datadog):
        yield datadog
