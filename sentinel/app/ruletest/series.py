"""A test's input series as a metrics system would hold them."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sentinel.minutes import MINUTE
from sentinel.policies.ruletest.cases import Case
from sentinel.policies.ruletest.notation import SeriesName, Value
from sentinel.promql.series import SeriesStore

Timed = tuple[int, float | None]
"""A time in milliseconds, and the value then; None ends the series."""

_EVERY_POD = re.compile(r"(candidate|baseline)-\*")


_Series = tuple[str, dict[str, str]]
"""A series by its name and its labels."""


def _by_samples(case: Case, began: datetime) -> Iterator[tuple[list[Timed], list[_Series]]]:
    """The samples of each line of a test, and the series that have them."""
    for one in case.series:
        yield timed(one.values, began + one.begins, case.interval), list(_expanded(one.series, case))


def _expanded(series: SeriesName, case: Case) -> Iterator[_Series]:
    """The series that a name stands for: with a label `candidate-*` one of every pod of that arm."""
    labels = dict(series.labels)
    every = next((name for name, value in labels.items() if _EVERY_POD.fullmatch(value)), None)
    if every is None:
        yield series.name, labels
        return
    arm = labels[every].removesuffix("-*")
    for number in range(1, case.shape.most_pods + 1):
        yield series.name, {**labels, every: f"{arm}-{number}"}


def prometheus_store(case: Case, began: datetime) -> SeriesStore:
    """The series as a Prometheus has them that scrapes at the test's interval."""
    store = SeriesStore()
    for samples, each in _by_samples(case, began):
        times, values = [at for at, _ in samples], [value for _, value in samples]
        for name, labels in each:
            store.put(name, labels, times, values)
    return store


def counted_by_minute(case: Case, began: datetime) -> list[tuple[str, dict[str, str], dict[int, float]]]:
    """Each series with what it counted in each minute, by when that begins in Unix seconds.

    A sample is what was counted in the interval before it.
    """
    found: list[tuple[str, dict[str, str], dict[int, float]]] = []
    for samples, each in _by_samples(case, began):
        minutes: dict[int, float] = {}
        for at, value in samples:
            if value is not None:
                minute = (at - 1) // 1000 // MINUTE * MINUTE
                minutes[minute] = minutes.get(minute, 0.0) + value
        found.extend((name, labels, minutes) for name, labels in each)
    return found


def timed(values: Iterable[Value], begins: datetime, interval: timedelta) -> list[Timed]:
    """Each sample with its time in milliseconds, scrapes that brought none left out."""
    first, step = round(begins.timestamp() * 1000), round(interval.total_seconds() * 1000)
    return [
        (first + number * step, value)
        for number, value in enumerate(values)
        if value is None or isinstance(value, float)
    ]
