"""What the benchmark found: one outcome per cell, traffic, fault and method."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from benchmarks.scenarios import TICK, TICKS, Array


class Healthy(Enum):
    """The kinds of traffic in which nothing is wrong with the candidate."""

    INDEPENDENT = "independent"
    BURSTY = "bursty"
    DRIFTING = "drifting"
    OUTAGE = "outage in both arms"


@dataclass(frozen=True)
class Outcome:
    """Share rolled back and times in seconds from the fault to the decision (infinite: not found in ten minutes)."""

    cell: str
    traffic: str
    fault: str
    method: str
    share: float
    p50: float
    p90: float
    mean: float
    early: float
    times: Array
    bound: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, cell: str, traffic: str, fault: str, method: str, times: Array, onset: int = 0) -> "Outcome":
        """The outcome of these rollback times; `onset` ticks pass before the fault, a rollback in them is `early`."""
        start = onset * TICK
        after = times[times > start] - start
        p50, p90 = np.quantile(after, [0.5, 0.9], method="inverted_cdf") if len(after) else (np.inf, np.inf)
        mean = float(np.minimum(after, TICKS * TICK - start).mean()) if len(after) else np.inf
        share = float(np.isfinite(after).mean()) if len(after) else 0.0
        early = float((times <= start).mean())
        return cls(cell, traffic, fault, method, share, float(p50), float(p90), mean, early, after)

    def with_bound(self, seconds: float) -> "Outcome":
        """With the information bound of its scenario."""
        return replace(self, bound=seconds)

    def in_worlds(self, rollouts: int) -> "Outcome":
        """With the 95 % interval of its share, by the bootstrap over worlds of so many rollouts each.

        Rollouts in one world have the same clients, so that they are not independent draws.
        """
        shares = np.isfinite(self.times).reshape(-1, rollouts).mean(axis=1)
        drawn = np.random.default_rng(0).choice(shares, (2000, len(shares))).mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return replace(self, interval=(float(low), float(high)))


class Table(list[Outcome]):
    """All outcomes of one part of the benchmark."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        super().__init__(outcomes)

    def pick(self, **criteria: str) -> list[Outcome]:
        """Those whose fields have these values."""
        return [o for o in self if all(getattr(o, name) == value for name, value in criteria.items())]

    def one(self, **criteria: str) -> Outcome:
        """The only one of them."""
        (outcome,) = self.pick(**criteria)
        return outcome

    def values(self, name: str) -> list[str]:
        """The different values of a field, in order."""
        return list(dict.fromkeys(getattr(outcome, name) for outcome in self))
