"""From readings of counters to what each arm counted in a tick: whole-number differences per pod.

No rate is extrapolated and no first increment is missed: the difference of two readings of one counter is exact.
What makes a difference unusable is said by name and never becomes a number:

- A counter that went backwards: the process restarted (then it counted from zero, and its present value is the
  increment) or the source is at fault (two Prometheus servers that take turns, a series that vanished). Only a
  container start in the watch tells the two apart. It may lie before the tick by as much as the first reading is
  older than the tick.
- Errors (or a histogram's sum and count) without a series for a pod, while other series name no pod, or a pod without
  a total: those may be this pod's.
- A first reading from before the pod was made is of another pod, which had its name: the pod counts from zero.
- A counter without a first reading: it counts from zero if the process is younger than the tick, or if the same
  pod was observed before and only this series is new (the first error); else its past is unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from math import inf, isfinite
from typing import Generic, TypeVar

from sentinel.domain.evidence import (
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    Missing,
    MissingReason,
    PodStart,
    Reading,
    Span,
    Subject,
    as_histogram,
)
from sentinel.domain.policy.rules import Arms
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.arms.split import BASELINE, CANDIDATE, Member, Split, split_arms
from sentinel.values import dataclass

STAMP_RESOLUTION = timedelta(seconds=1)
"""Kubernetes cuts the times in a pod's status to whole seconds."""

_NO_BOUNDS = ("sum", "count")

_ROUNDING = 1e-6
"""Seconds by which a sum of latencies may fall through rounding alone."""

_Number = TypeVar("_Number", Counts, Histogram)
_Values = Mapping[str, float]


def count_tick(
    spans: Sequence[Span],
    workload: Workload,
    candidate: Revision,
    baseline: Revision | None,
    since: datetime,
    until: datetime,
    *,
    warmup: timedelta,
    arms: Arms,
) -> CountTick:
    """What both arms counted between `since` and `until`.

    `baseline` is the stable revision; pods of any other revision belong to no arm. An arm without a usable number
    has zero counts and its reasons in `missing`; the tick's `baseline` is None only where no stable pod is left.
    """
    split = split_arms(workload, candidate, baseline, since, warmup, arms)
    tallies = _tally(split, spans, workload.key.namespace, lambda s, m: _counts(s, m, since, until))
    young = {name: as_histogram(counts) for name, counts in tallies.young.items()}
    return CountTick(
        since,
        until,
        sum(tallies.found[CANDIDATE].values(), Counts()),
        sum(tallies.found[BASELINE].values(), Counts()) if split.concurrent else None,
        {**tallies.found[CANDIDATE], **tallies.found[BASELINE]},
        (*split.missing, *tallies.missing),
        _starts(split, young, since, until),
    )


def histogram_tick(
    spans: Sequence[Span],
    workload: Workload,
    candidate: Revision,
    baseline: Revision | None,
    since: datetime,
    until: datetime,
    *,
    warmup: timedelta,
    arms: Arms,
) -> HistogramTick:
    """Both arms' latencies between `since` and `until`; arms and missing evidence as in `count_tick`."""
    split = split_arms(workload, candidate, baseline, since, warmup, arms)
    spans = _of_one_form(spans, split, workload.key.namespace)
    tallies = _tally(split, spans, workload.key.namespace, lambda s, m: _histogram(s, m, since, until))
    return HistogramTick(
        since,
        until,
        sum(tallies.found[CANDIDATE].values(), Histogram()),
        sum(tallies.found[BASELINE].values(), Histogram()) if split.concurrent else None,
        (*split.missing, *tallies.missing),
        _starts(split, tallies.young, since, until),
    )


def _of_one_form(spans: Sequence[Span], split: Split, namespace: str) -> Sequence[Span]:
    """The spans; all of the arms' are missing where their histograms, or one's at two times, are kept in two forms."""
    names = {member.name for members in split.members.values() for member in members}
    own = [span for span in spans if _is_of(span.subject, namespace) and str(span.subject) in names]
    forms = sorted({r.form for span in own for r in (span.before, span.after) if r is not None and r.form})
    if len(forms) < 2:
        return spans
    detail = f"some of these histograms are {' and some '.join(forms)}: their buckets are not compared"
    mixed = (
        replace(span, missing=Missing(MissingReason.MIXED_FORMS, str(span.subject), detail)) for span in own
    )
    return (*(span for span in spans if span not in own), *mixed)


@dataclass(frozen=True, slots=True)
class _Tallies(Generic[_Number]):
    """The numbers of both arms' members and of the young ones by name, and what the arms lack."""

    found: dict[str, dict[str, _Number]] = field(default_factory=lambda: {CANDIDATE: {}, BASELINE: {}})
    missing: list[Missing] = field(default_factory=list)
    young: dict[str, _Number] = field(default_factory=dict)


def _tally(
    split: Split,
    spans: Sequence[Span],
    namespace: str,
    measure: Callable[[Span, Member], _Number | Missing],
) -> _Tallies[_Number]:
    """Each member's number. An arm of which nothing at all was said is missing as a whole."""
    by_name: dict[str, list[Span]] = {}
    for span in spans:
        if _is_of(span.subject, namespace):
            by_name.setdefault(str(span.subject), []).append(span)
    strays = _Strays.among(by_name, spans, namespace, split)
    tallies: _Tallies[_Number] = _Tallies()

    def number_of(member: Member) -> _Number | Missing:
        own = by_name.get(member.name, [])
        return strays.claim(own, member) or _number(own, member, measure)

    for arm, members in split.members.items():
        if members and not any(member.name in by_name for member in members):
            tallies.missing.append(Missing(MissingReason.NO_DATA, arm, "the source has no series for it"))
            continue
        for member in members:
            number = number_of(member)
            if isinstance(number, Missing):
                tallies.missing.append(number)
            else:
                tallies.found[arm][member.name] = number
    for member in split.young:
        number = tallies.found[CANDIDATE].get(member.name) or number_of(member)
        if not isinstance(number, Missing):
            tallies.young[member.name] = number
    return tallies


