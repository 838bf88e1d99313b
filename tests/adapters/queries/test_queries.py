"""Sources of free queries: what they are asked, and what their answers and refusals come to."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from sentinel.adapters.queries.asking import JsonRequests, QuerySource
from sentinel.adapters.queries.cloudwatch import CloudWatch, cloudwatch_client
from sentinel.adapters.queries.newrelic import NewRelic
from sentinel.adapters.queries.web import WebMetrics, selected
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.gate import GateLimits
from sentinel.domain.policy.rules import CountQuery, ValueQuery
from sentinel.secret import fixed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
REQUESTS = JsonRequests(5.0)


class Server:
    """Answers everything with one JSON and status, and keeps the requests."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.bodies: list[str] = []
        self.asked: list[web.Request] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.text())
        return web.json_response(self.answer, status=self.status, headers=self.headers)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield server, f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def value(ask: Any, expression: str) -> tuple[tuple[float, ...], MissingReason | None]:
    source = QuerySource("it", ask, timeout=5.0, threads=1)
    try:
        found = await source.value(ValueQuery("it", expression), NOW)
    finally:
        source.close()
    return found.values, found.missing.reason if found.missing else None


async def reason(ask: Any, expression: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await value(ask, expression)
    return caught.value


async def test_new_relic_is_asked_in_nrql_and_gives_the_numbers_of_its_results() -> None:
    """By account and key; times and texts among the results are not what was asked for."""
    async with serving() as (server, url):
        rows = [{"facet": "shop", "average.duration": 0.25, "endTimeSeconds": 3}, {"percentage": 4}]
        server.answer = {"data": {"actor": {"account": {"q0": {"results": rows}}}}}
        asked = NewRelic(url, 7, fixed("canary"), REQUESTS)
        assert await value(asked.ask, "SELECT average(duration) FROM Transaction") == ((0.25, 4.0), None)
        rows[1]["percentage"] = None  # type: ignore[assignment]
        assert await value(asked.ask, "SELECT 1") == ((), MissingReason.NOT_A_NUMBER)
    assert server.asked[0].path == "/graphql"
    assert server.asked[0].headers["API-Key"] == "canary"
    assert '"account": 7' in server.bodies[0]
    assert "SELECT average(duration) FROM Transaction" in server.bodies[0]


async def test_new_relics_words_on_a_bad_query_are_passed_on() -> None:
    """It answers 200 with errors."""
    async with serving() as (server, url):
        server.answer = {"data": {"actor": None}, "errors": [{"message": "NRQL Syntax Error"}]}
        error = await reason(NewRelic(url, 7, fixed("canary"), REQUESTS).ask, "SELEC")
    assert (error.reason, str(error)) == (
        MissingReason.BAD_QUERY,
        "New Relic refuses the query: NRQL Syntax Error",
    )


def web_metrics(*hosts: str) -> WebMetrics:
    return WebMetrics(GateLimits(hosts or ("127.0.0.1",)), {"X-Key": fixed("canary")}, REQUESTS)


async def test_a_page_is_asked_with_its_headers_and_gives_the_number_at_the_path() -> None:
    """As Argo's web metric."""
    async with serving() as (server, url):
        server.answer = {"data": {"items": [{"errors": 3}, {"errors": "4"}], "ok": True}}
        asked = web_metrics()
        assert await value(asked.ask, f"{url}/api?ns=shop {{$.data.items[*].errors}}") == ((3.0, 4.0), None)
        assert await value(asked.ask, f"{url}/api $.data.ok") == ((1.0,), None)
    assert server.asked[0].headers["X-Key"] == "canary"
    assert server.asked[0].query["ns"] == "shop"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.a[0].b", [1]),
        ("{$.a[-1]['b']}", [2]),
        ("$.a[*].b", [1, 2]),
        ("$.a[7].b", []),
        ("$", [{"a": [{"b": 1}, {"b": 2}]}]),
    ],
)
def test_a_path_selects(path: str, found: list[object]) -> None:
    """Members, elements from either end, and all of them."""
    assert list(selected({"a": [{"b": 1}, {"b": 2}]}, path)) == found


