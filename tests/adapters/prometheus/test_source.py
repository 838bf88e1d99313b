"""Counters of pods and versions at two times, and what makes them unusable."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sentinel.adapters.prometheus.scrapes import interval_query
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, Span, Subject
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery, ValueQuery
from tests.adapters.prometheus.fake import NOW, FakePrometheus, Vector, prometheus

QUERY = CountQuery("prometheus", "requests", "failures")
THEN = NOW - timedelta(seconds=15)


def by_pod(**values: float | str) -> Vector:
    return [({"namespace": "shop", "pod": pod}, value) for pod, value in values.items()]


def scraped(
    fake: FakePrometheus, *pods: str, selector: str = "requests", groups: str = "namespace, pod"
) -> None:
    """The pods were scraped right before either time."""
    for at in (THEN, NOW):
        seconds = at.timestamp()
        stamps = by_pod(**dict.fromkeys(pods, seconds - 1))
        fake.answers[f"min by ({groups}) (timestamp({selector}))", seconds] = stamps


def total(fake: FakePrometheus, then: Vector, now: Vector) -> None:
    fake.answers["sum by (namespace, pod, job) (requests)", THEN.timestamp()] = then
    fake.answers["sum by (namespace, pod, job) (requests)", NOW.timestamp()] = now


async def only(source: PrometheusSource) -> Span:
    (span,) = await source.counts(QUERY, THEN, NOW)
    return span


async def test_totals_and_errors_at_both_times() -> None:
    """Each pod has its counters before and after; where there is no errors series, there is none."""
    async with prometheus() as (fake, client):
        scraped(fake, "a", "b")
        total(fake, by_pod(a=10, b=20), by_pod(a=15, b=21))
        fake.answers["sum by (namespace, pod) (failures)"] = by_pod(a=2)
        a, b = await PrometheusSource(client).counts(QUERY, THEN, NOW)
    assert (a.subject, b.subject) == (Subject("shop", "a"), Subject("shop", "b"))
    assert a.before is not None
    assert a.after is not None
    assert b.after is not None
    assert (a.before.values, a.after.values) == ({"total": 10, "errors": 2}, {"total": 15, "errors": 2})
    assert b.after.values == {"total": 21}
    assert a.after.observed_at == NOW - timedelta(seconds=1)


async def test_the_next_tick_asks_only_for_its_end() -> None:
    """What was asked for the end of a tick is remembered for the beginning of the next."""
    async with prometheus() as (fake, client):
        scraped(fake, "a")
        source = PrometheusSource(client)
        await source.counts(QUERY, THEN, NOW)
        before = len(fake.asked)
        end = NOW + timedelta(seconds=15)
        await source.counts(QUERY, NOW, end)
        assert {at for _, at in fake.asked[before:]} == {end.timestamp()}


async def test_a_new_series_has_no_beginning() -> None:
    """A pod that was not there before has only its end, and nothing is missing."""
    async with prometheus() as (fake, client):
        scraped(fake, "a")
        total(fake, [], by_pod(a=5))
        span = await only(PrometheusSource(client))
    assert (span.before, span.missing) == (None, None)
    assert span.after is not None


@pytest.mark.parametrize(("age", "stale"), [(30, False), (31, True)])
async def test_two_scrape_intervals_are_the_limit(age: int, stale: bool) -> None:
    """A sample is usable up to two scrape intervals of 15 s, and stale beyond."""
    async with prometheus() as (fake, client):
        scraped(fake, "a")
        total(fake, by_pod(a=5), by_pod(a=6))
        stamps = by_pod(a=NOW.timestamp() - age)
        fake.answers["min by (namespace, pod) (timestamp(requests))", NOW.timestamp()] = stamps
        span = await only(PrometheusSource(client, scrape_interval=15))
    assert (span.missing is not None and span.missing.reason is MissingReason.STALE) is stale


async def test_a_pod_is_stale_by_the_interval_of_its_own_job() -> None:
    """Most are scraped each 15 s, and one is each minute."""
    async with prometheus() as (fake, client):
        scraped(fake, "a", "b")
        pods = [
            ({"namespace": "shop", "pod": pod, "job": job}, 5) for pod, job in (("a", "web"), ("b", "batch"))
        ]
        total(fake, pods, pods)
        stamps = by_pod(a=NOW.timestamp() - 50, b=NOW.timestamp() - 50)
        fake.answers["min by (namespace, pod) (timestamp(requests))", NOW.timestamp()] = stamps
        fake.answers[interval_query("requests")] = [({}, 15)]
        fake.answers[interval_query("requests", "job")] = [({"job": "web"}, 15), ({"job": "batch"}, 60)]
        a, b = await PrometheusSource(client, scrape_interval=None).counts(QUERY, THEN, NOW)
    assert (a.missing is not None and a.missing.reason, b.missing) == (MissingReason.STALE, None)
    assert (a.every, b.every) == (15, 60)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
async def test_what_is_no_number_is_missing(value: str) -> None:
    """A counter that is NaN or infinite is missing evidence of that pod."""
    async with prometheus() as (fake, client):
        scraped(fake, "a")
        total(fake, by_pod(a=5), by_pod(a=value))
        span = await only(PrometheusSource(client))
    assert span.missing is not None
    assert span.missing.reason is MissingReason.NOT_A_NUMBER


async def test_a_pod_of_two_jobs_is_missing_and_others_are_not() -> None:
    """Double counting spoils the pod that is counted twice alone."""
    async with prometheus() as (fake, client):
        scraped(fake, "a", "b")
        twice: Vector = [({"namespace": "shop", "pod": "a", "job": job}, 15) for job in ("x", "y")]
        total(fake, by_pod(a=10, b=20), [*twice, *by_pod(b=21)])
        a, b = await PrometheusSource(client).counts(QUERY, THEN, NOW)
    assert a.missing is not None
    assert (a.missing.reason, a.missing.detail) == (
        MissingReason.DUPLICATE_SERIES,
        "scraped by the jobs x and y",
    )
    assert b.missing is None


async def test_errors_without_a_total_are_missing() -> None:
    """A pod that has only errors has no rate: its errors may be those of another's requests."""
    async with prometheus() as (fake, client):
        fake.answers["sum by (namespace, pod) (failures)"] = by_pod(a=2)
        span = await only(PrometheusSource(client))
    assert span.stray
    assert span.subject == Subject("shop", "a")


