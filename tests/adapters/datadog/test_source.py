"""Evidence from a Datadog that runs on the loopback and keeps counts by the minute."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sentinel.adapters.datadog.client import DatadogClient, DatadogConnection
from sentinel.adapters.datadog.source import DatadogSource
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, Span, Subject
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery, ValueQuery
from sentinel.secret import Secret, SecretFile, fixed

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
HITS = "sum:trace.http.request.hits{env:prod}"
ERRORS = "sum:trace.http.request.errors{env:prod}"
COUNTED = re.compile(
    r"\} by \{(kube_namespace|k8s_ns),(pod_name|version)\}\.as_count\(\)\.rollup\(sum, 60\)$"
)
QUERY = CountQuery("datadog", HITS, ERRORS)


@dataclass
class FakeDatadog:
    """Points by (metric core, tags); answers grouped queries as `GET /api/v1/query` does."""

    points: dict[tuple[str, tuple[str, ...]], dict[int, float | None]] = field(default_factory=dict)
    interval: int = 60
    fault: web.Response | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    asked: int = 0
    key: str = "key"

    def count(self, core: str, minute: int, value: float | None, *tags: str) -> None:
        at = int(START.timestamp()) + 60 * minute
        self.points.setdefault((core, tags), {})[at] = value

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        await asyncio.sleep(self.delay)
        if (
            request.headers.get("DD-API-KEY") != self.key
            or request.headers.get("DD-APPLICATION-KEY") != "app"
        ):
            return web.json_response({"errors": ["Forbidden"]}, status=403)
        if self.fault is not None:
            return self.fault
        begin, end = int(request.query["from"]), int(request.query["to"])
        series: list[dict[str, Any]] = []
        for index, query in enumerate(re.split(r"(?<=\)),", request.query["query"])):
            if query.startswith("sum:") and not COUNTED.search(query):
                return web.json_response({"errors": ["not counted by the minute and pod"]}, status=400)
            for (core, tags), points in self.points.items():
                if query.split("}")[0] + "}" == core:
                    inside = [
                        [at * 1000, value] for at, value in sorted(points.items()) if begin <= at <= end
                    ]
                    series.append(
                        {
                            "tag_set": list(tags),
                            "query_index": index,
                            "interval": self.interval,
                            "pointlist": inside,
                        }
                    )
        return web.json_response({"status": "ok", "series": series}, headers=self.headers)


@contextlib.asynccontextmanager
async def datadog(
    api_key: str | Secret = "key", timeout: float = 15.0
) -> AsyncIterator[tuple[FakeDatadog, DatadogSource]]:
    fake = FakeDatadog()
    app = web.Application()
    app.router.add_get("/api/v1/query", fake.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    client = DatadogClient(
        DatadogConnection(
            fixed(api_key) if isinstance(api_key, str) else api_key,
            fixed("app"),
            f"http://{host}:{port}",
            timeout=timeout,
        )
    )
    try:
        yield fake, DatadogSource(client)
    finally:
        client.close()
        await runner.cleanup()


def pod(name: str, namespace: str = "shop") -> tuple[str, str]:
    return f"kube_namespace:{namespace}", f"pod_name:{name}"


def after(spans: tuple[Span, ...], subject: Subject) -> dict[str, float]:
    span = next(span for span in spans if span.subject == subject)
    assert span.after is not None
    assert not span.cumulative
    return dict(span.after.values)


async def test_counts_of_whole_minutes_by_pod() -> None:
    """The minutes within the tick are summed for each pod; a pod without errors has none."""
    async with datadog() as (fake, source):
        for minute, hits in enumerate([100, 200, 400, 800]):
            fake.count(HITS, minute, hits, *pod("a"))
        fake.count(HITS, 1, 7, *pod("b"))
        fake.count(ERRORS, 1, 9, *pod("a"))
        spans = await source.counts(QUERY, START + timedelta(minutes=1), START + timedelta(minutes=3))
        assert after(spans, Subject("shop", "a")) == {"total": 600, "errors": 9}
        assert after(spans, Subject("shop", "b")) == {"total": 7}
        assert fake.asked == 1


async def test_consecutive_ticks_count_each_minute_once() -> None:
    """Ticks that do not begin on the minute still add up to every minute's count."""
    async with datadog() as (fake, source):
        for minute in range(10):
            fake.count(HITS, minute, 1 << minute, *pod("a"))
        times = [START + timedelta(seconds=seconds) for seconds in (17, 95, 203, 300, 427)]
        counted = 0.0
        for since, until in itertools.pairwise(times):
            counted += after(await source.counts(QUERY, since, until), Subject("shop", "a"))["total"]
        assert counted == (1 << 7) - 1


