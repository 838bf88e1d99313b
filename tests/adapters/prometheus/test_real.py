"""Evidence from a real Prometheus that really scrapes: one server for the module, a namespace for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from aiohttp import web

from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.rules import PrometheusAlertRules
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, Reading, Span, Subject
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery, ValueQuery
from tests.support.prometheus import Target, real_prometheus

pytestmark = [pytest.mark.real, pytest.mark.real_time, pytest.mark.asyncio(loop_scope="module")]

RULES = [{"alert": "HighErrorRate", "expr": "vector(1) > 2", "for": "90s"}]


@dataclass
class World:
    """A running Prometheus, and the page that it scrapes, in sections. What stands in `twice` two jobs scrape."""

    page: dict[str, str] = field(default_factory=dict)
    twice: str = ""
    url: str = ""
    client: PrometheusClient = field(init=False)
    source: PrometheusSource = field(init=False)
    scrapes: asyncio.Condition = field(default_factory=asyncio.Condition)

    def connect(self, url: str) -> None:
        self.client = PrometheusClient(PrometheusConnection(url))
        self.source = PrometheusSource(self.client, scrape_interval=5.0)

    async def serve(self, request: web.Request) -> web.Response:
        async with self.scrapes:
            self.scrapes.notify_all()
        return web.Response(text=self.twice if request.path == "/twice" else "".join(self.page.values()))

    async def scraped(self) -> None:
        """Wait until what the pages show now is in Prometheus: two rounds of its three targets."""
        async with self.scrapes:
            for _ in range(7):
                await self.scrapes.wait()

    async def counts(self, namespace: str, since: datetime, until: datetime) -> dict[str, Span]:
        selector = f'http_requests_total{{namespace="{namespace}"}}'
        failed = f'http_requests_total{{namespace="{namespace}",code=~"5.."}}'
        spans = await self.source.counts(CountQuery("prometheus", selector, failed), since, until)
        assert {span.subject.namespace for span in spans} <= {namespace}
        return {span.subject.pod: span for span in spans}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    shown = World()
    app = web.Application()
    app.router.add_get("/metrics", shown.serve)
    app.router.add_get("/twice", shown.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    address = f"{host}:{port}"
    targets = [
        Target(address),
        Target(address, "services", path="/twice"),
        Target(address, "podmon", path="/twice"),
    ]
    async with real_prometheus(targets, RULES, interval="500ms") as url:
        shown.connect(url)
        yield shown
        shown.client.close()
    await runner.cleanup()


def requests(namespace: str, pod: str, ok: int, failed: int | None = None, stamp: str = "") -> str:
    labels = f'namespace="{namespace}",pod="{pod}"'
    lines = [f'http_requests_total{{{labels},code="200"}} {ok} {stamp}']
    if failed is not None:
        lines.append(f'http_requests_total{{{labels},code="500"}} {failed}')
    return "\n".join(lines) + "\n"


def just_now() -> datetime:
    """A moment ago: a scrape that began before it has its answer already."""
    return datetime.now(UTC) - timedelta(milliseconds=100)


def values(reading: Reading | None) -> dict[str, float] | None:
    return dict(reading.values) if reading else None


async def test_counters_of_two_pods_at_two_times(world: World) -> None:
    """Both pods' counters come back as they stood at `since` and at `until`."""
    world.page["two"] = requests("two", "a", 100, 5) + requests("two", "b", 50)
    await world.scraped()
    since = just_now()
    world.page["two"] = requests("two", "a", 140, 9) + requests("two", "b", 60)
    await world.scraped()
    spans = await world.counts("two", since, datetime.now(UTC))
    assert values(spans["a"].before) == {"total": 105, "errors": 5}
    assert values(spans["a"].after) == {"total": 149, "errors": 9}
    assert values(spans["b"].after) == {"total": 60}
    assert [span.missing for span in spans.values()] == [None, None]


async def test_an_outage_of_ours_is_caught_up_exactly(world: World) -> None:
    """Another client that remembers nothing finds the same counters at the same past times."""
    world.page["again"] = requests("again", "a", 100, 5)
    await world.scraped()
    since = just_now()
    world.page["again"] = requests("again", "a", 200, 6)
    await world.scraped()
    until = just_now()
    first = await world.counts("again", since, until)
    world.page["again"] = requests("again", "a", 900, 90)
    await world.scraped()
    world.client.close()
    world.connect(world.client.url)
    assert await world.counts("again", since, until) == first