async def test_a_wrong_pod_label_is_a_bad_query() -> None:
    """Series that all lack the label are refused with the setting to correct."""
    async with prometheus() as (fake, client):
        fake.answers["sum by (namespace, pod, job) (requests)"] = [({"namespace": "shop"}, 5)]
        fake.answers["requests"] = [({"namespace": "shop", "pod_name": "a"}, 5)]
        with pytest.raises(SourceError, match=r"labels namespace, pod_name.*set podLabel") as caught:
            await PrometheusSource(client).counts(QUERY, THEN, NOW)
        assert caught.value.reason == MissingReason.BAD_QUERY


async def test_another_pod_label_is_grouped_by() -> None:
    """`podLabel` names the label that holds the pod."""
    async with prometheus() as (fake, client):
        labels = {"namespace": "shop", "kubernetes_pod_name": "a"}
        groups = "namespace, kubernetes_pod_name"
        fake.answers[f"sum by ({groups}, job) (requests)"] = [(labels, 5)]
        fake.answers[f"min by ({groups}) (timestamp(requests))"] = [(labels, NOW.timestamp())]
        query = CountQuery("prometheus", "requests", "failures", Arms(pod_label="kubernetes_pod_name"))
        (span,) = await PrometheusSource(client).counts(query, THEN, NOW)
    assert span.subject == Subject("shop", "a")
    assert span.after is not None


async def test_arms_by_a_version_label() -> None:
    """Where versions name the arms, a version is the subject, and two pods of it through one job are fine."""
    async with prometheus() as (fake, client):
        labels = {"namespace": "shop", "version": "2"}
        fake.answers["min by (namespace, version) (timestamp(requests))"] = [(labels, NOW.timestamp())]
        pods: Vector = [(labels | {"pod": pod, "job": "mesh"}, 2) for pod in ("a", "b")]
        fake.answers["sum by (namespace, version, pod, job) (requests)"] = pods
        query = CountQuery("prometheus", "requests", "failures", Arms(version_label="version"))
        (span,) = await PrometheusSource(client).counts(query, THEN, NOW)
    assert (span.subject, span.missing) == (Subject("shop", version="2"), None)
    assert span.after is not None
    assert dict(span.after.values) == {"total": 4}


async def test_a_selector_that_is_none_is_not_asked() -> None:
    """A function in a rule's selector is refused before any question."""
    async with prometheus() as (fake, client):
        with pytest.raises(SourceError, match="not a selector") as caught:
            await PrometheusSource(client).counts(CountQuery("prometheus", "rate(x[1m])", "y"), THEN, NOW)
        assert caught.value.reason == MissingReason.BAD_QUERY
        assert fake.asked == []


async def test_a_histogram_without_bounds_is_a_bad_query() -> None:
    """Series without `le` are no histogram."""
    async with prometheus() as (fake, client):
        fake.answers["sum by (namespace, pod, le, vmrange) (took_bucket)"] = by_pod(a=5)
        with pytest.raises(SourceError, match="its label le is not a number"):
            await PrometheusSource(client).histogram(HistogramQuery("prometheus", "took"), THEN, NOW)


