"""E-processes: evidence against a null hypothesis that may be looked at as often as one likes.

An e-process is the wealth of a gambler who bets against the null: under it the expected wealth is at most 1 at any
time, however chosen, so by Ville's inequality it ever reaches 1/α with a probability of at most α. Here the gambler
spreads the stake over a grid of alternatives and, so that a fault that begins late is found, over start times.
Everything is kept in natural logarithms.

Sources: Ville (1939); Lindon and Malek, Anytime-valid inference for multinomial count data (NeurIPS 2022);
Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (JRSS B, 2024); Page (1954) for
the estimate of when a fault began.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import exp, fsum, log, log1p
from typing import cast

from sentinel.domain.evidence import Counts
from sentinel.values import dataclass

RATIOS = (2.0, 3.0, 6.0, 50.0)
"""How many times worse than the baseline a candidate is bet to be."""
LIMIT_FACTORS = (1.25, 2.0, 4.0, 10.0)
"""How far over a limit a rate is bet to be."""
LATE = 0.3
"""The share of the stake kept for late starts; the rest is on the table from the first tick."""
OPEN = log(1 - LATE)
_ROUNDED = 1e-9
"""More than rounding can make of a log."""


@dataclass(frozen=True, slots=True)
class Wealth:
    """The log wealth of a bettor, per alternative of a grid.

    `stakes` is what the bets opened so far have come to, each weighted by its part of the stake; `ticks` counts the
    ticks bet on. At each, a further part of what is kept for late starts joins what is open, and all of it is bet:
    one number holds the bets from the first tick and those from every later one.
    """

    stakes: tuple[float, ...]
    ticks: int = 0

    @classmethod
    def fresh(cls, size: int) -> "Wealth":
        """No bet made yet on a grid of this size."""
        return cls((OPEN,) * size)

    def bet(self, gains: Sequence[float]) -> "Wealth":
        """The wealth after one more tick whose log gain is given per alternative."""
        tick = self.ticks + 1
        joins = _joining(tick)
        # ln(eʷ + eʲ) + gain, written out: this is the innermost loop of an evaluation.
        grown = [
            (w + log1p(exp(joins - w)) if w >= joins else joins + log1p(exp(w - joins))) + gain
            for w, gain in zip(self.stakes, gains, strict=True)
        ]
        return Wealth(tuple(grown), tick)

    @property
    def log_e(self) -> float:
        """The log of the whole wealth: the mean over the grid, and what is kept for starts to come."""
        size = len(self.stakes)
        return log_sum([*self.stakes, log(LATE * size / (self.ticks + 1))]) - log(size)

    @property
    def most(self) -> float:
        """What `log_e` is at most, in a tenth of the time: as if all of the grid were worth as much as the best."""
        size = len(self.stakes)
        return max(*self.stakes, log(LATE * size / (self.ticks + 1))) + log((size + 1) / size) + _ROUNDED

    def as_json(self) -> Mapping[str, object]:
        """Plain JSON values; floats survive to the last bit."""
        return {"stakes": list(self.stakes), "ticks": self.ticks}

    @classmethod
    def from_json(cls, value: object) -> "Wealth":
        """The wealth that `as_json` gave; one without bets, on no alternative, from what another version kept."""
        data = cast(Mapping[str, object], value)
        return cls(tuple(map(float, cast(Sequence[float], data.get("stakes", ())))), cast(int, data["ticks"]))


@lru_cache(maxsize=1024)
def _joining(tick: int) -> float:
    """The log of what joins the open bets at a tick. Placebos, whole hours of them, begin at the first one."""
    return log(LATE / (tick * (tick + 1)))


def log_sum(values: Sequence[float]) -> float:
    """ln Σ eᵛ without overflow."""
    high = max(values)
    return high + log(fsum([exp(value - high) for value in values]))


def ratio_gains(
    candidate: Counts,
    baseline: Counts,
    factors: Sequence[float],
    *,
    null: float = 1.0,
    dispersion: float = 1.0,
) -> tuple[float, ...]:
    """Log gains of one tick against "the candidate's rate is at most `null` times the baseline's".

    Given the errors of both arms together, the candidate's are binomial, so common causes cancel. `factors` are
    the alternatives as multiples of `null`. Clusters of up to `dispersion` errors that land in one arm together
    keep the expected gain at or below 1: the log gain is divided by it, and where the tick holds no more errors
    than one such cluster, one single bet is made on the share of them that the candidate got.
    """
    both = candidate.errors + baseline.errors
    weighted = null * candidate.total
    if not both or not candidate.total or not baseline.total:
        return (0.0,) * len(factors)
    if both <= dispersion:
        return tuple(_one_cluster(candidate.errors / both, weighted, baseline.total, f) for f in factors)
    null_share = weighted + baseline.total
    return tuple(
        (candidate.errors * log(f) - both * log((f * weighted + baseline.total) / null_share)) / dispersion
        for f in factors
    )


def _one_cluster(share: float, weighted: float, others: int, factor: float) -> float:
    """The log gain of one bet on the candidate's share of a few errors that may all have one cause."""
    null, alternative = weighted / (weighted + others), factor * weighted / (factor * weighted + others)
    return log(share * alternative / null + (1 - share) * (1 - alternative) / (1 - null))


def limit_gains(
    counts: Counts, limit: float, alternatives: Sequence[float], *, dispersion: float = 1.0
) -> tuple[float, ...]:
    """Log gains of one tick against "the rate of errors is at most `limit`"; the alternatives lie above it."""
    if not counts.total:
        return (0.0,) * len(alternatives)
    good = counts.total - counts.errors
    if counts.total <= dispersion:
        share = counts.errors / counts.total
        return tuple(log(share * p / limit + (1 - share) * (1 - p) / (1 - limit)) for p in alternatives)
    return tuple(
        (counts.errors * log(p / limit) + good * log((1 - p) / (1 - limit))) / dispersion
        for p in alternatives
    )


def rates_above(limit: float, factors: Sequence[float]) -> tuple[float, ...]:
    """Alternatives over a limit in (0, 1): multiples of it, near 1 fractions of what is left to 1."""
    return tuple(min(limit * factor, 1 - (1 - limit) / factor) for factor in factors)


def capped(gains: Sequence[float]) -> tuple[float, ...]:
    """The same bets with nothing to win: what is lost still counts, so the wealth stays an e-process."""
    return tuple(min(0.0, gain) for gain in gains)
