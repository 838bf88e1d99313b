"""Counters of the hour before, by range queries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery
from tests.adapters.prometheus.fake import NOW, FakePrometheus, prometheus

STEP = timedelta(seconds=15)
PAST = Past("shop", ("web-a", "web.b"), NOW - 2 * STEP, NOW, STEP, over=0.5)
QUERY = CountQuery("prometheus", 'requests{job="web"}', "failures")
ONLY = 'pod=~"web-a|web\\\\.b",namespace="shop"'
TOTAL = f'sum by (pod) (requests{{job="web",{ONLY}}})'
ERRORS = f"sum by (pod) (failures{{{ONLY}}})"
LATENCY = HistogramQuery("prometheus", "seconds")
BUCKETS = f"count by (pod, le, vmrange) (seconds_bucket{{{ONLY}}})"


def pod(name: str, **labels: str) -> dict[str, str]:
    return {"pod": name, **labels}


async def test_each_pod_has_its_counters_at_every_step() -> None:
    """Only the pods that were asked for are asked about; no series of errors is no error."""
    async with prometheus() as (fake, client):
        fake.ranges[TOTAL] = [(pod("web-a"), [10, 20, 35]), (pod("web.b"), [1, 2, 3])]
        fake.ranges[ERRORS] = [(pod("web-a"), [1, 1, 2])]
        (found,) = await PrometheusSource(client).histories(QUERY, (PAST,))
    assert found == {
        "web-a": ((10, 1), (20, 1), (35, 2)),
        "web.b": ((1, 0), (2, 0), (3, 0)),
    }


async def test_a_time_without_a_sample_is_a_gap() -> None:
    """A pod that was not scraped, or has no number, has nothing at that time."""
    async with prometheus() as (fake, client):
        fake.ranges[TOTAL] = [(pod("web-a"), [None, "NaN", 35])]
        (found,) = await PrometheusSource(client).histories(QUERY, (PAST,))
    assert found == {"web-a": (None, None, (35, 0))}


async def test_another_pod_label_is_used() -> None:
    """The rule's own name of the pod label narrows and groups."""
    query = CountQuery("prometheus", "r", "e", Arms(pod_label="kubernetes_pod"))
    matchers = ONLY.replace("pod=", "kubernetes_pod=")
    async with prometheus() as (fake, client):
        fake.ranges[f"sum by (kubernetes_pod) (r{{{matchers}}})"] = [({"kubernetes_pod": "web-a"}, [1, 2, 3])]
        (found,) = await PrometheusSource(client).histories(query, (PAST,))
    assert found == {"web-a": ((1, 0), (2, 0), (3, 0))}


def slow(fake: FakePrometheus, *bounds: str) -> None:
    fake.answers[BUCKETS] = [(pod("web-a", le=bound), 1) for bound in bounds]


async def test_slow_requests_are_those_over_the_bound_at_the_limit() -> None:
    """Of a histogram two buckets are compared: the limit's, as the exporter writes it, and the last."""
    async with prometheus() as (fake, client):
        slow(fake, "0.25", "0.50", "1", "+Inf")
        every, within = (
            f'max by (pod) (sum by (pod, le) (seconds_bucket{{{ONLY},le=~"{bound}"}}))'
            for bound in ("\\\\+Inf", "0\\\\.50")
        )
        fake.ranges[every] = [(pod("web-a"), [10, 20, 30])]
        fake.ranges[f"{every} - {within}"] = [(pod("web-a"), [1, 3, 5])]
        (found,) = await PrometheusSource(client).histories(LATENCY, (PAST,))
    assert found == {"web-a": ((10, 1), (20, 3), (30, 5))}


async def test_a_histogram_that_ends_below_the_limit_teaches_nothing() -> None:
    """Where all that is too slow falls into the last bucket there is nothing to count."""
    async with prometheus() as (fake, client):
        slow(fake, "0.25", "+Inf")
        assert await PrometheusSource(client).histories(LATENCY, (PAST,)) == ({},)
        assert len(fake.asked) == 1


async def test_what_is_no_matrix_is_refused_by_name() -> None:
    """An answer of another form is no evidence."""
    async with prometheus() as (fake, client):
        fake.extra = {"data": {"resultType": "matrix", "result": [{"metric": {}}]}}
        with pytest.raises(SourceError, match="is not in the format of Prometheus' API") as caught:
            await PrometheusSource(client).histories(QUERY, (PAST,))
    assert caught.value.reason == MissingReason.SOURCE_REFUSED


async def test_another_namespace_label_is_used() -> None:
    """The rule's own name of the namespace label narrows the pods' history."""
    query = CountQuery("prometheus", "r", "e", Arms(namespace_label="kubernetes_namespace"))
    matchers = ONLY.replace("namespace=", "kubernetes_namespace=")
    async with prometheus() as (fake, client):
        fake.ranges[f"sum by (pod) (r{{{matchers}}})"] = [({"pod": "web-a"}, [1, 2, 3])]
        (found,) = await PrometheusSource(client).histories(query, (PAST,))
    assert found == {"web-a": ((1, 0), (2, 0), (3, 0))}