async def test_a_tick_without_a_whole_minute_is_not_settled() -> None:
    """Less than a minute is asked for again later, not taken for nothing."""
    async with datadog() as (fake, source):
        with pytest.raises(SourceError) as caught:
            await source.counts(QUERY, START, START + timedelta(seconds=59))
        assert caught.value.reason == MissingReason.NOT_SETTLED
        assert fake.asked == 0


async def test_points_without_a_value_count_nothing() -> None:
    """A null point is no request."""
    async with datadog() as (fake, source):
        fake.count(HITS, 0, None, *pod("a"))
        fake.count(HITS, 1, 5, *pod("a"))
        spans = await source.counts(QUERY, START, START + timedelta(minutes=2))
        assert after(spans, Subject("shop", "a"))["total"] == 5


async def test_errors_without_a_total_are_missing_evidence() -> None:
    """A pod that only has errors cannot have a rate."""
    async with datadog() as (fake, source):
        fake.count(ERRORS, 0, 5, *pod("a"))
        (span,) = await source.counts(QUERY, START, START + timedelta(minutes=1))
        assert span.stray


@pytest.mark.parametrize("tags", [("pod_name:N/A",), ()])
async def test_errors_without_the_pods_tag_are_stray(tags: tuple[str, ...]) -> None:
    """Errors that Datadog groups under no pod, beside hits by pod, may be any pod's."""
    async with datadog() as (fake, source):
        fake.count(HITS, 0, 5, *pod("a"))
        fake.count(ERRORS, 0, 4, "kube_namespace:shop", *tags)
        nobody, a = await source.counts(QUERY, START, START + timedelta(minutes=1))
        assert (nobody.subject, nobody.stray, a.stray) == (Subject("shop"), True, False)


async def test_hits_of_no_pod_count_for_nobody() -> None:
    """Untagged errors beside untagged hits are those hits', and untagged errors that are none are nothing."""
    async with datadog() as (fake, source):
        fake.count(HITS, 0, 5, *pod("a"))
        fake.count(HITS, 0, 9, "kube_namespace:shop", "pod_name:N/A")
        fake.count(ERRORS, 0, 4, "kube_namespace:shop", "pod_name:N/A")
        fake.count(ERRORS, 0, 0, "kube_namespace:other", "pod_name:N/A")
        (a,) = await source.counts(QUERY, START, START + timedelta(minutes=1))
        assert a.subject == Subject("shop", "a")


async def test_arms_by_version_tag() -> None:
    """Where the rule names a version label, its tag names the arm."""
    async with datadog() as (fake, source):
        fake.count(HITS, 0, 5, "kube_namespace:shop", "version:1.8.0")
        query = CountQuery("datadog", HITS, ERRORS, Arms(version_label="version"))
        spans = await source.counts(query, START, START + timedelta(minutes=1))
        assert after(spans, Subject("shop", version="1.8.0"))["total"] == 5


async def test_the_same_question_is_asked_once() -> None:
    """Two rules that ask alike at once share one request, and so does one that asks later."""
    async with datadog() as (fake, source):
        fake.count(HITS, 0, 5, *pod("a"))
        times = START, START + timedelta(minutes=1)
        first, second = await asyncio.gather(source.counts(QUERY, *times), source.counts(QUERY, *times))
        assert first == second == await source.counts(QUERY, *times)
        assert fake.asked == 1


async def test_coarse_buckets_are_refused() -> None:
    """Where Datadog thins the range out, its buckets are not the tick's."""
    async with datadog() as (fake, source):
        fake.interval = 300
        fake.count(HITS, 0, 5, *pod("a"))
        with pytest.raises(SourceError, match="buckets of 300 s"):
            await source.counts(QUERY, START, START + timedelta(days=3))


