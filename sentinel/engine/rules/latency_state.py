"""What a latency rule knows about its segment, and how that is stored as plain JSON values."""

from collections.abc import Mapping
from math import inf, log
from typing import cast

from sentinel.domain.evidence import Histogram
from sentinel.domain.record.written import Written, value_of
from sentinel.engine.rules.segment import Segment
from sentinel.engine.rules.standing import Proof, RuleStanding
from sentinel.engine.statistics.e_process import Wealth, log_sum
from sentinel.engine.statistics.goodness import GOODNESS_BETS, fresh_goodness
from sentinel.values import dataclass

Json = Mapping[str, object]

RATIOS = (1.25, 1.6, 2.5, 8.0)
"""How many times the baseline's tail a candidate's is bet to be."""


@dataclass(frozen=True, slots=True)
class LatencyState:
    """The latencies of this segment and the evidence drawn from them; `edges` are where the arms are compared.

    `cold` is how many requests of cold pods were judged.
    """

    standing: RuleStanding
    candidate: Histogram
    baseline: Histogram
    edges: tuple[float, ...]
    slower: tuple[Wealth, ...]
    limit: Wealth
    good: Wealth
    cold: int = 0

    @classmethod
    def fresh(cls, segment: Segment, bets: int) -> "LatencyState":
        """Nothing seen yet; so many alternatives are bet on against the limit."""
        standing = RuleStanding(segment.name, alone=not segment.concurrent)
        return cls(standing, Histogram(), Histogram(), (), (), Wealth.fresh(bets), fresh_goodness())

    @classmethod
    def load(cls, state: Json | None, segment: Segment, bets: int) -> "LatencyState":
        """What `as_json` gave; afresh for another segment, and where the bets made were others."""
        if state is None or "standing" not in state:
            return cls.fresh(segment, bets)
        loaded = value_of(state, cls) or cls(
            RuleStanding.from_json(state["standing"]),
            _histogram(state["candidate"]),
            _histogram(state["baseline"]),
            tuple(cast(list[float], state["edges"])),
            tuple([Wealth.from_json(value) for value in cast(list[object], state["slower"])]),
            Wealth.from_json(state["limit"]),
            Wealth.from_json(state["good"]),
            cast(int, state.get("cold", 0)),
        )
        same = loaded.standing.segment == segment.name and loaded._fits(bets)
        return loaded if same else cls.fresh(segment, bets)

    def _fits(self, bets: int) -> bool:
        """Whether the bets kept are on the alternatives that are bet on now."""
        return (
            len(self.limit.stakes) == bets
            and len(self.good.stakes) == GOODNESS_BETS
            and all(len(wealth.stakes) == len(RATIOS) for wealth in self.slower)
        )

    def as_json(self) -> Json:
        """Plain JSON values; floats survive to the last bit."""
        json = {
            "standing": self.standing.as_json(),
            "candidate": _histogram_json(self.candidate),
            "baseline": _histogram_json(self.baseline),
            "edges": list(self.edges),
            "slower": [wealth.as_json() for wealth in self.slower],
            "limit": self.limit.as_json(),
            "good": self.good.as_json(),
            **({"cold": self.cold} if self.cold else {}),
        }
        return Written(json, self)

    def proof(self) -> Proof:
        """The evidence so far; that against "no slower" is the mean over the edges."""
        slower = 0.0
        if self.slower:
            slower = log_sum([wealth.log_e for wealth in self.slower]) - log(len(self.slower))
        return Proof(slower, self.limit.log_e, self.standing.alone)


def _histogram_json(histogram: Histogram) -> Json:
    """Plain JSON values; JSON has no infinity, so the last bound goes without saying."""
    return {
        "bounds": list(histogram.bounds[:-1]),
        "counts": list(histogram.counts),
        "seconds": histogram.seconds,
    }


def _histogram(value: object) -> Histogram:
    data = cast(Mapping[str, object], value)
    counts = tuple(cast(list[int], data["counts"]))
    if not counts:
        return Histogram()
    bounds = (*map(float, cast(list[float], data["bounds"])), inf)
    seconds = data["seconds"]
    return Histogram(bounds, counts, None if seconds is None else float(cast(float, seconds)))
