"""An in-memory time series store: what the Prometheus stand-in scrapes into and evaluates over."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import lru_cache

from sentinel.values import dataclass

Labels = dict[str, str]
Identity = tuple[tuple[str, str], ...]
Sample = tuple[str, Mapping[str, str], float]
"""Series name, labels and value."""
NAME = "__name__"
_DROP_EVERY = 256
_PLAIN = re.compile(r"[\w\-|]*")


class SeriesLabels(dict[str, str]):
    """The labels of a stored series: one object for as long as it is stored."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """One label condition; `operator` is `=`, `!=`, `=~` or `!~` (anchored at both ends)."""

    name: str
    operator: str
    value: str

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the condition; an absent label is an empty one."""
        text = labels.get(self.name, "")
        if self.operator in ("=", "!="):
            return (text == self.value) == (self.operator == "=")
        names = _alternatives(self.value)
        matches = text in names if names else bool(re.fullmatch(self.value, text))
        return matches == (self.operator == "=~")


@lru_cache(maxsize=64)
def _alternatives(pattern: str) -> frozenset[str]:
    """The texts of a pattern that is nothing but texts, as hundreds of pods are named; empty for any other."""
    return frozenset(pattern.split("|")) if _PLAIN.fullmatch(pattern) else frozenset()


@dataclass(slots=True)
class StoredSeries:
    """The samples of one series, oldest first; times in milliseconds, a value of None marks it stale."""

    labels: Labels
    times: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def add(self, time: int, value: float | None, keep_from: int) -> None:
        """Append a sample; samples before `keep_from` are dropped now and then."""
        self.times.append(time)
        self.values.append(value)
        if len(self.times) % _DROP_EVERY == 0:
            dead = bisect_left(self.times, keep_from)
            del self.times[:dead], self.values[:dead]

    def at(self, time: int, lookback: int) -> tuple[int, float] | None:
        """The newest sample at `time`, at most `lookback` old; None if it is missing or stale."""
        index = bisect_right(self.times, time) - 1
        if index < 0 or self.times[index] < time - lookback:
            return None
        value = self.values[index]
        return None if value is None else (self.times[index], value)

    def between(self, start: int, end: int) -> list[tuple[int, float]]:
        """The samples from `start` to `end`, both included, less stale marks."""
        low, high = bisect_left(self.times, start), bisect_right(self.times, end)
        found = zip(self.times[low:high], self.values[low:high], strict=True)
        return [(time, value) for time, value in found if value is not None]


class SeriesStore:
    """Series by name; `retention` in seconds."""

    def __init__(self, retention: float = 3600.0) -> None:
        self._retention = int(retention * 1000)
        self.begins: int | None = None
        """The time of the first scrape in milliseconds, None before it."""
        self._by_name: dict[str, dict[Identity, StoredSeries]] = {}
        self._scraped: dict[str, dict[tuple[str, Identity], StoredSeries]] = {}
        self._selected: dict[tuple[LabelMatcher, ...], tuple[StoredSeries, ...]] = {}
        self.changes = 0
        """How often series were added or forgotten."""

    def ingest(self, target: str, time: int, samples: Iterable[Sample], extra: Mapping[str, str]) -> None:
        """Store one scrape of a target, with its `extra` labels where a sample has none of that name.

        What the last scrape of the target had and this one has not is marked stale.
        """
        self.begins = time if self.begins is None else self.begins
        known = self._scraped.setdefault(target, {})
        keep_from = time - self._retention
        for name, labels, value in samples:
            # Labels come in the same order each time, so the unsorted ones find the series again, cheaply.
            key = (name, tuple(labels.items()))
            series = known.get(key)
            if series is None:
                series = known[key] = self._series(name, {**extra, **labels})
            series.add(time, value, keep_from)
        for key in [key for key, series in known.items() if series.times[-1] != time]:
            known.pop(key).add(time, None, keep_from)
        self._forget(time)

    def put(self, name: str, labels: Labels, times: list[int], values: list[float | None]) -> None:
        """Store samples of one series, oldest first; times in milliseconds, a value of None ends it.

        Series may share their lists: nothing is added to them.
        """
        series = self._series(name, labels)
        series.times, series.values = (
            [*series.times, *times] if series.times else times,
            ([*series.values, *values] if series.values else values),
        )

    def select(self, matchers: Iterable[LabelMatcher]) -> Sequence[StoredSeries]:
        """The series that all matchers accept."""
        conditions = tuple(matchers)
        found = self._selected.get(conditions)
        if found is None:
            found = self._selected[conditions] = tuple(self._accepted(conditions))
        return found

    def grouped(
        self, matchers: tuple[LabelMatcher, ...], group_of: Callable[[Labels], Identity]
    ) -> Sequence[tuple[Labels, Sequence[StoredSeries]]]:
        """The same series by the labels of the group that their own put them in; as long as there are no `changes`."""
        groups: dict[Identity, list[StoredSeries]] = {}
        for series in self.select(matchers):
            groups.setdefault(group_of(series.labels), []).append(series)
        return tuple((dict(group), series) for group, series in groups.items())

    def _changed(self) -> None:
        self._selected.clear()
        self.changes += 1

    def _accepted(self, conditions: tuple[LabelMatcher, ...]) -> Iterator[StoredSeries]:
        named = next((m.value for m in conditions if m.name == NAME and m.operator == "="), None)
        groups = self._by_name.values() if named is None else [self._by_name.get(named, {})]
        for group in groups:
            for series in group.values():
                if all(matcher.accepts(series.labels) for matcher in conditions):
                    yield series

    def _series(self, name: str, labels: Labels) -> StoredSeries:
        identity = tuple(sorted({NAME: name, **labels}.items()))
        group = self._by_name.setdefault(name, {})
        if identity not in group:
            group[identity] = StoredSeries(SeriesLabels(identity))
            self._changed()
        return group[identity]

    def _forget(self, time: int) -> None:
        """Drop series that ended before the retention, once in a while."""
        if time // 60_000 % 10:
            return
        for group in self._by_name.values():
            dead = [key for key, s in group.items() if s.times[-1] < time - self._retention]
            for key in dead:
                del group[key]
        self._changed()
