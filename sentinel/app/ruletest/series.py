"""A test's input series as a metrics system would hold them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from sentinel.policies.ruletest.cases import Case
from sentinel.policies.ruletest.notation import Value
from sentinel.promql.series import SeriesStore

Timed = tuple[int, float | None]
"""A time in milliseconds, and the value then; None ends the series."""

_EVERY_POD = re.compile(r"(candidate|baseline)-\*")


def expanded(case: Case, began: datetime) -> Iterator[tuple[str, dict[str, str], Sequence[Timed]]]:
    """Each series by its name, its labels and its samples; a label `candidate-*` stands for every pod of that arm."""
    for one in case.series:
        samples = timed(one.values, began + one.begins, case.interval)
        labels = dict(one.series.labels)
        every = next((name for name, value in labels.items() if _EVERY_POD.fullmatch(value)), None)
        if every is None:
            yield one.series.name, labels, samples
            continue
        arm = labels[every].removesuffix("-*")
        for number in range(1, case.shape.most_pods + 1):
            yield one.series.name, {**labels, every: f"{arm}-{number}"}, samples


def prometheus_store(case: Case, began: datetime) -> SeriesStore:
    """The series as a Prometheus has them that scrapes at the test's interval."""
    store = SeriesStore()
    for name, labels, samples in expanded(case, began):
        store.put(name, labels, samples)
    return store


def timed(values: Iterable[Value], begins: datetime, interval: timedelta) -> list[Timed]:
    """Each sample with its time in milliseconds, scrapes that brought none left out."""
    first, step = round(begins.timestamp() * 1000), round(interval.total_seconds() * 1000)
    return [
        (first + number * step, value)
        for number, value in enumerate(values)
        if value is None or isinstance(value, float)
    ]
