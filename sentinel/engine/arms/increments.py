"""From readings of counters to what each arm counted in a tick: whole-number differences per pod (`growth`).

An arm without any series is missing as a whole, and each of its pods that has no usable number by name. Errors (or a
histogram's sum and count) without a series for a pod, while other series name no pod, or a pod without a total: those
may be this pod's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from sentinel.domain.evidence import (
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    Missing,
    MissingReason,
    PodStart,
    Span,
    Subject,
    as_histogram,
)
from sentinel.domain.policy.rules import Arms
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.arms.growth import counts_of, histogram_of
from sentinel.engine.arms.split import BASELINE, CANDIDATE, Member, Split, split_arms
from sentinel.values import dataclass, replace

_Number = TypeVar("_Number", Counts, Histogram)


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
    tallies = _tally(split, spans, workload.key.namespace, lambda s, m: counts_of(s, m, since, until))
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
    tallies = _tally(split, spans, workload.key.namespace, lambda s, m: histogram_of(s, m, since, until))
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
    if len(_forms(spans)) < 2:
        return spans
    names = {member.name for members in split.members.values() for member in members}
    own = [span for span in spans if _is_of(span.subject, namespace) and str(span.subject) in names]
    forms = sorted(_forms(own))
    if len(forms) < 2:
        return spans
    detail = f"some of these histograms are {' and some '.join(forms)}: their buckets are not compared"
    mixed = (
        replace(span, missing=Missing(MissingReason.MIXED_FORMS, str(span.subject), detail)) for span in own
    )
    return (*(span for span in spans if span not in own), *mixed)


def _forms(spans: Sequence[Span]) -> set[str]:
    """The forms in which these histograms are kept."""
    return {reading.form for span in spans for reading in (span.before, span.after) if reading} - {""}


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
