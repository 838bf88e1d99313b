"""Requests that are counted twice: what tells two scrapes of one counter from two counters."""

from __future__ import annotations

import pytest

from sentinel.adapters.prometheus.answers import Sample
from sentinel.adapters.prometheus.series.replicas import doubled_by
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.domain.evidence import MissingReason
from tests.adapters.prometheus.fake import NOW, prometheus
from tests.adapters.prometheus.test_source import QUERY, THEN, by_pod, scraped, total

Series = list[tuple[dict[str, str], float, float]]
"""Labels, the count, and when it was scraped."""


def doubled(series: Series) -> tuple[str, ...]:
    """What is said of these series of one pod."""
    counts = [Sample({"pod": "a", **labels}, count) for labels, count, _ in series]
    return doubled_by(counts, [Sample({"pod": "a", **labels}, at) for labels, _, at in series])


def pair(label: str, *, apart: float = 4.0) -> Series:
    """One pod's series, scraped by two who write their names into a label."""
    counts = {"200": 5000.0, "500": 40.0}
    return [
        ({"code": code, label: name}, count + late, 100.0 + apart * late)
        for code, count in counts.items()
        for late, name in enumerate(("one", "two"))
    ]


@pytest.mark.parametrize("label", ["prometheus_replica", "replica", "endpoint", "written_by", "zone"])
def test_a_pair_of_scrapers_is_found_by_any_label(label: str) -> None:
    """Equal counts scraped at different times, told apart by one label, are one counter."""
    assert doubled(pair(label)) == (label,)


def test_a_pair_that_scrapes_at_the_same_moment_is_found_by_its_label() -> None:
    """Where times do not tell, the label's name does."""
    assert doubled(pair("prometheus_replica", apart=0)) == ("prometheus_replica",)
    assert doubled(pair("direction", apart=0)) == ()


@pytest.mark.parametrize("label", ["endpoint", "tenant", "user_agent", "upstream_cluster", "job_type"])
def test_counters_of_one_scrape_are_the_applications(label: str) -> None:
    """The kubelet asks for `/healthz` as often as for `/readyz`, and two tenants may be as busy."""
    assert doubled(pair(label, apart=0)) == ()


def test_labels_that_differ_together_are_one_difference() -> None:
    """Two ports with one registry differ by instance and by endpoint."""
    ports = [
        ({**labels, "instance": f"10.0.0.1:{labels['endpoint']}"}, *rest)
        for labels, *rest in pair("endpoint")
    ]
    assert doubled([(labels, count, at) for labels, count, at in ports]) == ("endpoint", "instance")


def test_a_series_that_one_of_the_pair_lacks_hides_nothing() -> None:
    """A new error is seen by one of them first."""
    assert doubled([*pair("replica"), ({"code": "503", "replica": "one"}, 1, 100.0)]) == ("replica",)


@pytest.mark.parametrize(
    "series",
    [
        [],
        [({"code": "200"}, 5000, 100.0)],
        [({"code": "200"}, 5000, 100.0), ({"code": "500"}, 40, 100.0)],
        [({"handler": "/begin"}, 700, 100.0), ({"handler": "/commit"}, 700, 100.0)],
        [({"container": "app"}, 5000, 100.0), ({"container": "other"}, 90, 104.0)],
        [({"instance": "10.0.0.1:80"}, 5000, 100.0), ({"instance": "10.0.0.2:80"}, 5010, 104.0)],
        [({"gateway_pod": "a", "job": "a"}, 5000, 100.0), ({"gateway_pod": "b", "job": "b"}, 5010, 104.0)],
        [({"replica": "one"}, 3, 100.0), ({"replica": "two"}, 3, 104.0)],
        [({"replica": "one"}, float("nan"), 100.0), ({"replica": "two"}, 300, 104.0)],
    ],
    ids=[
        "none",
        "one",
        "codes",
        "handlers of one call",
        "containers",
        "gateways",
        "gateways by pod",
        "too few",
        "no number",
    ],
)
def test_several_counters_are_no_pair(series: Series) -> None:
    """Different counts, or one scrape, are different requests."""
    assert doubled(series) == ()


async def test_a_pod_counted_by_a_pair_is_missing_evidence() -> None:
    """Of series that are there twice nothing counts, and the label is named; it is looked at now and then."""
    async with prometheus() as (fake, client):
        scraped(fake, "a", "b")
        total(fake, by_pod(a=10000, b=20), by_pod(a=10100, b=21))
        one = 'requests{namespace="shop",pod="a"}'
        labels = [{"namespace": "shop", "pod": "a", "replica": name} for name in ("one", "two")]
        fake.answers[one] = [(each, 5050) for each in labels]
        fake.answers[f"timestamp({one})"] = [(each, at) for at, each in enumerate(labels)]
        source = PrometheusSource(client)
        spans = await source.counts(QUERY, THEN, NOW)
        again = await source.counts(QUERY, THEN - (NOW - THEN), NOW - (NOW - THEN))
        asked = [text for text, _ in fake.asked if text == one]
    assert [span.missing.reason for span in spans if span.missing] == [MissingReason.DUPLICATE_SERIES] * 2
    assert "the label replica alone tells series of requests apart" in str(spans[0].missing)
    assert [span.missing is not None for span in again] == [True, True]
    assert len(asked) == 1