async def test_a_host_that_the_settings_do_not_allow_is_not_asked() -> None:
    """A rule file names the address, and this process stands inside the cluster."""
    async with serving() as (server, url):
        error = await reason(web_metrics("*.example").ask, f"{url}/ $.a")
    assert not server.asked
    assert "web.allowed_hosts in the settings does not include 127.0.0.1" in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "expected", "wait"),
    [
        (429, {"Retry-After": "30"}, MissingReason.RATE_LIMITED, 30),
        (503, {}, MissingReason.SOURCE_UNREACHABLE, None),
        (302, {"Location": "/login"}, MissingReason.SOURCE_REFUSED, None),
        (404, {}, MissingReason.BAD_QUERY, None),
    ],
)
async def test_refusals_have_their_reasons(
    status: int, headers: dict[str, str], expected: MissingReason, wait: float | None
) -> None:
    """The breaker obeys how long to wait; the query's own faults do not open it."""
    async with serving() as (server, url):
        server.status, server.headers = status, headers
        error = await reason(web_metrics().ask, f"{url}/ $.a")
    assert (error.reason, error.retry_after) == (expected, wait)


@pytest.mark.parametrize(
    ("path", "said"), [("$.b", "nothing at"), ("$.a", "is not a number"), ("$.a..b", "is not a path")]
)
async def test_what_is_no_number_is_no_evidence(path: str, said: str) -> None:
    """Each has a sentence of its own."""
    async with serving() as (server, url):
        server.answer = {"a": "many"}
        assert said in str(await reason(web_metrics().ask, f"{url}/ {path}"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [({"a": "NaN"}, "nan"), ({"a": float("inf")}, "inf"), ({"a": 10**400}, "inf"), ({"a": None}, "null")],
)
async def test_a_number_that_none_can_be_compared_with_is_missing(answer: object, told: str) -> None:
    """It is neither over a limit nor under it."""
    async with serving() as (server, url):
        server.answer = answer
        source = QuerySource("web", web_metrics().ask, timeout=5.0, threads=1)
        sample = await source.value(ValueQuery("web", f"{url}/ $.a"), NOW)
        source.close()
    assert sample.missing is not None
    assert (sample.missing.reason, sample.missing.detail) == (
        MissingReason.NOT_A_NUMBER,
        f"the query returns {told}",
    )
    assert not sample.values


async def test_counters_are_refused() -> None:
    """An errorRate rule cannot be judged by a free query."""
    source = QuerySource("web", web_metrics().ask, timeout=1.0, threads=1)
    with pytest.raises(SourceError, match="query rules only"):
        await source.counts(CountQuery("web", "a", "b"), NOW, NOW)
    source.close()


class Region:
    """Stands for boto3's client of CloudWatch: answers with these results or raises."""

    def __init__(self, *results: dict[str, Any], error: Exception | None = None) -> None:
        self.results = results
        self.error = error
        self.asked: dict[str, Any] = {}

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        if self.error is not None:
            raise self.error
        return {"MetricDataResults": list(self.results)}


async def test_cloudwatch_gives_the_newest_point_of_each_series() -> None:
    """Of the last five minutes, newest first."""
    region = Region(
        {"StatusCode": "Complete", "Values": [3.0, 9.0], "Timestamps": [NOW, NOW - timedelta(minutes=1)]},
        {"StatusCode": "Complete", "Values": [], "Timestamps": []},
    )
    assert await value(CloudWatch(lambda: region).ask, "SELECT AVG(x) FROM y") == ((3.0,), None)
    assert region.asked["MetricDataQueries"][0]["Expression"] == "SELECT AVG(x) FROM y"
    assert (region.asked["EndTime"] - region.asked["StartTime"]).total_seconds() == 300


async def test_part_of_an_answer_of_cloudwatch_is_none() -> None:
    """Numbers that lack some are no evidence."""
    error = await reason(CloudWatch(lambda: Region({"StatusCode": "PartialData", "Values": [1.0]})).ask, "x")
    assert error.reason == MissingReason.PARTIAL_ANSWER


async def test_errors_of_aws_have_their_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real client, signed, against a stand-in that refuses; and one that nobody answers."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    async with serving() as (server, url):
        server.status = 400
        server.answer = {"__type": "Throttling", "message": "Rate exceeded"}
        region = CloudWatch(cloudwatch_client("eu-central-1", timeout=2.0, endpoint=url))
        error = await reason(region.ask, "x")
    assert server.asked[0].headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIACANARY/")
    assert error.reason == MissingReason.RATE_LIMITED
    gone = CloudWatch(cloudwatch_client("eu-central-1", timeout=0.5, endpoint="http://127.0.0.1:1"))
    assert (await reason(gone.ask, "x")).reason == MissingReason.SOURCE_UNREACHABLE


async def test_an_account_that_is_not_there_is_named_by_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon starts, asks in a thread, and says what AWS' library says."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    error = await reason(CloudWatch(cloudwatch_client("eu-central-1", timeout=1.0)).ask, "x")
    assert error.reason == MissingReason.SOURCE_REFUSED
    assert "nobody" in str(error)


PROXIED = "http://metrics.internal/api"


@pytest.mark.parametrize("chosen", ["environment", "address"])
async def test_a_proxy_is_used_where_the_settings_name_one(
    monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """By each source: the address that they write, or that of the environment where they say so."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with serving() as (server, url):
        monkeypatch.setenv("HTTP_PROXY", url)
        proxy = url if chosen == "address" else "environment"
        server.answer = {"a": 3}
        pages = WebMetrics(GateLimits(("metrics.internal",)), {}, JsonRequests(5.0, proxy))
        assert await value(pages.ask, f"{PROXIED} $.a") == ((3.0,), None)
        client = cloudwatch_client("eu-central-1", timeout=2.0, endpoint=PROXIED, proxy=proxy)
        server.answer = {"MetricDataResults": []}
        assert await value(CloudWatch(client).ask, "x") == ((), None)
    assert {request.host for request in server.asked} == {"metrics.internal"}


async def test_the_proxies_of_the_environment_are_not_used_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by boto3, which otherwise does."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    async with serving() as (server, url):
        monkeypatch.setenv("HTTP_PROXY", url)
        gone = "http://127.0.0.1:1/api"
        client = cloudwatch_client("eu-central-1", timeout=0.5, endpoint=gone)
        for ask, text in ((CloudWatch(client).ask, "x"), (web_metrics().ask, f"{gone} $.a")):
            assert (await reason(ask, text)).reason == MissingReason.SOURCE_UNREACHABLE
    assert not server.asked


async def test_a_private_authority_is_trusted_where_the_settings_name_it(tmp_path: Path) -> None:
    """Without it the refusal says what is wrong with the certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with serving(context) as (server, url):
        server.answer = {"a": 3}
        limits = GateLimits(("127.0.0.1",))
        trusting = WebMetrics(limits, {}, JsonRequests(5.0, ca_file=str(tmp_path / "ca.pem")))
        assert await value(trusting.ask, f"{url}/ $.a") == ((3.0,), None)
        error = await reason(WebMetrics(limits, {}, REQUESTS).ask, f"{url}/ $.a")
    assert "certificate verify failed" in str(error).lower()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "HTTP 401: it rejects our credentials."),
        (403, "it rejects our credentials"),
        (302, "it redirects to another address, which is not followed"),
        (407, "its proxy wants credentials"),
    ],
)
async def test_refusals_say_what_to_look_at(status: int, said: str) -> None:
    """Whose credentials, and which address."""
    async with serving() as (server, url):
        server.status = status
        assert said in str(await reason(web_metrics().ask, f"{url}/ $.a"))