async def test_a_vanished_pod_has_no_end(world: World) -> None:
    """A pod whose series ended between the times is missing at the second."""
    world.page["gone"] = requests("gone", "a", 100) + requests("gone", "b", 50)
    await world.scraped()
    since = just_now()
    world.page["gone"] = requests("gone", "a", 140)
    await world.scraped()
    gone = (await world.counts("gone", since, datetime.now(UTC)))["b"]
    assert gone.after is None
    assert gone.missing is not None
    assert gone.missing.reason is MissingReason.NO_DATA


async def test_samples_pushed_long_ago_are_stale(world: World) -> None:
    """A sample that carries an old timestamp of its own is stale, though the query still answers it."""
    stamp = int((datetime.now(UTC) - timedelta(seconds=60)).timestamp() * 1000)
    world.page["old"] = requests("old", "a", 7, stamp=str(stamp))
    await world.scraped()
    now = datetime.now(UTC)
    span = (await world.counts("old", now - timedelta(seconds=15), now))["a"]
    assert span.missing is not None
    assert span.missing.reason is MissingReason.STALE


async def test_a_pod_scraped_by_two_jobs_is_not_counted_double(world: World) -> None:
    """The same pod seen through two jobs is missing evidence, and both jobs are named."""
    world.twice = requests("twice", "a", 100)
    await world.scraped()
    now = datetime.now(UTC)
    span = (await world.counts("twice", now, now))["a"]
    assert span.missing is not None
    assert span.missing.reason is MissingReason.DUPLICATE_SERIES
    assert "podmon and services" in span.missing.detail


async def test_a_histogram_in_milliseconds_comes_in_seconds(world: World) -> None:
    """Bounds and sum are scaled by the unit, counts are not."""
    world.page["slow"] = "".join(
        f'took_{series}{{namespace="slow",pod="a"{le}}} {value}\n'
        for series, le, value in [
            ("bucket", ',le="250"', 3),
            ("bucket", ',le="1000.0"', 9),
            ("bucket", ',le="+Inf"', 10),
            ("sum", "", 4200),
            ("count", "", 10),
        ]
    )
    await world.scraped()
    now = datetime.now(UTC)
    (span,) = await world.source.histogram(HistogramQuery("prometheus", "took_bucket", unit=0.001), now, now)
    assert span.subject == Subject("slow", "a")
    assert values(span.after) == {"0.25": 3, "1": 9, "+Inf": 10, "sum": pytest.approx(4.2), "count": 10}


async def test_free_queries_give_vectors_scalars_and_nothing(world: World) -> None:
    """A vector, a scalar, an empty vector and a NaN are told apart."""
    world.page["free"] = requests("free", "a", 100, 5)
    await world.scraped()
    now = datetime.now(UTC)

    async def ask(expression: str) -> tuple[tuple[float, ...], bool, MissingReason | None]:
        sample = await world.source.value(ValueQuery("prometheus", expression), now)
        return sample.values, sample.scalar, sample.missing.reason if sample.missing else None

    total = 'sum(http_requests_total{namespace="free"})'
    assert await ask(total) == ((105.0,), False, None)
    assert await ask(f"scalar({total}) * 2") == ((210.0,), True, None)
    assert await ask("no_such_metric") == ((), False, None)
    assert await ask("vector(0) / vector(0)") == ((), False, MissingReason.NOT_A_NUMBER)


async def test_a_bad_query_is_refused_in_prometheus_words(world: World) -> None:
    """What Prometheus says of a query it cannot parse reaches the reader."""
    with pytest.raises(SourceError, match="parse error") as caught:
        await world.source.value(ValueQuery("prometheus", "sum(("), datetime.now(UTC))
    assert caught.value.reason == MissingReason.BAD_QUERY


async def test_pending_time_comes_from_the_rules(world: World) -> None:
    """The `for:` of a loaded alerting rule is known, that of an unknown alert is not."""
    rules = PrometheusAlertRules(world.client)
    assert await rules.pending_for("HighErrorRate") == 90.0
    assert await rules.pending_for("Unknown") is None


async def test_a_running_prometheus_is_ready(world: World) -> None:
    """Nothing is wrong with a server that answers."""
    assert await world.source.ready(datetime.now(UTC)) is None


