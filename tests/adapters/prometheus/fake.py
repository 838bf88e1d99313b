"""A Prometheus that answers what it was told, on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sentinel.adapters.prometheus.backend import PROMETHEUS
from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

Vector = list[tuple[dict[str, str], float | str]]


@dataclass
class FakePrometheus:
    """Answers by query, at any time unless `(query, unix time)` is known; unknown queries are empty vectors."""

    answers: dict[str | tuple[str, float], Vector | float] = field(default_factory=dict)
    ranges: dict[str, list[tuple[dict[str, str], list[float | str | None]]]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    fault: web.Response | None = None
    delay: float = 0.0
    rules: list[Any] = field(default_factory=list)
    token: str = ""
    posts_refused: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)
    asked: list[tuple[str, float]] = field(default_factory=list)
    rules_asked: int = 0

    async def query(self, request: web.Request) -> web.Response:
        self.methods.append(request.method)
        if request.method == "POST" and self.posts_refused is not None:
            return web.Response(status=self.posts_refused, text="<html>no posts</html>")
        asked = await _parameters(request)
        text, at = asked["query"], float(asked.get("time", "0"))
        self.asked.append((text, at))
        await asyncio.sleep(self.delay)
        if self.fault is not None:
            return self.fault
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="Unauthorized")
        answer = self.answers.get((text, at), self.answers.get(text, []))
        if isinstance(answer, int | float):
            data: dict[str, Any] = {"resultType": "scalar", "result": [at, str(answer)]}
        else:
            result = [{"metric": labels, "value": [at, str(value)]} for labels, value in answer]
            data = {"resultType": "vector", "result": result}
        return web.json_response({"status": "success", "data": data} | self.extra, headers=self.headers)

    async def query_range(self, request: web.Request) -> web.Response:
        """Each series' values from the start on, one to a step; None where there is no sample."""
        asked = await _parameters(request)
        text = asked["query"]
        begin, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        self.asked.append((text, begin))
        if self.fault is not None:
            return self.fault
        result = [
            {
                "metric": labels,
                "values": [
                    [begin + n * step, str(v)]
                    for n, v in enumerate(values)
                    if v is not None and begin + n * step <= end
                ],
            }
            for labels, values in self.ranges.get(text, [])
        ]
        data = {"resultType": "matrix", "result": result}
        return web.json_response({"status": "success", "data": data} | self.extra)

    async def list_rules(self, request: web.Request) -> web.Response:
        self.rules_asked += 1
        if self.fault is not None:
            return self.fault
        data = {"groups": [{"rules": self.rules}]}
        return web.json_response({"status": "success", "data": data} | self.extra)


async def _parameters(request: web.Request) -> dict[str, str]:
    form = await request.post()
    return {**request.query, **{name: str(value) for name, value in form.items()}}


@contextlib.asynccontextmanager
async def prometheus(
    prefix: str = "", **connection: Any
) -> AsyncIterator[tuple[FakePrometheus, PrometheusClient]]:
    """The fake and a client of it, which get along while the block lasts."""
    fake = FakePrometheus()
    app = web.Application()
    for method in ("GET", "POST"):
        app.router.add_route(method, f"{prefix}/api/v1/query", fake.query)
        app.router.add_route(method, f"{prefix}/api/v1/query_range", fake.query_range)
    app.router.add_get(f"{prefix}/api/v1/rules", fake.list_rules)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    connection.setdefault("backend", PROMETHEUS)
    client = PrometheusClient(PrometheusConnection(f"http://{host}:{port}{prefix}", **connection))
    try:
        yield fake, client
    finally:
        client.close()
        await runner.cleanup()
