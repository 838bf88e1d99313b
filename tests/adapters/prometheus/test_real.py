"""Evidence from a real Prometheus that really scrapes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from sentinel.adapters.prometheus.client import Connection, PrometheusClient
from sentinel.adapters.prometheus.rules import PrometheusAlertRules
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Span, Subject
from sentinel.domain.policy import CountQuery, HistogramQuery, ValueQuery
from tests.support.prometheus import Target, real_prometheus

pytestmark = [pytest.mark.real, pytest.mark.real_time]

QUERY = CountQuery("prometheus", "http_requests_total", 'http_requests_total{code=~"5.."}')


class Exporter:
    """A page of metrics that a test changes."""

    def __init__(self) -> None:
        self.text = ""
        self._scraped = asyncio.Condition()

    async def serve(self, _: web.Request) -> web.Response:
        async with self._scraped:
            self._scraped.notify_all()
        return web.Response(text=self.text)

    async def scraped(self, times: int = 2) -> None:
        """Wait until what the page shows now is in Prometheus."""
        async with self._scraped:
            for _ in range(times):
                await self._scraped.wait()


@asynccontextmanager
async def exporting() -> AsyncIterator[tuple[Exporter, str]]:
    exporter = Exporter()
    app = web.Application()
    app.router.add_get("/metrics", exporter.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield exporter, f"{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[PrometheusSource]:
    client = PrometheusClient(Connection(url))
    try:
        yield PrometheusSource(client, scrape_interval=5.0)
    finally:
        client.close()


def requests(pod: str, ok: int, failed: int | None = None) -> str:
    lines = [f'http_requests_total{{namespace="shop",pod="{pod}",code="200"}} {ok}']
    if failed is not None:
        lines.append(f'http_requests_total{{namespace="shop",pod="{pod}",code="500"}} {failed}')
    return "\n".join(lines) + "\n"


def of(spans: tuple[Span, ...], pod: str) -> Span:
    return next(span for span in spans if span.subject == Subject("shop", pod))


async def test_counters_of_two_pods_at_two_times() -> None:
    """Both pods' counters come back as they stood at `since` and at `until`."""
    async with exporting() as (exporter, address), real_prometheus([address]) as url, asking(url) as source:
        exporter.text = requests("a", 100, 5) + requests("b", 50)
        await exporter.scraped()
        since = datetime.now(UTC)
        exporter.text = requests("a", 140, 9) + requests("b", 60)
        await exporter.scraped()
        spans = await source.counts(QUERY, since, datetime.now(UTC))
    a, b = of(spans, "a"), of(spans, "b")
    assert a.before is not None
    assert a.after is not None
    assert (a.before.values, a.after.values) == ({"total": 105, "errors": 5}, {"total": 149, "errors": 9})
    assert b.after is not None
    assert b.after.values == {"total": 60, "errors": 0}
    assert [span.missing for span in spans] == [None, None]


async def test_a_vanished_pod_has_no_end() -> None:
    """A pod whose series ended between the times is missing at the second, by name."""
    async with exporting() as (exporter, address), real_prometheus([address]) as url, asking(url) as source:
        exporter.text = requests("a", 100) + requests("b", 50)
        await exporter.scraped()
        since = datetime.now(UTC)
        exporter.text = requests("a", 140)
        await exporter.scraped()
        spans = await source.counts(QUERY, since, datetime.now(UTC))
    gone = of(spans, "b")
    assert gone.after is None
    assert gone.missing is not None
    assert gone.missing.reason is MissingReason.NO_DATA


async def test_samples_pushed_long_ago_are_stale() -> None:
    """A sample that carries an old timestamp of its own is stale, though the query still answers it."""
    async with exporting() as (exporter, address), real_prometheus([address]) as url, asking(url) as source:
        stamp = int((datetime.now(UTC) - timedelta(seconds=60)).timestamp() * 1000)
        exporter.text = f'http_requests_total{{namespace="shop",pod="a",code="200"}} 7 {stamp}\n'
        await exporter.scraped()
        now = datetime.now(UTC)
        span = of(await source.counts(QUERY, now - timedelta(seconds=15), now), "a")
    assert span.missing is not None
    assert span.missing.reason is MissingReason.STALE


