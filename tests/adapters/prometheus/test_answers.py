"""Instant answers as values: the labels of a series are held once, however many answers have it."""

import gc

import pytest
from aiohttp import web

from sentinel.adapters.prometheus import answers
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.policy.rules import ValueQuery
from tests.adapters.prometheus.fake import NOW, prometheus

SERIES = {"namespace": "shop", "pod": "web-1", "le": "0.5"}


def result() -> list[object]:
    """An instant vector of one series, as new text each time."""
    return [{"metric": {name: "".join(value) for name, value in SERIES.items()}, "value": [1.0, "2"]}]


def test_answers_share_the_labels_of_a_series() -> None:
    """Two answers about one series hold one mapping of its labels."""
    first, second = answers.parse(result(), "up"), answers.parse(result(), "up")
    assert first.samples[0].labels is second.samples[0].labels
    assert first.samples[0].labels == SERIES


def test_the_labels_of_a_series_go_with_the_last_answer_that_has_it() -> None:
    """Pods come and go: what no answer has any more is not kept."""
    kept = answers.parse([{"metric": {"pod": "gone"}, "value": [1.0, "2"]}], "up")
    assert ("pod", "gone") in answers._known
    del kept
    gc.collect()
    assert ("pod", "gone") not in answers._known


async def test_native_histograms_are_not_taken_for_numbers() -> None:
    """Of `rate(m[1m])` over a native histogram no one number is meant, least of all its count."""
    histogram = {"count": "150", "sum": "15", "buckets": [[0, "0.1", "0.5", "150"]]}
    result = [{"metric": {}, "histogram": [1.0, histogram]}]
    async with prometheus() as (fake, client):
        data = {"resultType": "vector", "result": result}
        fake.fault = web.json_response({"status": "success", "data": data})
        with pytest.raises(SourceError, match="put histogram_quantile, histogram_count") as caught:
            await PrometheusSource(client).value(ValueQuery("prometheus", "sum(rate(took[1m]))"), NOW)
    assert caught.value.reason is MissingReason.BAD_QUERY
