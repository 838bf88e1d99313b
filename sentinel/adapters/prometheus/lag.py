"""How far the data of a source are behind the clock: set, known of its kind, or learnt from how old its samples are."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.bounded import BoundedDict

LONGEST_LAG = 300.0
"""Data further behind than this count as stale: nobody could act on them in time."""
REMEMBERED_QUERIES = 200


@dataclass(slots=True)
class Lag:
    """The seconds to stay behind the clock: `chosen` by the settings, else the most that was learnt.

    Nothing is learnt that no settle would fix: samples that grow older and older, as those of pods that are gone do.
    """

    chosen: float | None = None
    seconds: float = 0.0
    _newest: BoundedDict[str, float] = field(default_factory=lambda: BoundedDict(REMEMBERED_QUERIES))

    @property
    def settle(self) -> float:
        """How many seconds evidence stays behind the clock."""
        return self.seconds if self.chosen is None else self.chosen

    def known(self, seconds: float) -> None:
        """What the kind of source is known for; never less than what was learnt."""
        self.seconds = max(self.seconds, seconds)

    def learn(self, query: str, stamps: InstantAnswer, at: datetime, stale_after: timedelta) -> None:
        """Learn from the times of a query's samples, asked for at a time: all are stale, though new ones came in."""
        newest = max((sample.value for sample in stamps.samples if sample.usable), default=None)
        if newest is None:
            return
        before = self._newest.get(query)
        self._newest[query] = newest
        age = at - datetime.fromtimestamp(newest, UTC)
        if age > stale_after and before is not None and newest > before:
            self.seconds = min(LONGEST_LAG, self.settle + age.total_seconds())