@pytest.mark.parametrize(
    "core", [f"{HITS} by {{pod_name}}", "avg:a.b{*}", f"{HITS}.as_count()", "sum:a.b", "a,b"]
)
async def test_what_is_no_core_of_a_count_is_refused(core: str) -> None:
    """Grouping, other aggregates and joined queries are refused with the form that is right."""
    async with datadog() as (fake, source):
        with pytest.raises(SourceError, match=r"write sum:<metric>\{<filters>\}") as caught:
            await source.counts(CountQuery("datadog", HITS, core), START, START + timedelta(minutes=1))
        assert caught.value.reason == MissingReason.BAD_QUERY
        assert fake.asked == 0


async def test_latency_from_buckets_is_refused() -> None:
    """Datadog has no buckets: the sentence names the rule that works."""
    async with datadog() as (_, source):
        with pytest.raises(SourceError, match="use a query rule") as caught:
            await source.histogram(HistogramQuery("datadog", "trace.http.request"), START, START)
        assert caught.value.reason == MissingReason.BAD_QUERY


async def test_a_free_query_gives_its_newest_point() -> None:
    """The last point that has a value within five minutes; one series without grouping is a scalar."""
    async with datadog() as (fake, source):
        core = "avg:queue.depth{env:prod}"
        for minute, value in enumerate([1.0, 2.0, 3.0, None]):
            fake.count(core, minute, value)
        sample = await source.value(ValueQuery("datadog", core), START + timedelta(minutes=3))
        assert (sample.values, sample.scalar) == ((3.0,), True)
        late = await source.value(ValueQuery("datadog", core), START + timedelta(minutes=30))
        assert late.values == ()


async def test_a_grouped_free_query_gives_a_list() -> None:
    """One number for each group, also where there is but one."""
    async with datadog() as (fake, source):
        fake.count("avg:queue.depth{env:prod}", 0, 4.0, "host:h1")
        query = ValueQuery("datadog", "avg:queue.depth{env:prod} by {host}")
        sample = await source.value(query, START + timedelta(minutes=1))
        assert (sample.values, sample.scalar) == ((4.0,), False)


async def test_an_error_in_a_200_is_an_error() -> None:
    """Datadog's own words on a query it cannot parse reach the reader, though the status is 200."""
    async with datadog() as (fake, source):
        fake.fault = web.json_response({"status": "error", "error": "Rule 'scope_expr' didn't match"})
        with pytest.raises(SourceError, match="scope_expr") as caught:
            await source.value(ValueQuery("datadog", "avg:x{"), START)
        assert caught.value.reason == MissingReason.BAD_QUERY


async def test_a_rate_limit_is_obeyed() -> None:
    """After a 429 nothing is asked until the period is over; then it goes on."""
    async with datadog() as (fake, source):
        fake.fault = web.json_response({"errors": ["limit"]}, status=429, headers={"X-RateLimit-Reset": "30"})
        for at in (START, START + timedelta(minutes=1)):
            with pytest.raises(SourceError, match="next request is in 30 s") as caught:
                await source.value(ValueQuery("datadog", "avg:x{*}"), at)
            assert caught.value.reason == MissingReason.RATE_LIMITED
        assert fake.asked == 1
        fake.fault = None
        await asyncio.sleep(30)
        assert (await source.value(ValueQuery("datadog", "avg:x{*}"), START)).values == ()


async def test_a_used_up_rate_is_not_overdrawn() -> None:
    """When the answer says that none remain, the next question waits for the period's end."""
    async with datadog() as (fake, source):
        fake.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"}
        await source.value(ValueQuery("datadog", "avg:x{*}"), START)
        with pytest.raises(SourceError, match="next request is in 12 s"):
            await source.value(ValueQuery("datadog", "avg:y{*}"), START)
        assert fake.asked == 1


