"""How far the data of a source are behind the clock: set, known of its kind, or learnt from how old its samples are."""

from collections import deque
from dataclasses import field
from datetime import datetime
from math import isfinite

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.bounded import BoundedDict
from sentinel.values import dataclass

LONGEST_LAG = 300.0
"""Data further behind than this count as stale: nobody could act on them in time."""
PROMPT = 1.0
"""A source whose samples all come within so many seconds of their scrape needs not be waited for."""
REMEMBERED_QUERIES = 200
REMEMBERED_LAGS = 5
"""The settle is the second longest of so many: one that is longer than all others was an outage."""
ONE_BATCH = 0.9
"""What several queries see to come within so many seconds, came at once."""
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
    """The seconds to stay behind the clock: `chosen` by the settings, else how late samples came lately.

    How late a sample is, counts from when it was due: until then nothing was to be seen.
    Nothing is learnt that no settle would fix: samples that grow older and older, as those of pods that are gone do,
    or that stopped during an outage. What was learnt ends with its cause.
    """

    chosen: float | None = None
    _known: float = 0.0
    _recognised: bool = False
    _learnt: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_LAGS))
    _noted_at: float = 0.0
    _seen: BoundedDict[str, _Seen] = field(default_factory=lambda: BoundedDict(REMEMBERED_QUERIES))

    @property
    def settle(self) -> float:
        """After how many seconds the samples that were due are there."""
        if self.chosen is not None:
            return self.chosen
        return sorted(self._learnt)[-min(2, len(self._learnt))] if self._learnt else self._known

    @property
    def late(self) -> bool:
        """Whether one has to find out what is there already, before asking for it."""
        return self.chosen is None and (self._known > 0 or bool(self._learnt))

    @property
    def open(self) -> bool:
        """Whether nothing is known yet, not even the kind of source."""
        return self.chosen is None and not self._recognised

    def known(self, seconds: float) -> None:
        """What the kind of source is known for; that holds until it is measured."""
        self._known, self._recognised = seconds, True

    def learn(self, query: str, stamps: InstantAnswer, at: datetime, interval: float) -> None:
        """Learn from the times of a query's samples, asked for at the clock: all are stale, though new ones come in.

        `interval`: the seconds between two scrapes. Samples older than two of them are stale.
        """
        newest = _newest(stamps)
        if newest is None or self.late:
            return
        before, seen = self._seen.get(query), _Seen(at.timestamp(), newest)
        self._seen[query] = seen
        if before is None or seen.age <= 2 * interval:
            return
        gained = seen.newest - before.newest
        if gained > 0 and gained >= IN_STEP * (seen.at - before.at):
            self.note(max(seen.age, before.age) - interval, seen.at)

    def note(self, seconds: float, at: float) -> None:
        """So many seconds after they were due, samples came at a time (Unix seconds). One batch teaches once."""
        late = min(LONGEST_LAG, max(0.0, seconds))
        if self._learnt and at - self._noted_at < ONE_BATCH:
            self._learnt[-1] = max(self._learnt[-1], late)
        else:
            self._learnt.append(late)
            self._noted_at = at
        if len(self._learnt) == REMEMBERED_LAGS and max(self._learnt) < PROMPT:
            self._learnt.clear()
            self._seen.clear()


def _newest(stamps: InstantAnswer) -> float | None:
    return max([value for _, value, _ in stamps.samples if isfinite(value)], default=None)