async def test_bounds_written_in_two_ways_are_duplicates() -> None:
    """`1` and `1.0` of one pod would count its requests twice."""
    async with prometheus() as (fake, client):
        scraped(fake, "a", selector="took_count")
        buckets: Vector = [({"namespace": "shop", "pod": "a", "le": le}, 5) for le in ("1", "1.0", "+Inf")]
        fake.answers["sum by (namespace, pod, le, vmrange) (took_bucket)"] = buckets
        (span,) = await PrometheusSource(client).histogram(HistogramQuery("prometheus", "took"), THEN, NOW)
    assert span.missing is not None
    assert span.missing.reason is MissingReason.DUPLICATE_SERIES


async def test_a_free_query_with_a_nan_has_no_values() -> None:
    """One value that is no number spoils the sample."""
    async with prometheus() as (fake, client):
        fake.answers["depth"] = by_pod(a=1, b="NaN")
        sample = await PrometheusSource(client).value(ValueQuery("prometheus", "depth"), NOW)
    assert sample.values == ()
    assert sample.missing is not None
    assert sample.missing.reason is MissingReason.NOT_A_NUMBER


async def test_readiness_says_what_is_wrong() -> None:
    """A server that answers is ready; of another a sentence tells the trouble."""
    async with prometheus() as (fake, client):
        source = PrometheusSource(client)
        assert await source.ready(NOW) is None
        fake.token = "other"
        assert "check the token or password" in (await source.ready(NOW) or "")


async def test_another_namespace_label_is_grouped_by() -> None:
    """`namespaceLabel` names the label that holds the namespace, in every question."""
    async with prometheus() as (fake, client):
        labels = {"kubernetes_namespace": "shop", "pod": "a"}
        groups = "kubernetes_namespace, pod"
        fake.answers[f"min by ({groups}) (timestamp(requests))"] = [(labels, NOW.timestamp())]
        twice: Vector = [(labels | {"job": job}, 5) for job in ("x", "y")]
        fake.answers[f"sum by ({groups}, job) (requests)"] = twice
        arms = Arms(namespace_label="kubernetes_namespace")
        (span,) = await PrometheusSource(client).counts(
            CountQuery("prometheus", "requests", "failures", arms), THEN, NOW
        )
    assert span.subject == Subject("shop", "a")
    assert span.missing is not None
    assert span.missing.reason is MissingReason.DUPLICATE_SERIES


async def test_a_wrong_namespace_label_is_a_bad_query() -> None:
    """Series that all lack the namespace's label are refused with the setting to correct."""
    async with prometheus() as (fake, client):
        fake.answers["sum by (namespace, pod, job) (requests)"] = [({"pod": "a"}, 5)]
        with pytest.raises(SourceError, match="set namespaceLabel") as caught:
            await PrometheusSource(client).counts(QUERY, THEN, NOW)
        assert caught.value.reason == MissingReason.BAD_QUERY


async def test_labels_with_dots_are_asked_for_in_quotes() -> None:
    """Grouping and matchers name the label as Prometheus 3 does, and the pods are told apart by it."""
    arms = Arms(pod_label="k8s.pod.name", namespace_label="k8s.namespace.name")
    total = '{"till.hits", "k8s.cluster.name"="a"} # all of them'
    query = CountQuery("prometheus", total, 'till_errors{"http.status"=~`5\\d\\d`}', arms)
    written = '{__name__="till.hits","k8s.cluster.name"="a"}'
    groups = '"k8s.namespace.name", "k8s.pod.name"'
    async with prometheus() as (fake, client):
        labels = {"k8s.namespace.name": "market", "k8s.pod.name": "a"}
        fake.answers[f"sum by ({groups}, job) ({written})"] = [(labels, 100)]
        fake.answers[f"sum by ({groups})" + ' (till_errors{"http.status"=~"5\\\\d\\\\d"})'] = [(labels, 7)]
        fake.answers[f"min by ({groups}) (timestamp({written}))"] = [(labels, NOW.timestamp())]
        (span,) = await PrometheusSource(client).counts(query, NOW, NOW)
        assert span.subject == Subject("market", "a")
        assert span.after is not None
        assert dict(span.after.values) == {"total": 100.0, "errors": 7.0}


async def test_the_hour_before_is_asked_for_by_quoted_labels() -> None:
    """The pods are matched by the label in quotes."""
    past = Past("market", ("till-1",), NOW - timedelta(minutes=1), NOW, timedelta(minutes=1))
    query = CountQuery("prometheus", "hits", "faults", Arms(pod_label="k8s.pod.name"))
    async with prometheus() as (fake, client):
        await PrometheusSource(client).histories(query, (past,))
        assert fake.asked[0][0] == (
            'sum by ("k8s.pod.name") (hits{"k8s.pod.name"=~"till-1",namespace="market"})'
        )


