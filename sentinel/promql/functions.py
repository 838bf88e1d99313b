"""PromQL's functions over samples, as Prometheus 2.x computes them (`promql/functions.go`, `quantile.go`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

Samples = Sequence[tuple[int, float]]
"""Times in milliseconds and values, oldest first."""


def extrapolated(samples: Samples, start: int, end: int, *, counter: bool, per_second: bool) -> float | None:
    """`rate`, `increase` and `delta`: the change over the window, extrapolated to its ends.

    None when there are fewer than two samples.
    """
    if len(samples) < 2:
        return None
    (first_time, first), (last_time, last) = samples[0], samples[-1]
    change = last - first
    if counter:
        change += sum(before for (_, before), (_, after) in pairwise(samples) if after < before)
    sampled = (last_time - first_time) / 1000
    average = sampled / (len(samples) - 1)
    to_start, to_end = (first_time - start) / 1000, (end - last_time) / 1000
    if counter and change > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / change))
    covered = sampled
    for gap in (to_start, to_end):
        covered += gap if gap < average * 1.1 else average / 2
    factor = covered / sampled
    return change * (factor / ((end - start) / 1000) if per_second else factor)


def instant_rate(samples: Samples) -> float | None:
    """`irate`: from the last two samples; None when there are fewer."""
    if len(samples) < 2:
        return None
    (before_time, before), (time, value) = samples[-2], samples[-1]
    change = value if value < before else value - before
    return change / ((time - before_time) / 1000)


OVER_TIME: Mapping[str, Callable[[Sequence[float]], float]] = {
    "avg_over_time": lambda values: sum(values) / len(values),
    "min_over_time": min,
    "max_over_time": max,
    "sum_over_time": math.fsum,
    "count_over_time": lambda values: float(len(values)),
    "last_over_time": lambda values: values[-1],
}

MATH: Mapping[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": lambda value: value if math.isinf(value) or math.isnan(value) else float(math.ceil(value)),
    "floor": lambda value: value if math.isinf(value) or math.isnan(value) else float(math.floor(value)),
}


def quantile(q: float, values: Sequence[float]) -> float:
    """The q-quantile of values, linearly interpolated; infinite for a q outside 0 to 1."""
    if math.isnan(q):
        return math.nan
    if not 0 <= q <= 1:
        return math.copysign(math.inf, q)
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    lower = math.floor(rank)
    upper = min(lower + 1, len(ordered) - 1)
    weight = rank - lower
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def bucket_quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The q-quantile from cumulative buckets (upper bound, count), linearly interpolated.

    NaN without a +Inf bucket, with fewer than two buckets or with no observations; the highest finite bound
    when the quantile falls into the +Inf bucket.
    """
    if math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    ordered = sorted(buckets)
    if len(ordered) < 2 or not math.isinf(ordered[-1][0]):
        return math.nan
    bounds = [bound for bound, _ in ordered]
    counts = _monotonic([count for _, count in ordered])
    total = counts[-1]
    if total == 0 or math.isnan(total):
        return math.nan
    rank = q * total
    index = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    low = bounds[index - 1] if index else 0.0
    below = counts[index - 1] if index else 0.0
    return low + (bounds[index] - low) * ((rank - below) / (counts[index] - below))


def _monotonic(counts: Sequence[float]) -> list[float]:
    result: list[float] = []
    highest = -math.inf
    for count in counts:
        highest = max(highest, count)
        result.append(highest)
    return result


def divide(left: float, right: float) -> float:
    """IEEE division, as Go has it."""
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def modulo(left: float, right: float) -> float:
    """IEEE remainder with the dividend's sign, NaN for a zero divisor."""
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def power(left: float, right: float) -> float:
    """Exponentiation; NaN and infinities where Python raises."""
    try:
        result = left**right
    except ZeroDivisionError:
        return math.inf
    except OverflowError:
        return math.inf
    return math.nan if isinstance(result, complex) else result
