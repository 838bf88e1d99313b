"""What can be found in how long at a given traffic: the power of the tests, worked out without simulation.

The evidence against a faulty candidate grows like a random walk with drift. Per tick, its mean and variance follow from
Poisson counts for each alternative of the grid; the time to the needed evidence at a given chance is then that of the
normal approximation, for the alternative that is fastest. The candidate is found when both proofs are there, so the
slower of the comparison with the baseline and the comparison with the limit counts.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil, inf, log, sqrt

from sentinel.engine.statistics.calibration import Restraint
from sentinel.engine.statistics.e_process import LATE, LIMIT_FACTORS, RATIOS, rates_above
from sentinel.values import dataclass

MEDIAN = 0.0
NINE_OF_TEN = 1.2816
"""Standard normal quantiles."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """A service's traffic: requests per second over both arms, the healthy share of errors, the candidate's share of
    the requests, and the dispersion φ of its errors."""

    rps: float
    base: float
    weight: float
    dispersion: float = 1.0


@dataclass(frozen=True, slots=True)
class Power:
    """How fast a candidate with this share of errors is found: half of the time, and nine times in ten, within; None
    where it is not proven at all."""

    rate: float
    half: timedelta | None
    most: timedelta | None


def power(
    traffic: Traffic,
    rate: float,
    *,
    limit: float,
    alpha: float = 0.01,
    interval: timedelta = timedelta(seconds=15),
) -> Power:
    """The time to find a candidate whose share of errors is `rate`.

    Raises ValueError where a number is out of its range.
    """
    _check(traffic, rate, limit, alpha)
    growths = (
        _against_baseline(traffic, rate, interval),
        _against_limit(traffic, rate, limit, interval),
    )
    half, most = (max(_time(each, alpha, chance) for each in growths) for chance in (MEDIAN, NINE_OF_TEN))
    return Power(rate, _in_time(half, interval), _in_time(most, interval))


def time_to_requests(traffic: Traffic, requests: int) -> timedelta:
    """How long the candidate needs for so many requests: no step passes before `minRequests` are seen."""
    return timedelta(seconds=requests / (traffic.rps * traffic.weight))


def _check(traffic: Traffic, rate: float, limit: float, alpha: float) -> None:
    shares = {"base": traffic.base, "weight": traffic.weight, "rate": rate, "limit": limit, "alpha": alpha}
    for name, value in shares.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {value:g}")
    if traffic.rps <= 0 or traffic.dispersion < 1:
        raise ValueError("the traffic must be over 0 requests per second, its dispersion at least 1")


Growth = tuple[float, float]
"""Mean and variance of the log gain of one tick."""


def _against_baseline(traffic: Traffic, rate: float, interval: timedelta) -> Sequence[Growth]:
    requests = traffic.rps * interval.total_seconds()
    ours, theirs = requests * traffic.weight * rate, requests * (1 - traffic.weight) * traffic.base
    growths = []
    for ratio in RATIOS:
        common = log(ratio * traffic.weight + 1 - traffic.weight)
        own = log(ratio) - common
        mean, variance = ours * own - theirs * common, ours * own**2 + theirs * common**2
        growths.append(_scaled(mean, variance, traffic.dispersion, traffic.dispersion))
    return growths


def _against_limit(traffic: Traffic, rate: float, limit: float, interval: timedelta) -> Sequence[Growth]:
    requests = traffic.rps * interval.total_seconds() * traffic.weight
    clusters = Restraint(traffic.dispersion).mean_cluster
    growths = []
    for alternative in rates_above(limit, LIMIT_FACTORS):
        bad, good = log(alternative / limit), log((1 - alternative) / (1 - limit))
        mean = requests * (rate * bad + (1 - rate) * good)
        variance = requests * rate * (1 - rate) * (bad - good) ** 2
        growths.append(_scaled(mean, variance, clusters, traffic.dispersion))
    return growths


def _scaled(mean: float, variance: float, divisor: float, dispersion: float) -> Growth:
    """Log gains divided for clusters, which make the variance φ times what independent errors would have."""
    return mean / divisor, variance * dispersion / divisor**2


def _time(growths: Sequence[Growth], alpha: float, quantile: float) -> float:
    """Ticks until the evidence is there, for the alternative that gets there first.

    Spreading the stake costs at most ln of the grid's size; neighbours on the grid win together, so half of it.
    """
    needed = log(1 / alpha) + log(len(growths)) / 2 - log(1 - LATE)
    return min(_first_passage(mean, variance, needed, quantile) for mean, variance in growths)


def _first_passage(mean: float, variance: float, needed: float, quantile: float) -> float:
    """Ticks t at which mean·t − quantile·√(variance·t) reaches what is needed."""
    if mean <= 0:
        return inf
    spread = quantile * sqrt(variance)
    return ((spread + sqrt(spread**2 + 4 * mean * needed)) / (2 * mean)) ** 2


def _in_time(ticks: float, interval: timedelta) -> timedelta | None:
    return None if ticks == inf else max(1, ceil(ticks)) * interval
