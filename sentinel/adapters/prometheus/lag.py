"""How far the data of a source are behind the clock: set, known of its kind, or learnt from how old its samples are."""

from collections import deque
from dataclasses import field
from datetime import datetime, timedelta

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.bounded import BoundedDict
from sentinel.values import dataclass

LONGEST_LAG = 300.0
"""Data further behind than this count as stale: nobody could act on them in time."""
REMEMBERED_QUERIES = 200
MEASURED_EVERY = timedelta(seconds=30)
"""How often a lag that was learnt is measured again."""
REMEMBERED_LAGS = 4
"""The settle is the longest of so many: what flushes in batches is at times nearly up to date."""
IN_STEP = 0.5
"""Samples that gain less than this share of the time that passed do not lag: they stopped for a while."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """When a query was asked for, and its newest sample, in seconds since 1970."""

    at: float
    newest: float

    @property
    def age(self) -> float:
        return self.at - self.newest


@dataclass(slots=True)
class Lag:
    """The seconds to stay behind the clock: `chosen` by the settings, else the longest that was learnt lately.

    Nothing is learnt that no settle would fix: samples that grow older and older, as those of pods that are gone do,
    or that stopped during an outage. What was learnt is measured again, so that it ends with its cause.
    """

    chosen: float | None = None
    _known: float = 0.0
    _learnt: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_LAGS))
    _measured_at: datetime | None = None
    _seen: BoundedDict[str, _Seen] = field(default_factory=lambda: BoundedDict(REMEMBERED_QUERIES))

    @property
    def settle(self) -> float:
        """How many seconds evidence stays behind the clock."""
        return max(self._known, *self._learnt, 0.0) if self.chosen is None else self.chosen

    def known(self, seconds: float) -> None:
        """What the kind of source is known for; evidence never stays less behind."""
        self._known = seconds

    def learn(self, query: str, stamps: InstantAnswer, at: datetime, stale_after: timedelta) -> None:
        """Learn from the times of a query's samples, asked for at a time: all are stale, though new ones come in."""
        newest = _newest(stamps)
        if newest is None:
            return
        before, seen = self._seen.get(query), _Seen(at.timestamp(), newest)
        self._seen[query] = seen
        if before is None or seen.age <= stale_after.total_seconds():
            return
        gained = seen.newest - before.newest
        if gained > 0 and gained >= IN_STEP * (seen.at - before.at):
            self._note(self.settle + max(seen.age, before.age), at)

    def measurable(self, at: datetime) -> datetime | None:
        """As of when to ask for the newest sample now, to measure a learnt lag again; None: not now.

        `at` is what was asked for last: the settle lies between it and the clock.
        """
        if self.chosen is not None or self.settle <= self._known:
            return None
        due = self._measured_at is None or at >= self._measured_at + MEASURED_EVERY
        return at + timedelta(seconds=self.settle) if due else None

    def measured(self, stamps: InstantAnswer, asked: datetime, at: datetime) -> None:
        """Take in the newest sample as of `asked`, which `measurable(at)` named."""
        newest = _newest(stamps)
        if newest is not None:
            self._note(max(0.0, asked.timestamp() - newest), at)

    def _note(self, lag: float, at: datetime) -> None:
        self._learnt.append(min(LONGEST_LAG, lag))
        self._measured_at = at


def _newest(stamps: InstantAnswer) -> float | None:
    return max((sample.value for sample in stamps.samples if sample.usable), default=None)
