"""Histograms by bound, by `vmrange` and native ones come as counts up to the same bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample, SparseBuckets, parse
from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.http.client import PrometheusClient
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.adapters.prometheus.spans.assembly import subjects_of
from sentinel.adapters.prometheus.spans.histograms import HistogramAnswer, common_edges, counted_at, range_of
from sentinel.domain.evidence import MissingReason, Past, Span
from sentinel.domain.policy.rules import Arms, HistogramQuery
from tests.adapters.prometheus.fake import NOW, FakePrometheus, Vector, prometheus

ARMS = Arms()
QUERY = HistogramQuery("prometheus", "took")
THEN = NOW - timedelta(seconds=15)
BUCKETS = "sum by (namespace, pod, le, vmrange) (took_bucket)"
NONE = InstantAnswer(())
NOTHING: Vector = []


def of_pod(pod: str, **labels: str) -> dict[str, str]:
    return {"namespace": "shop", "pod": pod, **labels}


def native(pod: str, *ranges: tuple[float, float, float], total: float = 1.0) -> Sample:
    return Sample(of_pod(pod), sum(n for *_, n in ranges), SparseBuckets(ranges, total))


def answer(*samples: Sample) -> HistogramAnswer:
    return HistogramAnswer.of(NONE, InstantAnswer(samples), lambda samples: subjects_of(samples, ARMS))


def at(edges: tuple[float, ...], sample: Sample) -> Mapping[float, float]:
    assert sample.buckets is not None
    return {
        float(name): n for name, n in counted_at(edges, sample.buckets, 1.0) if name not in ("sum", "count")
    }


def test_edges_of_all_pods_buckets_are_compared_at() -> None:
    """Each pod's count up to each edge is exact, whether or not it has a bucket there."""
    a, b = native("a", (0.5, 1, 7), (1, 2, 2)), native("b", (0.25, 0.5, 4))
    edges = common_edges([answer(a, b)], 1.0)
    assert edges[:5] == (0.25, 0.5, 1, 2, 2.5)
    assert [at(edges, a)[edge] for edge in (0.25, 0.5, 1.0, 2.0)] == [0, 0, 7, 9]
    assert [at(edges, b)[edge] for edge in (0.25, 0.5, 1.0, 2.0)] == [0, 4, 4, 4]


def test_an_edge_inside_a_wider_bucket_of_another_pod_is_none() -> None:
    """Of two schemas the coarser one's bounds are exact, the finer one's between them are not."""
    fine, coarse = native("a", (1, 1.41421356, 3), (1.41421356, 2, 4)), native("b", (1, 2, 5))
    edges = common_edges([answer(fine, coarse)], 1.0)
    assert edges[:2] == (1, 2)
    assert at(edges, fine)[2.0] == 7


def test_there_is_a_bound_at_every_usual_limit_over_all_requests() -> None:
    """A release all of whose answers are fast is within a limit of 1 s, though no bucket reaches so far."""
    edges = common_edges([answer(native("a", (0.01, 0.02, 9)))], 1.0)
    assert {0.025, 0.25, 1.0} <= set(edges)


def test_milliseconds_become_seconds() -> None:
    """Bounds and sum are scaled by the unit."""
    sample = native("a", (0, 250, 3), (250, 500, 1), total=900)
    edges = common_edges([answer(sample)], 0.001)
    assert sample.buckets is not None
    found = dict(counted_at(edges, sample.buckets, 0.001))
    assert (found["0.25"], found["0.5"], found["sum"], found["count"]) == (3, 4, 0.9, 4)


def test_fine_schemas_are_read_at_every_ninth_percent() -> None:
    """A histogram of hundreds of buckets would fill the record; its bounds at powers of two stay exact."""
    ranges = [(2 ** (k / 64), 2 ** ((k + 1) / 64), 1.0) for k in range(-300, 0)]
    edges = [edge for edge in common_edges([answer(native("a", *ranges))], 1.0) if edge <= 1]
    assert len(edges) == 38
    assert 0.5 in edges