async def test_wrong_keys_are_named() -> None:
    """403 says which secrets to look at, and shows none."""
    async with datadog(api_key="wrong") as (_, source):
        with pytest.raises(SourceError, match="check the API key") as caught:
            await source.value(ValueQuery("datadog", "avg:x{*}"), START)
        assert caught.value.reason == MissingReason.SOURCE_REFUSED
        assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (web.json_response({"errors": ["bad"]}, status=400), MissingReason.BAD_QUERY),
        (web.Response(text="<html>", status=503, content_type="text/html"), MissingReason.SOURCE_UNREACHABLE),
        (web.json_response({"errors": ["oops"]}, status=500), MissingReason.SOURCE_REFUSED),
        (web.Response(text="<html>login", content_type="text/html"), MissingReason.SOURCE_REFUSED),
    ],
)
async def test_failures_have_their_reason_and_are_not_retried(
    fault: web.Response, reason: MissingReason
) -> None:
    """Every kind of failure is named, after exactly one request."""
    async with datadog() as (fake, source):
        fake.fault = fault
        with pytest.raises(SourceError) as caught:
            await source.value(ValueQuery("datadog", "avg:x{*}"), START)
        assert caught.value.reason == reason
        assert fake.asked == 1


async def test_a_key_is_read_again_as_its_file_changes(tmp_path: Path) -> None:
    """As Kubernetes and secret managers rotate it."""
    file = tmp_path / "key"
    file.write_text("key")
    async with datadog(SecretFile(file, "key")) as (fake, source):
        await source.value(ValueQuery("datadog", "avg:x{*}"), START)
        fake.key = "rotated"
        file.write_text("rotated\n")
        await source.value(ValueQuery("datadog", "avg:x{*}"), START + timedelta(minutes=1))
    assert fake.asked == 2


async def test_an_unreachable_datadog_is_named() -> None:
    """A refused connection is unreachable."""
    client = DatadogClient(DatadogConnection(fixed("key"), fixed("app"), "http://127.0.0.1:1"))
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:1") as caught:
        await DatadogSource(client).value(ValueQuery("datadog", "avg:x{*}"), START)
    client.close()
    assert caught.value.reason == MissingReason.SOURCE_UNREACHABLE


@pytest.mark.real_time
async def test_a_hanging_datadog_is_given_up() -> None:
    """After the timeout there is a timeout, whatever the server does, and it was asked once."""
    async with datadog(timeout=0.2) as (fake, source):
        fake.delay = 1.0
        with pytest.raises(SourceError, match="did not answer") as caught:
            await source.value(ValueQuery("datadog", "avg:x{*}"), START)
        assert caught.value.reason == MissingReason.SOURCE_TIMEOUT
        assert fake.asked == 1


async def test_the_hour_before_is_added_up_by_the_minute() -> None:
    """Each pod that was asked about has its counts so far at the end of every minute."""
    past = Past("shop", ("a", "idle"), START, START + timedelta(minutes=3), timedelta(minutes=1))
    async with datadog() as (fake, source):
        for minute, hits in enumerate([100, 200, 400, 800]):
            fake.count(HITS, minute, hits, *pod("a"))
            fake.count(HITS, minute, hits, *pod("other"))
        fake.count(ERRORS, 1, 9, *pod("a"))
        (found,) = await source.histories(QUERY, (past,))
    assert {name: list(counters) for name, counters in found.items()} == {
        "a": [(0, 0), (100, 0), (300, 9), (700, 9)]
    }


async def test_latency_has_no_past() -> None:
    """What cannot be judged as latency teaches nothing either."""
    past = Past("shop", ("a",), START, START + timedelta(minutes=3), timedelta(minutes=1), over=1.0)
    async with datadog() as (_, source):
        assert await source.histories(HistogramQuery("datadog", "trace.http.request"), (past,)) == ({},)


async def test_another_namespace_tag_is_grouped_by() -> None:
    """A rule's own namespace tag goes before the settings'."""
    async with datadog() as (fake, source):
        query = CountQuery("datadog", HITS, ERRORS, Arms(namespace_label="k8s_ns"))
        fake.count(HITS, 0, 7, "k8s_ns:shop", "pod_name:a")
        spans = await source.counts(query, START, START + timedelta(minutes=1))
    assert after(spans, Subject("shop", "a"))["total"] == 7
