"""Bets on what a candidate's young pods did, beside those on its old ones.

A young pod, cold or just out of its warm-up, is bad where it is worse than the stable's own start at the same age *and*
worse than the baseline serves at this moment: the first alone would take an outage for a bad start, the second alone a
slow start for a bad release. In each tick the bet that has less to win is made, so the expected gain is at most 1 where
either holds.
"""

from collections.abc import Sequence

from sentinel.domain.evidence import Counts
from sentinel.engine.statistics.e_process import ratio_gains
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Bets:
    """The log gains of one tick's comparison, and what the young pods' part of it came to at best."""

    gains: tuple[float, ...]
    won: float = 0.0

    @classmethod
    def none(cls, size: int) -> "Bets":
        """Nothing compared."""
        return cls((0.0,) * size)

    @classmethod
    def best(cls, bets: Sequence["Bets"]) -> "Bets":
        """The one of several whose young part won most."""
        return max(bets, key=lambda one: one.won, default=cls(()))

    def held_back(self, old: Sequence[float], young: Sequence[float]) -> tuple[float, ...]:
        """The log gains against a limit: the young part gains no more than its comparison, else a start like the
        stable's, which is over the limit, would prove half of what a small difference later on proves whole."""
        most = max(0.0, self.won)
        return tuple([a + min(b, most) for a, b in zip(old, young, strict=True)])


def compared(
    old: Counts,
    young: Counts,
    baseline: Counts,
    started: Sequence[float] | None,
    factors: Sequence[float],
    dispersion: float,
) -> Bets:
    """The comparison of one tick: all pods with the baseline beside them, or the young ones with the stable's own
    start instead (`started`, None where it is not known), whichever has less to win."""
    alone = ratio_gains(old, baseline, factors, dispersion=dispersion)
    if not young.total or started is None:
        return Bets(alone)
    beside = ratio_gains(old + young, baseline, factors, dispersion=dispersion)
    gains = tuple([min(b, a + s) for b, a, s in zip(beside, alone, started, strict=True)])
    return Bets(gains, max(g - a for g, a in zip(gains, alone, strict=True)))
