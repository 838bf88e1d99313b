"""The query API of the stand-in over HTTP: shapes, errors, scraping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from clustersim.metrics.prometheus_standin import PrometheusStandIn, shown
from clustersim.virtual_time import wall_clock

Json = dict[str, Any]


class World:
    """A stand-in that scrapes one changeable list of samples every 5 s."""

    def __init__(self) -> None:
        self.samples: list[tuple[str, dict[str, str], float]] = [("requests_total", {"pod": "a"}, 5.0)]
        self.now = wall_clock()
        self.server = PrometheusStandIn(lambda: self.samples, self.now, interval=5.0)
        self.url = ""

    async def ask(self, path: str, method: str = "GET", **parameters: str) -> tuple[int, Json]:
        where = {"params": parameters} if method == "GET" else {"data": parameters}
        async with ClientSession() as session, session.request(method, self.url + path, **where) as response:
            return response.status, await response.json(content_type=None)

    async def vector(self, query: str) -> list[tuple[Json, str]]:
        status, body = await self.ask("/api/v1/query", query=query)
        assert (status, body["status"], body["data"]["resultType"]) == (200, "success", "vector")
        return [(element["metric"], element["value"][1]) for element in body["data"]["result"]]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    built = World()
    built.url = await built.server.start()
    yield built
    await built.server.stop()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_instant_query_answers_a_vector(world: World, method: str) -> None:
    """The metric with its labels, the time of evaluation, the value as text."""
    await asyncio.sleep(12)
    status, body = await world.ask("/api/v1/query", method, query="requests_total")
    assert status == 200
    assert body == {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {
                    "metric": {
                        "__name__": "requests_total",
                        "instance": "simulated",
                        "job": "simulated",
                        "pod": "a",
                    },
                    "value": [world.now().timestamp(), "5"],
                }
            ],
        },
    }


async def test_a_scalar_and_a_range_vector_have_their_own_shapes(world: World) -> None:
    """`resultType` says which."""
    await asyncio.sleep(6)
    _, scalar = await world.ask("/api/v1/query", query="1 + 1", time="100")
    assert scalar["data"] == {"resultType": "scalar", "result": [100.0, "2"]}
    _, matrix = await world.ask("/api/v1/query", query="requests_total[1m]")
    assert matrix["data"]["resultType"] == "matrix"
    assert [value for _, value in matrix["data"]["result"][0]["values"]] == ["5", "5"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_range_query_answers_a_matrix(world: World, method: str) -> None:
    """One point a step, from start to end."""
    start = world.now().timestamp()
    await asyncio.sleep(60)
    parameters = {"query": "requests_total", "start": str(start), "end": str(start + 60), "step": "30s"}
    status, body = await world.ask("/api/v1/query_range", method, **parameters)
    assert (status, body["data"]["resultType"]) == (200, "matrix")
    assert body["data"]["result"][0]["values"] == [[start, "5"], [start + 30, "5"], [start + 60, "5"]]


@pytest.mark.parametrize(
    ("path", "parameters", "words"),
    [
        ("query", {"query": "sum("}, "parse error"),
        ("query", {}, 'invalid parameter "query"'),
        ("query", {"query": "up", "time": "soon"}, 'invalid parameter "time": cannot parse "soon"'),
        ("query", {"query": "topk(3, up)"}, "'topk' is not supported"),
        ("query", {"query": "up * on (job) group_left () up"}, "group_left"),
        ("query_range", {"query": "up", "start": "9", "end": "1", "step": "1"}, "must not be before start"),
        ("query_range", {"query": "up", "start": "0", "end": "1", "step": "0"}, "zero or negative"),
        ("query_range", {"query": "up", "start": "0", "end": "99999", "step": "1"}, "11,000 points"),
        (
            "query_range",
            {"query": "up[1m]", "start": "0", "end": "9", "step": "1"},
            "invalid expression type",
        ),
    ],
)
async def test_bad_requests_are_bad_data(world: World, path: str, parameters: Json, words: str) -> None:
    """400, `errorType: bad_data`, and what is wrong."""
    status, body = await world.ask(f"/api/v1/{path}", **parameters)
    assert (status, body["status"], body["errorType"]) == (400, "error", "bad_data")
    assert words in body["error"]


async def test_an_ambiguous_match_is_an_execution_error(world: World) -> None:
    """422, as Prometheus has it."""
    world.samples = [("x", {"pod": "a", "code": code}, 1.0) for code in ("1", "2")]
    await asyncio.sleep(6)
    status, body = await world.ask("/api/v1/query", query="x / on (pod) x")
    assert (status, body["errorType"]) == (422, "execution")


async def test_a_vanished_series_is_stale_at_once(world: World) -> None:
    """It is gone with the next scrape, not five minutes later."""
    await asyncio.sleep(12)
    assert len(await world.vector("requests_total")) == 1
    world.samples = []
    await asyncio.sleep(6)
    assert await world.vector("requests_total") == []


async def test_the_timestamp_is_that_of_the_sample(world: World) -> None:
    """Scraped at 10 s, asked at 13 s."""
    began = world.now().timestamp()
    await asyncio.sleep(13)
    assert [value for _, value in await world.vector("timestamp(requests_total)")] == [shown(began + 10)]


async def test_samples_beyond_the_retention_are_dropped() -> None:
    """A day of scrapes holds an hour of samples."""
    now = wall_clock()
    server = PrometheusStandIn(lambda: [("x", {}, 1.0)], now, interval=15.0)
    await server.start()
    await asyncio.sleep(86_400)
    held = [len(series.times) for series in server.series.select([])]
    await server.stop()
    assert max(held) < 3600 / 15 + 300


async def test_a_broken_server_answers_its_status(world: World) -> None:
    """For stories in which Prometheus is down: 503 without JSON, in its time."""
    world.server.status, world.server.delay = 503, 3.0
    before = asyncio.get_running_loop().time()
    async with ClientSession() as session, session.get(f"{world.url}/api/v1/query?query=up") as response:
        assert response.status == 503
    assert asyncio.get_running_loop().time() == pytest.approx(before + 3)


async def test_the_other_endpoints_answer(world: World) -> None:
    """Rules as they were set, build information, readiness."""
    world.server.rules = [{"name": "g", "file": "f", "interval": 15, "rules": []}]
    assert (await world.ask("/api/v1/rules"))[1]["data"] == {"groups": world.server.rules}
    assert "version" in (await world.ask("/api/v1/status/buildinfo"))[1]["data"]
    async with ClientSession() as session, session.get(f"{world.url}/-/ready") as response:
        assert (response.status, await response.text()) == (200, "Prometheus Server is Ready.\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [(5.0, "5"), (0.1, "0.1"), (1e-7, "0.0000001"), (1e20, "100000000000000000000"), (float("inf"), "+Inf")],
)
def test_values_are_written_without_exponents(value: float, text: str) -> None:
    """As Go's shortest plain decimal."""
    assert shown(value) == text