def test_a_native_histogram_is_read_from_the_json() -> None:
    """The buckets that hold something, their sum, and the count as the value."""
    histogram = {"count": "3", "sum": "1.5", "buckets": [[3, "-1e-128", "1e-128", "1"], [0, "0.5", "1", "2"]]}
    (sample,) = parse([{"metric": {"pod": "a"}, "histogram": [0, histogram]}], "took").samples
    assert sample.value == 3
    assert sample.buckets == SparseBuckets(((-1e-128, 1e-128, 1), (0.5, 1, 2)), 1.5)


def test_a_range_of_victoria_metrics_is_read() -> None:
    """Both ends, as its libraries write them."""
    assert range_of("1.000e-01...1.136e-01") == (0.1, 0.1136)
    assert range_of("1.000e+18...+Inf") == (1e18, float("inf"))


def scraped(fake: FakePrometheus, selector: str, *pods: str) -> None:
    """The pods were scraped right before either time, each through one job."""
    for time in (THEN, NOW):
        stamps: Vector = [(of_pod(pod), time.timestamp() - 1) for pod in pods]
        fake.answers[f"min by (namespace, pod) (timestamp({selector}))", time.timestamp()] = stamps
    fake.answers[f"count by (namespace, pod, job) ({selector})"] = [(of_pod(pod, job="x"), 1) for pod in pods]


async def test_a_histogram_by_ranges_comes_as_counts_up_to_its_edges() -> None:
    """What VictoriaMetrics' libraries export, from any server."""
    ranges = {"1.000e-01...1.136e-01": 5, "8.799e-01...1.000e+00": 2}
    async with prometheus() as (fake, client):
        fake.answers[BUCKETS] = [(of_pod("a", vmrange=text), n) for text, n in ranges.items()]
        scraped(fake, "took_count", "a")
        (span,) = await PrometheusSource(client).histogram(QUERY, THEN, NOW)
    assert span.after is not None
    assert span.after.form == "vmrange"
    assert [span.after.values[name] for name in ("0.1136", "0.8799", "1", "2.5", "+Inf")] == [5, 5, 7, 7, 7]


async def test_a_pod_whose_histogram_two_jobs_scrape_is_missing() -> None:
    """Its counts say which jobs they are of: one question tells both."""
    async with prometheus() as (fake, client):
        fake.answers[BUCKETS] = [(of_pod("a", le=bound), 5) for bound in ("1", "+Inf")]
        scraped(fake, "took_count", "a")
        fake.answers["sum by (namespace, pod, job) (took_count)"] = [
            (of_pod("a", job=job), 5) for job in "xy"
        ]
        (span,) = await PrometheusSource(client).histogram(QUERY, THEN, NOW)
    assert span.missing is not None
    assert span.missing.detail == "scraped by the jobs x and y"


async def test_one_bound_in_two_spellings_is_the_one_that_goes_on() -> None:
    """Prometheus 3 writes `1.0` where the series of before the upgrade, `1`, are still in its lookback."""
    async with prometheus() as (fake, client):
        buckets = {"1": 5, "1.0": 7, "+Inf": 9}
        fake.answers[BUCKETS] = [(of_pod("a", le=text), n) for text, n in buckets.items()]
        times = {"1": 200, "1.0": 1, "+Inf": 1}
        fake.answers["max by (namespace, pod, le) (timestamp(took_bucket))"] = [
            (of_pod("a", le=text), NOW.timestamp() - age) for text, age in times.items()
        ]
        scraped(fake, "took_count", "a")
        (span,) = await PrometheusSource(client).histogram(QUERY, THEN, NOW)
    assert span.missing is None
    assert span.after is not None
    assert span.after.values == {"1": 7, "+Inf": 9}


PAST = Past("shop", ("a",), NOW - 2 * timedelta(seconds=15), NOW, timedelta(seconds=15), over=0.5)
ONLY = 'pod=~"a",namespace="shop"'


