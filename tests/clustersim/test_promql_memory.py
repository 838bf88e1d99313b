"""What a query keeps of a series goes with the series."""

import gc

from sentinel.promql.evaluation import Evaluator, parse
from sentinel.promql.series import Sample, SeriesStore
from sentinel.promql.vectors import remembered

HOUR = 3_600_000


def pod(number: int) -> list[Sample]:
    """What a scrape finds of one pod."""
    return [("requests_total", {"pod": f"web-{number}", "code": "200"}, 1.0)]


def test_nothing_is_kept_of_series_that_are_gone() -> None:
    """A day of pods that come and go leaves the newest ones, though each query was asked of all of them."""
    store = SeriesStore(retention=600.0)
    evaluator, query = Evaluator(store), parse("sum by (pod) (requests_total)")
    for number in range(144):
        store.ingest("job", number * HOUR // 6, pod(number), {"job": "web"})
        (found,) = evaluator.evaluate(query, number * HOUR // 6)  # type: ignore[misc]
        assert found.labels == {"pod": f"web-{number}"}
    gc.collect()
    kept = [
        each for each in gc.get_objects() if type(each).__name__ == "SeriesLabels" and each["job"] == "web"
    ]
    assert len(kept) <= 3


def test_what_was_found_for_a_stored_series_is_found_once() -> None:
    """Other labels are looked at each time: nothing would ever find their entry again."""
    store, asked = SeriesStore(), []
    store.ingest("job", 0, pod(1), {})
    (series,) = store.select(())
    name = remembered(lambda labels: asked.append(labels) or labels["pod"])
    assert [name(series.labels), name(series.labels)] == ["web-1", "web-1"]
    assert [name({"pod": "other"}), name({"pod": "other"})] == ["other", "other"]
    assert len(asked) == 3