async def test_an_older_prometheus_that_knows_no_names_in_quotes_says_so(world: World) -> None:
    """The sentence names what is wanting and what would do, beside the server's own words."""
    query = CountQuery("prometheus", "up", "up", Arms(pod_label="k8s.pod.name"))
    now = datetime.now(UTC)
    with pytest.raises(
        SourceError, match="does not know names in quotes, as Prometheus does from version 3 on"
    ) as caught:
        await world.source.counts(query, now, now)
    assert caught.value.reason == MissingReason.BAD_QUERY


async def test_thousands_of_pods_fit_into_a_question(world: World) -> None:
    """A query of 200 KiB is posted and answered."""
    pods = "|".join(f"market-till-6b8d9f7c5-{number:05d}" for number in range(7000))
    sample = await world.source.value(
        ValueQuery("prometheus", f'count(up{{pod=~"{pods}"}})'), datetime.now(UTC)
    )
    assert sample.missing is None


async def test_pods_in_flight_are_counted_among_many_as_with_all(world: World) -> None:
    """Asked about three of 150 pods, Prometheus tells these three alone, and the same of them."""
    pods = [f"many-{number}" for number in range(150)]
    world.page["many"] = "".join(requests("many", pod, 100, 5) for pod in pods)
    await world.scraped()
    since = just_now()
    world.page["many"] = "".join(requests("many", pod, 140, 9) for pod in pods)
    await world.scraped()
    until, wanted = just_now(), ("many-149", "many-3", "many-77")
    selector, failed = (f'http_requests_total{{namespace="many"{code}}}' for code in ("", ',code=~"5.."'))
    query = CountQuery("prometheus", selector, failed)

    some = await world.source.counts(replace(query, pods=wanted), since, until)

    assert [span.subject.pod for span in some] == list(wanted)
    everything = await world.source.counts(query, since, until)
    assert list(some) == [span for span in everything if span.subject.pod in wanted]
    assert {span.after.values["total"] for span in some if span.after} == {149}


@pytest.mark.parametrize("counted", ["errors", "slow requests"])
async def test_the_past_of_two_rollouts_comes_in_one_question(
    world: World, counted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has just what it has alone, in namespaces whose pods have the same names, at times of its own."""
    series = f"past_{counted[0]}"

    def page(*counts: int) -> str:
        places = (("north", "web-0"), ("north", "web-1"), ("south", "web-0"))
        lines = []
        for (namespace, pod), total in zip(places, counts, strict=True):
            labels = f'namespace="{namespace}",pod="{pod}"'
            lines += [
                f'{series}_total{{{labels},code="{code}"}} {total // by}' for code, by in ((200, 1), (500, 9))
            ]
            buckets = (("0.2", 2), ("0.5" if namespace == "north" else "0.50", 1), ("+Inf", 1))
            lines += [f'{series}_bucket{{{labels},le="{le}"}} {total // by}' for le, by in buckets]
        return "\n".join(lines) + "\n"

    asked: list[str] = []
    ask = world.client.range

    async def counting(query: str, since: datetime, until: datetime, step: timedelta) -> object:
        asked.append(query)
        return await ask(query, since, until, step)

    monkeypatch.setattr(world.client, "range", counting)
    second = timedelta(seconds=1)
    world.page["past"] = page(90, 180, 270)
    await world.scraped()
    world.page["past"] = page(99, 198, 900)
    await world.scraped()
    now = just_now().replace(microsecond=0)
    pasts = (
        Past("north", ("web-0", "web-1"), now - 4 * second, now, second, over=0.2),
        Past("south", ("web-0",), now - 2 * second, now, second, over=0.2),
    )
    query: CountQuery | HistogramQuery = HistogramQuery("prometheus", f"{series}_bucket")
    if counted == "errors":
        query = CountQuery("prometheus", f"{series}_total", f'{series}_total{{code="500"}}')
    together = await world.source.histories(query, pasts)
    assert len(asked) == 2
    alone = [(await world.source.histories(query, (past,)))[0] for past in pasts]
    assert list(together) == alone
    assert [sorted(found) for found in together] == [["web-0", "web-1"], ["web-0"]]
    assert len({values[-1] for found in together for values in found.values()}) == 3
    world.page.pop("past")
