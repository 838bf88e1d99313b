"""Questions about the pods of the rollouts in flight, in a cluster where many others have the same counters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.adapters.prometheus.backend import PROMETHEUS, MetricsBackend
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.adapters.prometheus.spans.narrowing import BESIDES, LONGEST_METRICSQL, LOOKED_EVERY, TIMES
from sentinel.app.ruletest.memory import MemoryPrometheus
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Span
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery
from sentinel.promql.series import SeriesStore
from tests.adapters.prometheus.fake import NOW

THEN = NOW - timedelta(seconds=15)
PODS = tuple(f"web-{number}" for number in range(3))
MANY = tuple(f"other-{number}" for number in range(BESIDES + TIMES))
COUNTS = CountQuery("prometheus", "requests", 'requests{code="500"}', pods=PODS)
APART = replace(COUNTS, errors="failures")
LATENCIES = HistogramQuery("prometheus", "seconds", pods=PODS)


@dataclass
class Recorded:
    """Series in memory, and what was asked of them; `refused` is the reason for which names of pods are."""

    store: SeriesStore = field(default_factory=SeriesStore)
    asked: list[str] = field(default_factory=list)
    refused: MissingReason | None = None
    kind: MetricsBackend = PROMETHEUS

    async def backend(self) -> MetricsBackend:
        return self.kind

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        self.asked.append(query)
        if self.refused and "web-0" in query:
            raise SourceError("refused", reason=self.refused)
        # What goes along with each selector for VictoriaMetrics makes no difference to the series.
        return await MemoryPrometheus(self.store).instant(query, at)

    def put(self, name: str, pods: tuple[str, ...], per_tick: float = 10.0, **labels: str) -> None:
        """A counter of each pod, scraped a second before either time."""
        times = [round((at.timestamp() - 1) * 1000) for at in (THEN - timedelta(minutes=5), THEN, NOW)]
        for number, pod in enumerate(pods):
            named = {"namespace": "shop", "job": "pods", "pod": pod, **labels}
            kept = {label: value for label, value in named.items() if value}
            self.store.put(name, kept, times, [0.0, float(number), number + per_tick])

    def serve(self, pods: tuple[str, ...]) -> None:
        """All that healthy pods count."""
        self.put("requests", pods, code="200")
        self.put("requests", pods, per_tick=1.0, code="500")
        self.put("failures", pods, per_tick=1.0)
        for le in ("0.1", "1", "+Inf"):
            self.put("seconds_bucket", pods, le=le)
        self.put("seconds_count", pods)
        self.put("seconds_sum", pods, per_tick=0.5)

    def named(self) -> set[str]:
        """The questions for numbers of all pods, and those for the pods in flight alone."""
        numbers = [query for query in self.asked if query.startswith(("sum by", "min by"))]
        return {"pods" if "web-0|web-1" in query else "all" for query in numbers}


@pytest.fixture
def metrics() -> Recorded:
    """A cluster with three pods in flight and many others."""
    recorded = Recorded()
    recorded.serve(PODS + MANY)
    return recorded


def source_of(metrics: Recorded) -> PrometheusSource:
    return PrometheusSource(metrics, scrape_interval=15)  # type: ignore[arg-type]


async def counted(metrics: Recorded, query: CountQuery, until: datetime = NOW) -> tuple[Span, ...]:
    return await source_of(metrics).counts(query, until - timedelta(seconds=15), until)


def of_pods(spans: tuple[Span, ...]) -> list[Span]:
    return [span for span in spans if span.subject.pod in PODS]


@pytest.mark.parametrize("query", [COUNTS, APART])
async def test_only_the_pods_in_flight_are_asked_about(metrics: Recorded, query: CountQuery) -> None:
    """Their spans are the same as among those of all pods, and no other pod's are read."""
    spans = await counted(metrics, query)

    assert metrics.named() == {"pods"}
    assert list(spans) == of_pods(await counted(metrics, replace(query, pods=())))
    assert [span.subject.pod for span in spans] == list(PODS)


async def test_histograms_are_asked_about_the_pods_in_flight(metrics: Recorded) -> None:
    """The same of latencies."""
    spans = await source_of(metrics).histogram(LATENCIES, THEN, NOW)

    assert metrics.named() == {"pods"}
    everything = await source_of(metrics).histogram(replace(LATENCIES, pods=()), THEN, NOW)
    assert list(spans) == of_pods(everything)
    assert all(span.missing is None for span in spans)


async def test_among_few_pods_all_are_asked_about() -> None:
    """To ask again whenever another pod is in flight would cost more than the few others."""
    metrics = Recorded()
    metrics.serve(PODS + MANY[: BESIDES - len(PODS)])

    assert len(await counted(metrics, COUNTS)) == BESIDES
    assert metrics.named() == {"all"}