async def test_a_pod_scraped_by_two_jobs_is_not_counted_double() -> None:
    """The same pod seen through two jobs is missing evidence, and both jobs are named."""
    async with exporting() as (exporter, address):
        exporter.text = requests("a", 100)
        targets = [Target(address, "pods"), Target(address, "services")]
        async with real_prometheus(targets) as url, asking(url) as source:
            await exporter.scraped(6)
            now = datetime.now(UTC)
            span = of(await source.counts(QUERY, now, now), "a")
    assert span.missing is not None
    assert span.missing.reason is MissingReason.DUPLICATE_SERIES
    assert "pods and services" in span.missing.detail


async def test_a_histogram_in_milliseconds_comes_in_seconds() -> None:
    """Bounds and sum are scaled by the unit, counts are not."""
    page = "".join(
        f'took_{series}{{namespace="shop",pod="a"{le}}} {value}\n'
        for series, le, value in [
            ("bucket", ',le="250"', 3),
            ("bucket", ',le="1000.0"', 9),
            ("bucket", ',le="+Inf"', 10),
            ("sum", "", 4200),
            ("count", "", 10),
        ]
    )
    query = HistogramQuery("prometheus", "took", unit=0.001)
    async with exporting() as (exporter, address), real_prometheus([address]) as url, asking(url) as source:
        exporter.text = page
        await exporter.scraped()
        now = datetime.now(UTC)
        span = of(await source.histogram(query, now, now), "a")
    assert span.after is not None
    assert span.after.values == {"0.25": 3, "1": 9, "+Inf": 10, "sum": pytest.approx(4.2), "count": 10}


async def test_free_queries_give_vectors_scalars_and_nothing() -> None:
    """A vector, a scalar and an empty vector are told apart."""
    async with exporting() as (exporter, address), real_prometheus([address]) as url, asking(url) as source:
        exporter.text = requests("a", 100, 5)
        await exporter.scraped()
        now = datetime.now(UTC)
        vector = await source.value(ValueQuery("prometheus", "sum(http_requests_total)"), now)
        scalar = await source.value(ValueQuery("prometheus", "scalar(sum(http_requests_total)) * 2"), now)
        empty = await source.value(ValueQuery("prometheus", "no_such_metric"), now)
        nan = await source.value(ValueQuery("prometheus", "vector(0) / vector(0)"), now)
    assert (vector.values, vector.scalar) == ((105.0,), False)
    assert (scalar.values, scalar.scalar) == ((210.0,), True)
    assert (empty.values, empty.missing) == ((), None)
    assert nan.missing is not None
    assert nan.missing.reason is MissingReason.NOT_A_NUMBER


async def test_a_bad_query_is_refused_in_prometheus_words() -> None:
    """What Prometheus says of a query it cannot parse reaches the reader."""
    async with real_prometheus([]) as url, asking(url) as source:
        with pytest.raises(SourceError, match="parse error") as caught:
            await source.value(ValueQuery("prometheus", "sum(("), datetime.now(UTC))
    assert caught.value.reason == MissingReason.BAD_QUERY


async def test_pending_time_comes_from_the_rules() -> None:
    """The `for:` of a loaded alerting rule is known, that of an unknown alert is not."""
    rules = [{"alert": "HighErrorRate", "expr": "vector(1)", "for": "90s"}]
    async with real_prometheus([], rules) as url:
        client = PrometheusClient(Connection(url))
        known = PrometheusAlertRules(client)
        assert await known.pending_for("HighErrorRate") == 90.0
        assert await known.pending_for("Unknown") is None
        client.close()


async def test_a_running_prometheus_is_ready() -> None:
    """Nothing is wrong with a server that answers."""
    async with real_prometheus([]) as url, asking(url) as source:
        assert await source.ready(datetime.now(UTC)) is None
