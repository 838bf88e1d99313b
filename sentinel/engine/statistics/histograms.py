"""Latency histograms as counts: which bucket edges to compare at, and bets on tails and on the mean.

A quantile is over a bound exactly when more than 1 − q of the requests lie above it, so at a bucket's edge latency is
a count of "errors", and what holds for errors holds for it. Between edges nothing can be tested exactly.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import inf, isinf, log

from sentinel.domain.evidence import Counts, Histogram

LEAST_TAIL = 0.002
MOST_TAIL = 0.7
MAX_EDGES = 4


def limit_edge(bounds: Sequence[float], limit: float) -> float | None:
    """The smallest bucket bound at or over the limit; None where all that is over it falls into the last bucket.

    A quantile proven over this edge is over the limit too; between the two nothing can be proven.
    """
    index = bisect_left(bounds, limit * (1 - 1e-9))
    return bounds[index] if index < len(bounds) and not isinf(bounds[index]) else None


def edges_in_use(both: Histogram, limit: float) -> tuple[float, ...]:
    """The bucket edges at which the arms are compared: the limit's, and up to three more between 0.2 % and 70 % tails.

    They are chosen by what both arms counted together. Given that, which arm each request fell into is still open,
    so that the choice does not bias the comparison.
    """
    total = both.total
    at_limit = limit_edge(both.bounds, limit)
    fixed = () if at_limit is None else (at_limit,)
    if not total:
        return fixed
    useful = [
        bound
        for bound in both.bounds
        if not isinf(bound) and bound != at_limit and LEAST_TAIL <= both.over(bound) / total <= MOST_TAIL
    ]
    room = MAX_EDGES - len(fixed)
    if len(useful) > room:
        useful = [useful[round(i * (len(useful) - 1) / (room - 1))] for i in range(room)]
    return tuple(sorted({*fixed, *useful}))


def tail(histogram: Histogram, edge: float) -> Counts:
    """The requests of a histogram, those slower than the edge as errors."""
    first = bisect_right(histogram.bounds, edge)
    slower = sum(histogram.counts[first:])
    return Counts(slower + sum(histogram.counts[:first]), slower)


def mean_gains(
    histogram: Histogram, limit: float, stakes: Sequence[float], *, dispersion: float = 1.0
) -> tuple[float, ...]:
    """Log gains of one tick against "the mean latency is at most `limit` seconds".

    Each request's latency x is bet on with 1 + λ(x − limit), λ = stake / limit, stakes in (0, 1); latencies are not
    negative, so the expected gain is at most 1 under the null, however heavy the tail. The buckets and the sum of
    the latencies do not tell each x; the gain given is the least that agrees with both, so that what is proven is
    proven wherever the requests lie within their buckets. Without a sum they are taken at their lower bounds.
    """
    placed = _least_favourable(histogram)
    gains = []
    for stake in stakes:
        scale, rest = stake / limit, 1 - stake
        gains.append(sum([weight * log(rest + scale * x) for x, weight in placed]) / dispersion)
    return tuple(gains)


def least_mean(histogram: Histogram) -> float:
    """The mean that bets are made on; where it is within a limit, none that the mean is over it wins (Jensen)."""
    return sum([weight * x for x, weight in _least_favourable(histogram)]) / histogram.total


def _least_favourable(histogram: Histogram) -> list[tuple[float, float]]:
    """Latencies, each with how many requests took so long, at which Σ ln(1 + λ(x − limit)) is least for any λ.

    The logarithm is concave: within a bucket it is least when all lies at the ends (a chord), and the excess of the
    sum over the lower bounds gains least in the highest buckets, the last of which can take all of it for nothing.
    """
    lowers = (0.0, *histogram.bounds[:-1])
    filled = [
        (lower, upper, count)
        for lower, upper, count in zip(lowers, histogram.bounds, histogram.counts, strict=True)
        if count
    ]
    excess = 0.0
    if histogram.seconds is not None and not histogram.counts[-1]:
        excess = histogram.seconds - sum([lower * count for lower, _, count in filled])
    placed: list[tuple[float, float]] = []
    for lower, upper, count in reversed(filled):
        moved = 0.0
        if excess > 0:
            moved = min(excess / (upper - lower), count)
            excess -= moved * (upper - lower)
            placed.append((upper, moved))
        placed.append((lower, count - moved))
    return placed


def estimated_mean(histogram: Histogram) -> float | None:
    """The mean in seconds: from the sum where it is known, else from the middles of the buckets."""
    if histogram.mean is not None:
        return histogram.mean
    if not histogram.total:
        return None
    lowers = (0.0, *histogram.bounds[:-1])
    middles = [
        lower if isinf(upper) else (lower + upper) / 2
        for lower, upper in zip(lowers, histogram.bounds, strict=True)
    ]
    return sum(m * n for m, n in zip(middles, histogram.counts, strict=True)) / histogram.total


def estimated_quantile(histogram: Histogram, q: float) -> float | None:
    """The quantile in seconds, by linear interpolation within its bucket (as PromQL's histogram_quantile)."""
    total = histogram.total
    if not total:
        return None
    cumulative = list(accumulate(histogram.counts))
    index = bisect_left(cumulative, q * total)
    lower = histogram.bounds[index - 1] if index else 0.0
    upper = histogram.bounds[index]
    if upper == inf:
        return lower
    below = cumulative[index - 1] if index else 0
    count = histogram.counts[index]
    return lower + (upper - lower) * (q * total - below) / count if count else lower