async def test_the_hour_before_of_ranges_counts_those_above_the_limit() -> None:
    """Ranges that begin at the limit or over it are slow."""
    async with prometheus(backend=MetricsBackend(metricsql=True)) as (fake, client):
        texts = ("1.000e-01...1.136e-01", "5.995e-01...6.813e-01")
        fake.answers[f"count by (pod, le, vmrange) (took_bucket{{{ONLY}}})"] = [
            ({"pod": "a", "vmrange": t}, 1) for t in texts
        ]
        fake.ranges[f'sum by (pod) (took_bucket{{{ONLY},vmrange!=""}})'] = [({"pod": "a"}, [10, 20, 30])]
        slow = f'sum by (pod) (took_bucket{{{ONLY},vmrange=~"5\\\\.995e-01\\\\.\\\\.\\\\.6\\\\.813e-01"}})'
        fake.ranges[slow] = [({"pod": "a"}, [1, 1, 2])]
        (found,) = await PrometheusSource(client).histories(QUERY, (PAST,))
    assert found == {"a": ((10, 1), (20, 1), (30, 2))}


async def test_the_hour_before_knows_both_spellings_of_a_bound() -> None:
    """Series from before and after an upgrade are one counter."""
    async with prometheus() as (fake, client):
        fake.answers[f"count by (pod, le, vmrange) (took_bucket{{{ONLY}}})"] = [
            ({"pod": "a", "le": text}, 1) for text in ("0.50", "0.5", "+Inf")
        ]
        every, within = (
            f"max by (pod) (sum by (pod, le) (took_bucket{{{ONLY},le=~{texts}}}))"
            for texts in ('"\\\\+Inf"', '"0\\\\.5|0\\\\.50"')
        )
        fake.ranges[every] = [({"pod": "a"}, [10, 20, 30])]
        fake.ranges[f"{every} - {within}"] = [({"pod": "a"}, [0, 1, 2])]
        (found,) = await PrometheusSource(client).histories(QUERY, (PAST,))
    assert found == {"a": ((10, 0), (20, 1), (30, 2))}


@pytest.mark.parametrize("text", ["0.1", "a...b"])
def test_what_is_no_range_is_refused(text: str) -> None:
    """It is not read as anything else."""
    with pytest.raises(ValueError, match=r"vmrange|could not convert"):
        range_of(text)


async def read(buckets: Vector, sums: Vector = NOTHING, counts: Vector = NOTHING, **more: Vector) -> Span:
    """The one span of these series; `more` are answers by query."""
    async with prometheus() as (fake, client):
        fake.answers[BUCKETS] = buckets
        fake.answers["sum by (namespace, pod) (took_sum)"] = sums
        fake.answers["sum by (namespace, pod, job) (took_count)"] = counts
        scraped(fake, "took_count" if counts else "took_bucket", "a")
        for query, found in more.items():
            fake.answers[query] = found
        (span,) = await PrometheusSource(client).histogram(QUERY, THEN, NOW)
    return span


def classic(*bounds: str) -> Vector:
    return [(of_pod("a", le=bound), 5) for bound in bounds]


@pytest.mark.parametrize("odd", ["NaN", "+Inf"])
async def test_a_sum_that_is_no_number_is_left_out(odd: str) -> None:
    """One observed NaN or infinity stays in the sum for ever; the buckets stay right."""
    span = await read(classic("1", "+Inf"), [(of_pod("a"), odd)], [(of_pod("a"), 5)])
    assert span.missing is None
    assert span.after is not None
    assert span.after.values == {"1": 5, "+Inf": 5, "count": 5}


async def test_the_count_stands_in_for_the_bucket_without_bound() -> None:
    """Relabelling that keeps a few bounds drops `+Inf` as well."""
    span = await read(classic("1"), counts=[(of_pod("a"), 7)])
    assert span.missing is None
    assert span.after is not None
    assert span.after.values == {"1": 5, "+Inf": 7, "count": 7}


async def test_buckets_without_a_count_are_as_old_as_they_are() -> None:
    """The bucket without bound counts the same."""
    span = await read(classic("1", "+Inf"))
    assert span.missing is None
    assert span.after is not None
    assert span.after.observed_at == NOW - timedelta(seconds=1)