async def test_most_of_all_pods_are_asked_about_with_the_others(metrics: Recorded) -> None:
    """Names of most pods are longer than the answers of the few others."""
    await counted(metrics, replace(COUNTS, pods=(*PODS, *MANY[: len(MANY) // TIMES])))

    assert metrics.named() == {"all"}


async def test_requests_that_name_no_pod_are_nobodys(metrics: Recorded) -> None:
    """A shared Prometheus has such series of what runs outside the cluster: they change nothing."""
    metrics.put("requests", ("",), code="200")

    assert [span.subject.pod for span in await counted(metrics, COUNTS)] == list(PODS)
    assert metrics.named() == {"pods"}


async def test_that_no_series_names_a_pod_is_told() -> None:
    """Asked about pods, there would be nothing, and no word on why."""
    metrics = Recorded()
    for number in range(2 * BESIDES):
        metrics.put("requests", ("",), code="200", path=f"/{number}")

    with pytest.raises(SourceError, match="None of the series of 'requests' has the label 'pod'"):
        await counted(metrics, COUNTS)


async def test_errors_under_another_label_are_told_in_the_tick_in_which_they_begin(metrics: Recorded) -> None:
    """A counter of errors begins with the first error: until then the pods in flight could be asked about alone."""
    source = source_of(metrics)
    assert not [span for span in await source.counts(APART, THEN, NOW) if span.stray]
    later = NOW + timedelta(seconds=15)
    at = [round((later.timestamp() - 1) * 1000)]
    metrics.store.put("failures", {"namespace": "shop", "pod": "gateway", "job": "pods"}, at, [3.0])

    (stray,) = [span for span in await source.counts(APART, NOW, later) if span.stray]

    assert stray.missing is not None
    assert stray.missing.reason is MissingReason.LABELS_DIFFER
    assert stray.subject.pod == "gateway"


async def test_sums_without_buckets_are_told(metrics: Recorded) -> None:
    """A histogram's sum under another label than its buckets keeps all pods in the question."""
    metrics.put("seconds_sum", ("gateway",))

    spans = await source_of(metrics).histogram(LATENCIES, THEN, NOW)

    assert "gateway" in {span.subject.pod for span in spans if span.stray}


async def test_where_the_names_are_refused_all_pods_are_asked_about(metrics: Recorded) -> None:
    """A proxy may refuse so long a query: within the same tick all are asked about, and so for ten minutes."""
    metrics.refused = MissingReason.BAD_QUERY
    source = source_of(metrics)

    spans = await source.counts(COUNTS, THEN, NOW)
    metrics.asked.clear()
    await source.counts(COUNTS, NOW, NOW + timedelta(seconds=15))

    assert len(of_pods(spans)) == len(PODS)
    assert metrics.named() == {"all"}


async def test_a_source_that_does_not_answer_is_not_asked_for_all(metrics: Recorded) -> None:
    """A question that times out says nothing about the names in it."""
    metrics.refused = MissingReason.SOURCE_TIMEOUT

    with pytest.raises(SourceError):
        await counted(metrics, COUNTS)
    assert metrics.named() == {"pods"}


async def test_names_that_victoria_metrics_would_refuse_are_left_out(metrics: Recorded) -> None:
    """Its queries may have 16 KiB."""
    metrics.kind = MetricsBackend("VictoriaMetrics", metricsql=True)
    long = tuple(f"{pod}-{'x' * (LONGEST_METRICSQL // 3)}" for pod in PODS)

    await counted(metrics, replace(COUNTS, pods=long))
    await counted(metrics, COUNTS)

    assert metrics.named() == {"all", "pods"}


async def test_versions_are_told_apart_whatever_the_pods(metrics: Recorded) -> None:
    """By version, no pod is asked about: the collector gives none, and a source that is given some ignores them."""
    versions = replace(COUNTS, arms=Arms(version_label="version"), pods=())

    with pytest.raises(SourceError, match="version"):
        await counted(metrics, versions)
    assert metrics.named() == {"all"}


async def test_how_many_pods_there_are_is_asked_every_two_minutes(metrics: Recorded) -> None:
    """A tick in between costs no question more than without names."""
    source = source_of(metrics)
    await source.counts(COUNTS, THEN, NOW)
    metrics.asked.clear()

    await source.counts(COUNTS, NOW, NOW + timedelta(seconds=15))
    assert not [query for query in metrics.asked if query.startswith("count(count by")]
    later = NOW + LOOKED_EVERY
    await source.counts(COUNTS, later - timedelta(seconds=15), later)
    assert len([query for query in metrics.asked if query.startswith("count(count by")]) == 1