async def test_errors_of_no_pod_are_stray_and_told_with_their_labels() -> None:
    """Errors that name no pod belong to no total; the reason says which labels their series have."""
    async with prometheus() as (fake, client):
        scraped(fake, "a")
        total(fake, by_pod(a=10), by_pod(a=15))
        fake.answers["sum by (namespace, pod) (failures)"] = [({"namespace": "shop"}, 4)]
        fake.answers['failures{namespace="shop",pod=""}'] = [({"namespace": "shop", "service": "till"}, 4)]
        nobody, a = await PrometheusSource(client).counts(QUERY, THEN, NOW)
    assert (nobody.subject, nobody.stray, a.stray) == (Subject("shop"), True, False)
    assert "no pod" in str(nobody.missing)
    assert "the labels namespace, service" in str(nobody.missing)


NARROW = CountQuery("prometheus", 'requests{namespace="shop"}', 'failures{namespace="shop"}')
WIDE = "count by (namespace, pod, exported_namespace, exported_pod) (failures)"


async def elsewhere(wide: Vector, **more: Vector) -> list[Span]:
    """The stray spans where the rule's own selector finds no errors, and the metric has these series elsewhere."""
    async with prometheus() as (fake, client):
        scraped(fake, "a", selector='requests{namespace="shop"}')
        fake.answers['sum by (namespace, pod, job) (requests{namespace="shop"})'] = by_pod(a=10)
        fake.answers[WIDE] = wide
        fake.answers |= more
        spans = await PrometheusSource(client).counts(NARROW, THEN, NOW)
    return [span for span in spans if span.stray]


@pytest.mark.parametrize(
    "labels",
    [
        {"namespace": "exporters", "exported_namespace": "shop"},
        {"namespace": "exporters", "pod": "exporter-1", "exported_pod": "a"},
        {"namespace": "exporters", "pod": "a"},
        {"pod": "a"},
    ],
)
async def test_errors_kept_under_another_namespace_are_found(labels: dict[str, str]) -> None:
    """A series of the errors' metric that names the namespace or a pod of it elsewhere may be its errors."""
    (stray,) = await elsewhere([(labels, 3)])
    assert stray.subject == Subject("shop")
    assert f"under namespace={labels.get('namespace', '')!r}" in str(stray.missing)


@pytest.mark.parametrize(
    "labels", [{"namespace": "other", "pod": "b"}, {"namespace": "shop", "pod": "a"}, {"namespace": "other"}]
)
async def test_errors_of_others_are_no_strays(labels: dict[str, str]) -> None:
    """What another namespace's pods count concerns nobody here."""
    assert await elsewhere([(labels, 3)]) == []


async def test_a_pod_of_the_same_name_elsewhere_keeps_its_errors() -> None:
    """StatefulSets of two namespaces have pods of one name: errors beside requests over there are theirs."""
    there: Vector = [({}, 1)]
    counted = {'count(requests{namespace="other",pod="a"})': there}
    assert await elsewhere([({"namespace": "other", "pod": "a"}, 3)], **counted) == []


async def test_errors_among_the_requests_own_series_are_not_looked_for() -> None:
    """Where the errors are some of the total's series, both name the same pods: nothing more is asked."""
    query = CountQuery("prometheus", 'r{namespace="shop"}', 'r{code="5", namespace="shop"}')
    async with prometheus() as (fake, client):
        scraped(fake, "a", selector=query.total)
        fake.answers[f"sum by (namespace, pod, job) ({query.total})"] = by_pod(a=10)
        await PrometheusSource(client).counts(query, THEN, NOW)
    assert not [text for text, _ in fake.asked if "exported" in text]


async def test_a_histograms_count_of_no_pod_is_stray() -> None:
    """`_count` (or `_sum`) under other labels than the buckets is a stray, and not the histogram of nobody."""
    async with prometheus() as (fake, client):
        scraped(fake, "a", selector="took_count")
        buckets: Vector = [({"namespace": "shop", "pod": "a", "le": le}, 5) for le in ("1", "+Inf")]
        fake.answers["sum by (namespace, pod, le, vmrange) (took_bucket)"] = buckets
        fake.answers["sum by (namespace, pod, job) (took_count)"] = [({"namespace": "shop"}, 5)]
        nobody, a = await PrometheusSource(client).histogram(HistogramQuery("prometheus", "took"), THEN, NOW)
    assert (nobody.subject, nobody.stray) == (Subject("shop"), True)
    assert a.missing is None
