"""How much one pod's counters grew between two times: exact differences of whole numbers.

No rate is extrapolated and no first increment is missed: the difference of two readings of one counter is exact.
What makes a difference unusable is said by name and never becomes a number:

- A counter that went backwards: the process restarted (then it counted from zero, and its present value is the
  increment) or the source is at fault (two Prometheus servers that take turns, a series that vanished). Only a
  container start in the watch tells the two apart. It may lie before the tick by as much as the first reading is
  older than the tick.
- A first reading from before the pod was made is of another pod, which had its name: the pod counts from zero.
- A counter without a first reading: it counts from zero if the process is younger than the tick, or if the same
  pod was observed before and only this series is new (the first error); else its past is unknown.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf, isfinite
from operator import sub

from sentinel.domain.evidence import Counts, Histogram, Missing, MissingReason, Reading, Span
from sentinel.engine.arms.split import Member
from sentinel.values import replace

STAMP_RESOLUTION = timedelta(seconds=1)
"""Kubernetes cuts the times in a pod's status to whole seconds."""

_NO_BOUNDS = frozenset({"sum", "count"})

_ROUNDING = 1e-6
"""Seconds by which a sum of latencies may fall through rounding alone."""

_Values = Mapping[str, float]


def counts_of(span: Span, member: Member, since: datetime, until: datetime) -> Counts | Missing:
    """How many requests a member had, and how many of them were errors, or why that cannot be said."""
    grown = _growth(_cleared(span, lambda values: "total" in values), member, since, until)
    if isinstance(grown, Missing):
        return grown
    counts = Counts(round(grown["total"]), round(grown.get("errors", 0.0)))
    if counts.errors > counts.total:
        detail = f"{counts.errors} errors of {counts.total} requests"
        return Missing(MissingReason.ERRORS_OVER_TOTAL, member.name, detail)
    return counts


def histogram_of(span: Span, member: Member, since: datetime, until: datetime) -> Histogram | Missing:
    """A member's latencies, or why they cannot be said."""
    span = _at_common_bounds(_cleared(span, lambda values: not values.keys() <= _NO_BOUNDS))
    grown = _growth(span, member, since, until)
    if isinstance(grown, Missing):
        return grown
    bounds, counters = _buckets(tuple(grown))
    if not bounds or bounds[-1] != inf:
        return Missing(MissingReason.NO_DATA, member.name, "the histogram has no +Inf bucket")
    cumulative = [round(grown[counter]) for counter in counters]
    counts = tuple(map(sub, cumulative, (0, *cumulative)))
    if min(counts) < 0:
        detail = "a bucket counts less than the bucket below it"
        return Missing(MissingReason.WENT_BACKWARDS, member.name, detail)
    return Histogram(bounds, counts, _seconds(span, grown))


def _at_common_bounds(span: Span) -> Span:
    """The span without the bounds that only one of its readings has: what they counted in between is unknown."""
    if span.before is None or span.after is None or span.before.values.keys() == span.after.values.keys():
        return span
    apart = (span.before.values.keys() ^ span.after.values.keys()).difference(_NO_BOUNDS)
    before, after = (
        replace(reading, values={key: n for key, n in reading.values.items() if key not in apart})
        for reading in (span.before, span.after)
    )
    return replace(span, before=before, after=after)


def _seconds(span: Span, grown: _Values) -> float | None:
    """How much a histogram's sum grew; None where it is not a sum of the latencies in the buckets.

    One that was not there before has a past that the buckets do not have. Negative latencies, of a clock that was set
    back, make it fall.
    """
    if "sum" not in grown or (span.before is not None and "sum" not in span.before.values):
        return None
    return max(0.0, grown["sum"]) if grown["sum"] > -_ROUNDING else None


@lru_cache(maxsize=256)
def _buckets(counters: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The upper bounds among these counters in ascending order, and the counter of each; `count` is as good as +Inf.

    Kept, as all pods of a workload have the same ones, tick after tick.
    """
    buckets = {float(counter): counter for counter in counters if counter not in _NO_BOUNDS}
    if "count" in counters:
        buckets.setdefault(inf, "count")
    bounds = tuple(sorted(buckets))
    return bounds, tuple([buckets[bound] for bound in bounds])


def _cleared(span: Span, is_whole: Callable[[_Values], bool]) -> Span:
    """The span without readings that lack what they are about."""

    def whole(reading: Reading | None) -> Reading | None:
        return reading if reading is not None and is_whole(reading.values) else None

    before, after = whole(span.before), whole(span.after)
    if before is span.before and after is span.after:
        return span
    return Span(span.subject, before, after, cumulative=span.cumulative)


def _growth(span: Span, member: Member, since: datetime, until: datetime) -> _Values | Missing:
    """How much each counter of a span grew."""
    if span.after is None:
        return Missing(MissingReason.NO_DATA, member.name)
    after, before = span.after.values, span.before.values if span.before is not None else {}
    numbers = (*after.values(), *before.values())
    # A sum is not finite where a number is not; it may also just be too large.
    if not isfinite(sum(numbers)) and not all(map(isfinite, numbers)):
        return Missing(MissingReason.NOT_A_NUMBER, member.name)
    negative = min(after.values(), default=0.0) < 0
    if negative and any(n < 0 for key, n in after.items() if key != "sum"):
        return Missing(MissingReason.WENT_BACKWARDS, member.name, "a negative count")
    if not span.cumulative:
        return after
    if span.before is None:
        return after if member.started_after(since) else Missing(MissingReason.FIRST_SAMPLE, member.name)
    if member.made_after(span.before.observed_at):
        if member.made_after(span.after.observed_at - STAMP_RESOLUTION):
            detail = "its series are still those of the pod that had its name before"
            return Missing(MissingReason.NO_DATA, member.name, detail)
        return after
    grown = {key: n - before.get(key, 0.0) for key, n in after.items()}
    if min(grown.values(), default=0.0) >= 0 and before.keys() <= after.keys():
        return grown
    fell = {key for key, n in before.items() if _fell(n, after.get(key, 0.0))}
    read_from = min(since, span.before.observed_at) - STAMP_RESOLUTION
    if fell and member.restarted_within(read_from, until):
        return after
    if fell <= {"sum"}:
        return {key: n for key, n in grown.items() if key not in fell}
    return Missing(MissingReason.WENT_BACKWARDS, member.name, "but none of its containers restarted")


def _fell(before: float, after: float) -> bool:
    """Whether a counter went backwards, by more than the rounding of a sum of floating-point numbers."""
    return after < before - 1e-9 * abs(before)
