"""Instant answers as values: the labels of a series are held once, however many answers have it."""

import gc

from sentinel.adapters.prometheus import answers

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
