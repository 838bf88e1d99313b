"""What answers PromQL is recognised by its answers, and asked as it needs to be."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.adapters.prometheus.backend import PROMETHEUS, MetricsBackend
from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.late.lag import Lag
from sentinel.adapters.prometheus.metricsql import as_promql
from sentinel.domain.errors import SourceError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCALAR: Mapping[str, Any] = {"resultType": "scalar", "result": [0, "1"]}
VECTOR: Mapping[str, Any] = {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]}


class Server:
    """Answers queries with one result, and so many other paths as it knows; notes what came with each query."""

    def __init__(self, number: Mapping[str, Any], paths: Mapping[str, Any]) -> None:
        self.number = number
        self.paths = dict(paths)
        self.status = 200
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.startswith("/api/v1/query"):
            form = {name: str(value) for name, value in (await request.post()).items()}
            self.asked.append(form)
            if request.path.endswith("query_range"):
                matrix = {"resultType": "matrix", "result": []}
                return web.json_response({"status": "success", "data": matrix})
            if self.status != 200:
                return web.Response(status=self.status, text="trouble")
            return web.json_response({"status": "success", "data": self.number, "isPartial": False})
        if request.path not in self.paths:
            return web.Response(status=404, text="404 page not found")
        found = self.paths[request.path]
        if isinstance(found, str):
            return web.Response(text=found)
        return web.json_response({"status": "success", "data": found})


@asynccontextmanager
async def serving(number: Mapping[str, Any], **paths: Any) -> AsyncIterator[tuple[Server, PrometheusClient]]:
    named = {"info": "/api/v1/status/buildinfo", "stores": "/api/v1/stores", "page": "/metrics"}
    server = Server(number, {named[key]: found for key, found in paths.items()})
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = PrometheusClient(PrometheusConnection(f"http://127.0.0.1:{runner.addresses[0][1]}"))
    try:
        yield server, client
    finally:
        client.close()
        await runner.cleanup()


PAGE = 'vm_app_version{version="victoria-metrics-20220714-082755-tags-v1.79.5-0-gabc", short_version="v1.79.5"} 1\n'


@pytest.mark.parametrize(
    ("number", "paths", "found"),
    [
        (SCALAR, {"info": {"version": "2.42.0+ds"}}, "Prometheus 2.42.0+ds"),
        (SCALAR, {}, "Prometheus"),
        (SCALAR, {"info": {"version": "0.39.2"}, "stores": {"sidecar": []}}, "Thanos 0.39.2"),
        (SCALAR, {"info": {"application": "Grafana Mimir", "version": "2.17.0"}}, "Grafana Mimir 2.17.0"),
        (VECTOR, {"info": {"version": "2.24.0"}, "page": PAGE}, "VictoriaMetrics 1.79.5"),
        (VECTOR, {}, "VictoriaMetrics"),
    ],
)
async def test_a_backend_is_recognised(
    number: Mapping[str, Any], paths: Mapping[str, Any], found: str
) -> None:
    """By a number's type, then by what it tells of itself, of which a proxy may let nothing through."""
    async with serving(number, **paths) as (_, client):
        assert str(await client.backend()) == found


@pytest.mark.parametrize(
    ("paths", "late"),
    [
        ({"info": {"version": "3.6.0"}}, False),
        ({"info": {"version": "0.39.2"}, "stores": {"sidecar": []}}, False),
        ({"info": {"application": "Grafana Mimir", "version": "3.0.5"}}, True),
        ({}, True),
    ],
    ids=["Prometheus", "Thanos", "Mimir", "a service that tells nothing"],
)
async def test_what_a_remote_write_fills_is_known_to_be_late(paths: Mapping[str, Any], late: bool) -> None:
    """Before anything was learnt: the first rollout after a start is judged in time, too."""
    async with serving(SCALAR, **paths) as (_, client):
        assert ((await client.backend()).settle > 0) is late


async def test_victoria_metrics_is_asked_for_the_present_and_for_five_minutes_back() -> None:
    """Neither half a minute ago, nor with a lookback that some proxy's step would make."""
    async with serving(VECTOR) as (server, client):
        await client.instant("up", NOW)
        await client.range("up", NOW - timedelta(minutes=1), NOW, timedelta(seconds=15))
    assert (server.asked[1]["nocache"], server.asked[1]["step"]) == ("1", "300s")
    assert (server.asked[2]["nocache"], server.asked[2]["step"]) == ("1", "15")


async def test_the_last_half_minute_of_a_range_is_left_out_with_victoria_metrics() -> None:
    """There it repeats one value, which would count as half a minute without requests."""
    now, step = datetime.now(UTC), timedelta(seconds=15)
    async with serving(VECTOR) as (server, client):
        await client.range("up", now - timedelta(minutes=5), now, step)
        assert await client.range("up", now - timedelta(seconds=15), now, step) == ()
    assert float(server.asked[-1]["end"]) <= now.timestamp() - 28


async def test_thanos_is_asked_for_whole_answers_without_doubles() -> None:
    """A store that does not answer makes an error instead of a smaller number."""
    async with serving(SCALAR, stores={}) as (server, client):
        await client.instant("up", NOW)
    assert (server.asked[1]["partial_response"], server.asked[1]["dedup"]) == ("false", "true")


