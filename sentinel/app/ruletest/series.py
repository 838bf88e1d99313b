"""A test's input series as a metrics system would hold them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from sentinel.policies.ruletest.cases import Case, InputSeries
from sentinel.policies.ruletest.notation import Value
from sentinel.simulation.series import SeriesStore

_EVERY_POD = re.compile(r"(candidate|baseline)-\*")


def expanded(case: Case) -> Iterator[tuple[str, dict[str, str], InputSeries]]:
    """Each series by its name and labels; a label `candidate-*` stands for every pod that arm can have."""
    pods = case.shape.replicas + case.shape.max_surge
    for one in case.series:
        labels = dict(one.series.labels)
        every = next((name for name, value in labels.items() if _EVERY_POD.fullmatch(value)), None)
        if every is None:
            yield one.series.name, labels, one
            continue
        arm = labels[every].removesuffix("-*")
        for number in range(1, pods + 1):
            yield one.series.name, {**labels, every: f"{arm}-{number}"}, one


def prometheus_store(case: Case, began: datetime) -> SeriesStore:
    """The series as a Prometheus has them that scrapes at the test's interval."""
    store = SeriesStore()
    for name, labels, one in expanded(case):
        samples = timed(one.values, began + one.begins, case.interval)
        store.put(name, labels, ((_milliseconds(at), value) for at, value in samples))
    return store


def timed(
    values: Iterable[Value], begins: datetime, interval: timedelta
) -> Iterator[tuple[datetime, float | None]]:
    """Each sample with its time, scrapes that brought none left out."""
    for number, value in enumerate(values):
        if value is None or isinstance(value, float):
            yield begins + number * interval, value


def described(name: str, labels: Mapping[str, str]) -> str:
    """A series as people write it."""
    inner = ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
