"""Up to when the samples of a query are there, where they come late and many at once.

VictoriaMetrics shows what it took in by the batch, every few seconds, and a remote write sends batches. Within one,
nothing is known of the next; once it is there, everything in it is, and no sample of an older one is still to come.
So evidence is asked for as of the newest time that all series have reached: with no batch in part, as soon as there is
one, however long the next takes.
"""

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import field
from datetime import UTC, datetime, timedelta

from sentinel.adapters.prometheus.late.lag import REMEMBERED_QUERIES, Lag
from sentinel.bounded import BoundedDict
from sentinel.domain.evidence import Extent
from sentinel.values import dataclass

LOOK_EACH = 0.25
LOOKS_IN_A_SCRAPE = 30.0
"""While a batch may come, it is looked for every quarter of a second; of rare scrapes, so often between two."""
AFTER_ALL, LOOKS_AFTER_ALL = 1.0, 4.0
"""While none of the series had new samples for long: the least seconds between looks, and looks between two scrapes."""
EARLIEST = 0.9
"""The next batch is not looked for before this share of the shortest time between two of the latest."""
SAME_BATCH = 2.5
"""What comes within so many looks after a batch is the rest of it."""
REMEMBERED_GAPS, REMEMBERED_INTERVALS = 3, 20
LATE_SERIES = 5.0
"""For so many seconds more than two scrapes, or for the source's lag, a series without new samples is waited for."""
UNEVEN, MOST_UNEVEN = 0.1, 0.5
"""The next scrape may come early by this share of the time between two, but by so many seconds at most."""


@dataclass(slots=True)
class _Track:
    """What was seen of a query last, in seconds since 1970: the oldest of its series' newest samples, and when.

    `arrived` is when newer samples were seen to come; None where nobody had looked just before. `moved`: they came
    since the look before, so more of the same batch may follow.
    """

    reached: float
    looked: float
    arrived: float | None = None
    moved: bool = False


@dataclass(slots=True)
class Batches:
    """Tells the extents of queries from how far their series have come; teaches the `lag` how late that was."""

    lag: Lag
    _tracks: BoundedDict[Hashable, _Track] = field(default_factory=lambda: BoundedDict(REMEMBERED_QUERIES))
    _gaps: BoundedDict[float, deque[float]] = field(default_factory=lambda: BoundedDict(REMEMBERED_INTERVALS))
    """The latest times between two batches, by the seconds between two scrapes: new queries need not learn them."""

    def waits_for(self, interval: float) -> float:
        """How many seconds behind the newest sample of all a series may be, for more of its samples to come."""
        return 2 * interval + max(LATE_SERIES, self.lag.settle)

    def extent(
        self, query: Hashable, reached: float | None, at: datetime, every: float, *, known: bool = True
    ) -> Extent:
        """The extent of a query, asked for now.

        `reached`: the time that all of its series that still live have reached, in seconds since 1970; None
        without any. `every`: the seconds between two scrapes, as far as that is `known`. While nothing comes at all,
        evidence stays where it is, so that what comes then is differenced from there; once that lasts longer than late
        series are waited for, more is looked for less often.
        """
        now = at.timestamp()
        look_each = max(LOOK_EACH, every / LOOKS_IN_A_SCRAPE)
        if reached is None:
            return Extent(at, at + timedelta(seconds=max(look_each, every)))
        # Up to the next scrape that is due, there is no other sample to come.
        due_in = every if known else 0.0
        gaps = self._gaps.setdefault(every, deque(maxlen=REMEMBERED_GAPS))
        track = self._followed(query, reached, now, due_in, look_each, gaps)
        whole = reached + due_in - min(MOST_UNEVEN, UNEVEN * due_in)
        patience = self.lag.settle + every + self.waits_for(every)
        if whole < now - patience:
            return Extent(_time(whole), _time(now + max(AFTER_ALL, every / LOOKS_AFTER_ALL)))
        expected = track.arrived + EARLIEST * min(gaps) if track.arrived and gaps and not track.moved else now
        return Extent(_time(whole), _time(max(now + look_each, expected)))

    def _followed(
        self,
        query: Hashable,
        reached: float,
        now: float,
        due_in: float,
        look_each: float,
        gaps: deque[float],
    ) -> _Track:
        """The query's track with what is seen now; `gaps` take in the time between two batches that were seen to come.

        The next samples are due so many seconds after these.
        """
        track = self._tracks.get(query)
        if track is None:
            track = self._tracks[query] = _Track(reached, now)
        track.moved = reached > track.reached
        if track.moved:
            # Only who looked just before has seen when the samples came.
            slept = now - track.looked
            seen = slept <= 3 * look_each
            if seen:
                self.lag.note(now - track.reached - due_in, now)
            elif gaps and slept <= max(gaps):
                gaps.clear()  # they were too long: a batch came while it was waited for
            since = now - track.arrived if track.arrived is not None else math.inf
            if since > SAME_BATCH * look_each:
                if seen and since < math.inf:
                    gaps.append(since)
                track.arrived = now if seen else None
        track.reached, track.looked = reached, now
        return track


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
