"""Promoting early: proof that a candidate is good, by the reversed tests, and how much longer a proof may take.

The null is a bad candidate: at least twice as bad as the baseline and at or over the limit. Each reversed bet is fair
or unfavourable under it, so their mean reaches 1/β with a probability of at most β if the candidate is bad.
"""

from datetime import timedelta
from math import log

from sentinel.domain.evidence import Counts
from sentinel.engine.statistics.e_process import Wealth, limit_gains, ratio_gains

BETA = 0.05
"""The accepted chance that a bad candidate is promoted early."""
WORSE = 2.0
"""How many times the baseline's rate a bad candidate has at least."""
BETTER = (0.5, 0.25)
BELOW = (0.5, 0.25, 0.1)
GOODNESS_BETS = len(BETTER) + len(BELOW)
PROVEN_GOOD = -log(BETA)
HOPELESS = 1000.0


def fresh_goodness() -> Wealth:
    """No evidence yet that the candidate is good."""
    return Wealth.fresh(GOODNESS_BETS)


def goodness_gains(
    candidate: Counts, baseline: Counts, limit: float | None, *, dispersion: float = 1.0
) -> tuple[float, ...]:
    """Log gains of one tick against "the candidate is bad"; without a limit only against the baseline."""
    better = ratio_gains(candidate, baseline, BETTER, null=WORSE, dispersion=dispersion)
    if limit is None:
        return (*better, *(0.0 for _ in BELOW))
    below = limit_gains(candidate, limit, tuple(limit * f for f in BELOW), dispersion=dispersion)
    return (*better, *below)


def remaining(log_e: float, needed: float, spent: timedelta) -> timedelta | None:
    """How long until evidence that has grown to `log_e` in the time spent reaches what is needed, at this rate.

    None where it does not grow, or so slowly that it would take a thousand times as long.
    """
    if log_e <= 0 or not spent:
        return None
    factor = max(0.0, needed / log_e - 1)
    return spent * factor if factor < HOPELESS else None