def _starts(
    split: Split, young: Mapping[str, Histogram], since: datetime, until: datetime
) -> tuple[PodStart, ...]:
    """What each young pod did, by its age; one that was not ready yet when the tick ended is not among them."""
    warm = {member.name for member in split.members[CANDIDATE]}
    found = []
    for member in split.young:
        ready = member.pods[0].ready_since
        if ready is not None and ready < until and member.name in young:
            begin, end = ((at - ready).total_seconds() for at in (max(since, ready), until))
            found.append(PodStart(member.name, begin, end, young[member.name], member.name not in warm))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Strays:
    """Counts of the namespace that belong to no total, and which counters name any member of the arms."""

    spans: Sequence[Span]
    named: frozenset[str]

    @classmethod
    def among(
        cls, by_name: Mapping[str, list[Span]], spans: Sequence[Span], namespace: str, split: Split
    ) -> "_Strays":
        """The strays of these spans. One that says no namespace may be of any."""
        strays = [span for span in spans if span.stray and span.subject.namespace in (namespace, "")]
        if not strays:
            return cls((), frozenset())
        arms = (*split.members.values(), split.young)
        members = (member.name for members in arms for member in members)
        own = (span.after for name in members for span in by_name.get(name, ()) if not span.stray)
        return cls(strays, frozenset(key for after in own if after is not None for key in after.values))

    def claim(self, own: Sequence[Span], member: Member) -> Missing | None:
        """Why a member's number may lack something: a counter of which it has no series, while there is a stray one.

        Where the counter names a member of the arms, its labels are right, and only a series that names nobody may
        be this member's: one that names another pod is that pod's.
        """
        if not self.spans:
            return None
        have = {key for span in own if span.after is not None for key in span.after.values}
        for stray in self.spans if have else ():
            counted = stray.after.values if stray.after is not None else {}
            for counter in counted.keys() - have:
                if not str(stray.subject) or counter not in self.named:
                    detail = stray.missing.detail if stray.missing is not None else ""
                    return Missing(MissingReason.LABELS_DIFFER, member.name, detail)
        return None


def _is_of(subject: Subject, namespace: str) -> bool:
    """Whether a subject is of the namespace; a version's may be unsaid, then the query was for one namespace."""
    return subject.namespace == namespace or (not subject.namespace and bool(subject.version))


def _number(
    spans: Sequence[Span], member: Member, measure: Callable[[Span, Member], _Number | Missing]
) -> _Number | Missing:
    if not spans:
        return Missing(MissingReason.NO_DATA, member.name)
    if len(spans) > 1:
        return Missing(MissingReason.DUPLICATE_SERIES, member.name)
    if spans[0].missing is not None:
        return Missing(spans[0].missing.reason, member.name, spans[0].missing.detail)
    return measure(spans[0], member)


def _counts(span: Span, member: Member, since: datetime, until: datetime) -> Counts | Missing:
    grown = _growth(_cleared(span, lambda values: "total" in values), member, since, until)
    if isinstance(grown, Missing):
        return grown
    counts = Counts(round(grown["total"]), round(grown.get("errors", 0.0)))
    if counts.errors > counts.total:
        detail = f"{counts.errors} errors of {counts.total} requests"
        return Missing(MissingReason.ERRORS_OVER_TOTAL, member.name, detail)
    return counts


def _histogram(span: Span, member: Member, since: datetime, until: datetime) -> Histogram | Missing:
    span = _at_common_bounds(_cleared(span, lambda values: any(key not in _NO_BOUNDS for key in values)))
    grown = _growth(span, member, since, until)
    if isinstance(grown, Missing):
        return grown
    buckets = _bounds(grown)
    if inf not in buckets and "count" in grown:
        buckets[inf] = grown["count"]
    if inf not in buckets:
        return Missing(MissingReason.NO_DATA, member.name, "the histogram has no +Inf bucket")
    bounds = tuple(sorted(buckets))
    cumulative = [round(buckets[bound]) for bound in bounds]
    counts = tuple(n - below for n, below in zip(cumulative, [0, *cumulative], strict=False))
    if any(n < 0 for n in counts):
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


def _bounds(values: _Values) -> dict[float, float]:
    return {float(key): n for key, n in values.items() if key not in _NO_BOUNDS}


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
    if not all(isfinite(n) for n in (*after.values(), *before.values())):
        return Missing(MissingReason.NOT_A_NUMBER, member.name)
    if any(n < 0 for key, n in after.items() if key != "sum"):
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
    fell = {key for key, n in before.items() if _fell(n, after.get(key, 0.0))}
    read_from = min(since, span.before.observed_at) - STAMP_RESOLUTION
    if fell and member.restarted_within(read_from, until):
        return after
    if fell <= {"sum"}:
        return {key: n - before.get(key, 0.0) for key, n in after.items() if key not in fell}
    return Missing(MissingReason.WENT_BACKWARDS, member.name, "but none of its containers restarted")


def _fell(before: float, after: float) -> bool:
    """Whether a counter went backwards, by more than the rounding of a sum of floating-point numbers."""
    return after < before - 1e-9 * abs(before)
