"""Asking Prometheus: once, within a deadline, with a reason for every failure."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.http.credentials import Bearer, SourceCredentials
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.secret import fixed
from tests.adapters.prometheus.fake import NOW, prometheus


def api_error(status: int, kind: str, words: str, **headers: str) -> web.Response:
    return web.json_response(
        {"status": "error", "errorType": kind, "error": words}, status=status, headers=headers
    )


async def test_equal_questions_at_equal_times_are_asked_once() -> None:
    """Twenty workloads under one rule make one query a tick; the answer serves the next tick's beginning."""
    async with prometheus() as (fake, client):
        fake.answers["up"] = [({"pod": "a"}, 1)]
        together = await asyncio.gather(*(client.instant("up", NOW) for _ in range(20)))
        assert {answer.samples[0].value for answer in together} == {1.0}
        await client.instant("up", NOW)
        await client.instant("up", NOW + timedelta(seconds=15))
        assert fake.asked == [("up", NOW.timestamp()), ("up", NOW.timestamp() + 15)]


async def test_the_evaluation_time_is_exact_to_the_millisecond() -> None:
    """The time asked for is the caller's, not the server's."""
    async with prometheus() as (fake, client):
        await client.instant("up", NOW + timedelta(milliseconds=123))
        assert fake.asked[0][1] == pytest.approx(NOW.timestamp() + 0.123, abs=1e-4)


@pytest.mark.parametrize(
    ("fault", "reason", "sentence"),
    [
        (
            api_error(400, "bad_data", "parse error: unclosed"),
            MissingReason.BAD_QUERY,
            "parse error: unclosed",
        ),
        (api_error(422, "execution", "many-to-many"), MissingReason.BAD_QUERY, "many-to-many"),
        (api_error(503, "timeout", "query timed out"), MissingReason.SOURCE_TIMEOUT, "gave up"),
        (web.Response(status=503, text="no upstream"), MissingReason.SOURCE_UNREACHABLE, "no upstream"),
        (web.Response(status=500, text=""), MissingReason.SOURCE_REFUSED, "HTTP 500"),
        (web.Response(status=401, text="who?"), MissingReason.SOURCE_REFUSED, "check the token or password"),
        (web.Response(status=401, text="no org id"), MissingReason.SOURCE_REFUSED, "wants a tenant"),
        (web.Response(status=407, text="who?"), MissingReason.SOURCE_REFUSED, "proxy that wants credentials"),
        (
            web.Response(body=b"{}", headers={"Content-Encoding": "gzip"}),
            MissingReason.SOURCE_REFUSED,
            "cannot be unpacked",
        ),
        (api_error(429, "", "slow", **{"Retry-After": "9"}), MissingReason.RATE_LIMITED, "wait 9 s"),
        (web.Response(status=206, text="half"), MissingReason.PARTIAL_ANSWER, "answers only in part"),
        (web.Response(status=499, text="gone"), MissingReason.SOURCE_UNREACHABLE, "not available"),
        (
            web.json_response({"status": "error", "errorType": "timeout", "error": "late"}),
            MissingReason.SOURCE_TIMEOUT,
            "late",
        ),
        (web.Response(text="<html>login</html>"), MissingReason.SOURCE_REFUSED, "wrong URL, or a login page"),
        (web.json_response([1]), MissingReason.SOURCE_REFUSED, "does not speak Prometheus' API"),
        (
            web.json_response({"data": {"result": {}}}),
            MissingReason.SOURCE_REFUSED,
            "not in the format of Prometheus' API",
        ),
        (web.json_response({"data": {"result": [{}]}}), MissingReason.SOURCE_REFUSED, "not in the format"),
        (web.json_response({"data": {"result": [1]}}), MissingReason.SOURCE_REFUSED, "not in the format"),
        (web.json_response({"data": {"result": [1, "text"]}}), MissingReason.BAD_QUERY, "the text 'text'"),
    ],
)
async def test_failures_have_their_reason_and_are_not_retried(
    fault: web.Response, reason: MissingReason, sentence: str
) -> None:
    """Every kind of failure is named in Prometheus' own words, after exactly one request."""
    async with prometheus() as (fake, client):
        fake.fault = fault
        with pytest.raises(SourceError, match=sentence) as caught:
            await client.instant("up", NOW)
        assert caught.value.reason == reason
        assert len(fake.asked) == 1


