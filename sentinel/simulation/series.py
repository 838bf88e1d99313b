"""An in-memory time series store: what the Prometheus stand-in scrapes into and evaluates over."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Labels = dict[str, str]
_Identity = tuple[tuple[str, str], ...]
NAME = "__name__"
_DROP_EVERY = 256


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label condition; `operator` is `=`, `!=`, `=~` or `!~` (anchored at both ends)."""

    name: str
    operator: str
    value: str

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the condition; an absent label is an empty one."""
        text = labels.get(self.name, "")
        if self.operator in ("=", "!="):
            return (text == self.value) == (self.operator == "=")
        return bool(re.fullmatch(self.value, text)) == (self.operator == "=~")


@dataclass(slots=True)
class Series:
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
        """The newest sample at `time`, at most `lookback` old; None when there is none or it is stale."""
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
        self._by_name: dict[str, dict[_Identity, Series]] = {}
        self._present: dict[str, set[tuple[str, _Identity]]] = {}

    def ingest(self, target: str, time: int, samples: Iterable[tuple[Labels, float]]) -> None:
        """Store one scrape of a target; what its last scrape had and this one has not is marked stale."""
        seen: set[tuple[str, _Identity]] = set()
        for labels, value in samples:
            identity = tuple(sorted(labels.items()))
            name = labels.get(NAME, "")
            series = self._by_name.setdefault(name, {}).get(identity)
            if series is None:
                series = self._by_name[name][identity] = Series(dict(identity))
            series.add(time, value, time - self._retention)
            seen.add((name, identity))
        for name, identity in self._present.get(target, set()) - seen:
            self._by_name[name][identity].add(time, None, time - self._retention)
        self._present[target] = seen
        self._forget(time)

    def select(self, matchers: Iterable[Matcher]) -> Iterator[Series]:
        """The series that all matchers accept."""
        conditions = list(matchers)
        named = next((m.value for m in conditions if m.name == NAME and m.operator == "="), None)
        groups = self._by_name.values() if named is None else [self._by_name.get(named, {})]
        for group in groups:
            for series in group.values():
                if all(matcher.accepts(series.labels) for matcher in conditions):
                    yield series

    def _forget(self, time: int) -> None:
        """Drop series that ended before the retention, once in a while."""
        if time // 60_000 % 10:
            return
        for group in self._by_name.values():
            dead = [key for key, s in group.items() if s.times[-1] < time - self._retention]
            for key in dead:
                del group[key]