async def test_a_summary_is_missing_as_a_summary() -> None:
    """It has a sum and a count of requests, and nothing that tells how many were slow."""
    quantiles: Vector = [(of_pod("a"), 2)]
    own = {'count by (namespace, pod) (took{quantile!=""})': quantiles}
    span = await read([], [(of_pod("a"), 5)], [(of_pod("a"), 5)], **own)
    assert span.missing is not None
    assert span.missing.reason is MissingReason.NO_DATA
    assert span.missing.detail == "took is a summary of quantiles there: a latency rule needs a histogram"


@dataclass
class Natives:
    """A server that has native histograms too."""

    client: PrometheusClient
    found: Mapping[str, tuple[Sample, ...]]

    async def backend(self) -> MetricsBackend:
        return await self.client.backend()

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        if query in self.found:
            return InstantAnswer(self.found[query])
        return await self.client.instant(query, at)


async def test_native_histograms_of_a_pair_of_servers_are_missing() -> None:
    """They have no counts beside them by which to see that all is there twice."""
    async with prometheus() as (fake, client):
        buckets = SparseBuckets(((0.5, 1.0, 50.0),), 30.0)
        pair = [of_pod("a", replica=name) for name in ("one", "two")]
        one = 'took{namespace="shop",pod="a"}'
        fake.answers[f"timestamp({one})"] = [(labels, at) for at, labels in enumerate(pair)]
        scraped(fake, "took", "a")
        client = Natives(
            client,
            {
                "sum by (namespace, pod) (took)": (Sample(of_pod("a"), 100, buckets),),
                one: tuple(Sample(labels, 50, buckets) for labels in pair),
            },
        )
        (span,) = await PrometheusSource(client).histogram(QUERY, THEN, NOW)  # type: ignore[arg-type]
    assert span.missing is not None
    assert span.missing.reason is MissingReason.DUPLICATE_SERIES


async def test_all_strays_of_a_counter_are_told_by_one_question() -> None:
    """Hundreds of pods whose buckets are dropped must not become hundreds of questions."""
    async with prometheus() as (fake, client):
        many: Vector = [(of_pod(f"p{number}"), 5) for number in range(50)]
        fake.answers["sum by (namespace, pod) (took_sum)"] = many
        spans = await PrometheusSource(client).histogram(QUERY, THEN, NOW)
        asked = [text for text, _ in fake.asked if text.startswith("took_sum{")]
    assert [span.stray for span in spans] == [True] * 50
    assert len(asked) == 1


async def test_bounds_that_only_some_series_of_a_pod_have_are_left_out() -> None:
    """Two handlers with buckets of their own: a sum at 0.3 has none of the requests of the one that counts at 0.1."""
    by = "by (namespace, pod"
    each = f'count {by}, le) (took_bucket{{le!=""}})'
    known: dict[str, Vector] = {
        f"max {by}) ({each}) > min {by}) ({each})": [(of_pod("a"), 2)],
        each: [
            (of_pod("a", le=bound), 2 if bound in ("1", "+Inf") else 1)
            for bound in ("0.1", "0.3", "1", "+Inf")
        ],
    }
    span = await read(classic("0.1", "0.3", "1", "+Inf"), counts=[(of_pod("a"), 5)], **known)
    assert span.after is not None
    assert span.after.values == {"1": 5, "+Inf": 5, "count": 5}


async def test_a_layout_is_looked_at_when_bounds_are_new_and_now_and_then() -> None:
    """Not at each tick."""
    later = NOW + timedelta(minutes=5)
    async with prometheus() as (fake, client):
        fake.answers[BUCKETS] = classic("1", "+Inf")
        fake.answers[BUCKETS, later.timestamp()] = classic("1", "2", "+Inf")
        source = PrometheusSource(client)
        asked: list[int] = []
        for at in (NOW, NOW + timedelta(minutes=4), later, later + timedelta(minutes=4)):
            await source.histogram(QUERY, at - timedelta(seconds=15), at)
            asked.append(sum(text.startswith("max by (namespace, pod) (count") for text, _ in fake.asked))
    assert asked[0] > 0
    assert asked[1] == asked[0]
    assert asked[2] > asked[1]
    assert asked[3] == asked[2]