async def test_a_range_vector_is_a_bad_query() -> None:
    """A rule must ask for numbers at one time."""
    async with prometheus() as (fake, client):
        result = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "2"]]}]}
        fake.fault = web.json_response({"status": "success", "data": result})
        with pytest.raises(SourceError, match="range vector") as caught:
            await client.instant("up[5m]", NOW)
        assert caught.value.reason == MissingReason.BAD_QUERY


async def test_other_endpoints_fail_with_the_same_reasons() -> None:
    """What is asked beside queries is named as well when it is not Prometheus that answers."""
    async with prometheus() as (_, client):
        with pytest.raises(SourceError, match="HTTP 404"):
            await client.get("/nowhere", {})
    client = PrometheusClient(PrometheusConnection("http://127.0.0.1:1"))
    with pytest.raises(SourceError, match="cannot be reached"):
        await client.get("/api/v1/rules", {})
    client.close()


async def test_a_stopped_client_says_so() -> None:
    """After close nothing is asked any more."""
    client = PrometheusClient(PrometheusConnection("http://127.0.0.1:1"))
    client.close()
    with pytest.raises(SourceError, match="stopping"):
        await client.instant("up", NOW)


async def test_a_failed_question_is_asked_again() -> None:
    """A failure is not remembered."""
    async with prometheus() as (fake, client):
        fake.fault = web.Response(status=500)
        with pytest.raises(SourceError):
            await client.instant("up", NOW)
        fake.fault = None
        assert (await client.instant("up", NOW)).samples == ()


async def test_the_token_and_the_path_prefix_are_used() -> None:
    """Prometheus behind a path and a bearer token is reached."""
    credentials = SourceCredentials(authorization=Bearer(fixed("secret")))
    async with prometheus("/tenant/prom", credentials=credentials) as (fake, client):
        fake.token = "secret"
        fake.answers["up"] = [({}, 1)]
        assert len((await client.instant("up", NOW)).samples) == 1


async def test_an_unreachable_server_is_named_without_object_names() -> None:
    """A refused connection says where and why in plain words."""
    client = PrometheusClient(PrometheusConnection("http://127.0.0.1:1"))
    with pytest.raises(
        SourceError, match=r"http://127\.0\.0\.1:1 cannot be reached: Connection refused"
    ) as caught:
        await client.instant("up", NOW)
    client.close()
    assert caught.value.reason == MissingReason.SOURCE_UNREACHABLE


@pytest.mark.real_time
async def test_a_hanging_server_is_given_up_at_the_deadline() -> None:
    """A server that accepts and never answers costs its timeout once, and is named so."""
    async with prometheus(timeout=0.2) as (fake, client):
        fake.delay = 1.5
        with pytest.raises(SourceError, match=r"did not answer within 0\.2 s") as caught:
            await client.instant("up", NOW)
        assert caught.value.reason == MissingReason.SOURCE_TIMEOUT
        assert len(fake.asked) == 1


@pytest.mark.real_time
async def test_questions_do_not_pile_up_behind_a_hanging_server() -> None:
    """With every thread stuck and the line full, one more question fails at once."""
    async with prometheus(timeout=0.2, threads=1, waiting=1) as (fake, client):
        fake.delay = 1.5
        questions = [client.instant(f"up{n}", NOW) for n in range(3)]
        failures = await asyncio.gather(*questions, return_exceptions=True)
        reasons = [failure.reason for failure in failures if isinstance(failure, SourceError)]
        assert sorted(reasons) == [
            MissingReason.NOT_ASKED,
            MissingReason.SOURCE_TIMEOUT,
            MissingReason.SOURCE_TIMEOUT,
        ]


async def test_other_endpoints_do_not_queue_behind_the_queries() -> None:
    """While every thread waits for a query, what an alert needs to know is answered."""
    async with prometheus() as (fake, client):
        fake.delay = 1.0
        queries = [asyncio.create_task(client.instant(f"up{{a='{number}'}}", NOW)) for number in range(12)]
        await asyncio.sleep(0.1)
        fake.rules = [{"name": "Slow", "duration": 60}]
        assert await client.get("/api/v1/rules", {"type": "alert"})
        assert not any(query.done() for query in queries)
        for query in queries:
            query.cancel()
        await asyncio.gather(*queries, return_exceptions=True)