async def test_a_failure_makes_it_look_again() -> None:
    """What is there after it may be another program, or another version of it."""
    async with serving(SCALAR, info={"version": "2.42.0"}) as (server, client):
        await client.instant("up", NOW)
        server.status = 503
        with pytest.raises(SourceError):
            await client.instant("up", NOW + timedelta(seconds=1))
        assert await client.backend() == replace(PROMETHEUS, version="2.42.0")
        server.status, server.number = 200, VECTOR
        assert (await client.backend()).metricsql


async def test_what_refuses_the_first_question_is_taken_for_prometheus() -> None:
    """A proxy that wants a namespace in each query refuses a bare number."""
    async with serving(SCALAR) as (server, client):
        server.status = 400
        assert await client.backend() == PROMETHEUS


async def test_what_cannot_be_reached_is_not_guessed() -> None:
    """The question fails for the reason that it has."""
    client = PrometheusClient(PrometheusConnection("http://127.0.0.1:1"))
    with pytest.raises(SourceError, match="cannot be reached"):
        await client.backend()
    client.close()


def test_timestamps_of_series_that_are_gone_are_left_out() -> None:
    """In MetricsQL the time of a series' last sample outlives the series by minutes."""
    assert MetricsBackend(metricsql=True).stamps("m") == "timestamp(m) and m"
    assert PROMETHEUS.stamps("m") == "timestamp(m)"


ONE = InstantAnswer((Sample({}, 2.0),))
NONE = InstantAnswer(())


@pytest.mark.parametrize(
    ("expression", "answer", "scalar", "values"),
    [
        ("scalar(sum(m)) * 2", ONE, True, [2.0]),
        ("1 + time()", ONE, True, [2.0]),
        ("sum(m)", ONE, False, [2.0]),
        ("sum(m)", NONE, False, []),
        ("scalar(sum(m))", NONE, True, [math.nan]),
        ("100 * sum(a) / sum(b)", NONE, False, [math.nan]),
        ("(sum(a) / sum(b))", NONE, False, [math.nan]),
        ("sum(a) / sum(b) or vector(0)", ONE, False, [2.0]),
        ("topk_avg(1, m)", NONE, False, []),
    ],
)
def test_answers_of_metricsql_are_taken_as_promql(
    expression: str, answer: InstantAnswer, scalar: bool, values: list[float]
) -> None:
    """A number is a scalar again, and the empty answer of a ratio is a NaN, which is no evidence."""
    found = as_promql(answer, expression)
    assert found.scalar is scalar
    assert [sample.value for sample in found.samples] == pytest.approx(values, nan_ok=True)


def stamps(*ages: float, at: datetime = NOW) -> InstantAnswer:
    return InstantAnswer(
        tuple(Sample({"pod": str(age)}, (at - timedelta(seconds=age)).timestamp()) for age in ages)
    )


def test_a_lag_is_learnt_from_samples_that_come_in_and_are_all_old() -> None:
    """Data that a remote write brings 40 s after the scrape, which was due 15 s after the one before."""
    lag, later = Lag(), NOW + timedelta(seconds=15)
    lag.learn("m", stamps(40, 45), NOW, 15)
    assert not lag.late
    lag.learn("m", stamps(40, 45, at=later), later, 15)
    assert (lag.late, lag.settle) == (True, 25)


def test_samples_that_only_grow_old_teach_no_lag() -> None:
    """Those of pods that are gone, or of a scraper that stopped, are stale and stay so."""
    lag, later = Lag(), NOW + timedelta(seconds=15)
    lag.learn("m", stamps(40), NOW, 15)
    lag.learn("m", stamps(40), later, 15)
    lag.learn("n", stamps(5, 300), later, 15)
    assert not lag.late


def test_an_outage_teaches_no_lag() -> None:
    """The first samples after a restart are from just before it: what stopped for a while does not lag."""
    lag, back = Lag(), NOW + timedelta(seconds=25)
    lag.learn("m", stamps(1), NOW, 1)
    lag.learn("m", stamps(24, at=back), back, 1)
    assert not lag.late


def test_batches_teach_the_longest_wait_for_one() -> None:
    """Just before a batch of 30 s comes in, the newest sample is older than after it."""
    lag, later = Lag(), NOW + timedelta(seconds=1)
    lag.learn("m", stamps(34), NOW, 1)
    lag.learn("m", stamps(5, at=later), later, 1)
    assert lag.settle == 33


def test_a_single_long_wait_is_no_lag() -> None:
    """The settle is the second longest of the latest five: an outage is the longest."""
    lag = Lag()
    lag.known(4.0)
    for number, seconds in enumerate((3.0, 3.1, 60.0, 3.2)):
        lag.note(seconds, 4.0 * number)
    assert lag.settle == 3.2


def test_a_batch_that_several_queries_saw_teaches_once() -> None:
    """Else two of them that see the end of an outage were taken for two such waits."""
    lag = Lag()
    lag.note(3.0, 4.0)
    for seconds, at in ((25.0, 30.0), (25.2, 30.3), (24.0, 30.6)):
        lag.note(seconds, at)
    assert lag.settle == 3.0


def test_a_lag_ends_with_its_cause() -> None:
    """Five batches in a row that were prompt, and nothing is waited for."""
    lag = Lag()
    lag.note(40, 0.0)
    for number in range(1, 5):
        lag.note(0.2, float(number))
        assert lag.late
    lag.note(0.2, 5.0)
    assert (lag.late, lag.settle) == (False, 0)


def test_a_settle_of_the_settings_is_kept() -> None:
    """Whoever sets it knows better."""
    lag = Lag(chosen=5.0)
    lag.known(60.0)
    assert (lag.late, lag.settle) == (False, 5.0)
