"""Counts by the minute, from sources that count what happened instead of keeping counters."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, Past, PastCounters, Reading, Span, Subject
from sentinel.domain.policy.rules import Arms
from sentinel.values import dataclass

MINUTE = 60
"""Seconds of the buckets that are counted: the finest that these sources keep of every metric."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests (`failed`: the failed ones among them) of a pod or a version, in the bucket that begins at `at`.

    `member` is the pod's or version's name, empty where the source names none; `at` is in Unix seconds.
    """

    namespace: str
    member: str
    failed: bool
    at: float
    value: float


def whole_minutes(since: datetime, until: datetime, source: str) -> tuple[int, int]:
    """The beginning of `since`'s minute and that of `until`'s, in Unix seconds.

    Both ends are cut in the same way, so that consecutive ticks count each minute once. Raises
    SourceError(NOT_SETTLED) where no whole minute lies between them.
    """
    begin, end = minute_of(since), minute_of(until)
    if end <= begin:
        message = f"{source} counts by the minute: between {since} and {until} none is complete."
        raise SourceError(message, reason=MissingReason.NOT_SETTLED)
    return begin, end


def minute_of(moment: datetime) -> int:
    """When the minute of a moment began, in Unix seconds."""
    return int(moment.timestamp()) // MINUTE * MINUTE


def spans_of(counted: Iterable[Counted], arms: Arms, begin: int, end: int) -> tuple[Span, ...]:
    """What each pod or version counted in the buckets that begin within [begin, end).

    Errors of which there is no total may be those of any other pod. What names nobody is left out otherwise.
    """
    sums: dict[tuple[str, str], dict[str, float]] = {}
    for one in counted:
        inside = one.value if begin <= one.at < end else 0.0
        values = sums.setdefault((one.namespace, one.member), {})
        key = "errors" if one.failed else "total"
        values[key] = values.get(key, 0.0) + inside
    return tuple(
        _span(arms, namespace, member, values, end)
        for (namespace, member), values in sorted(sums.items())
        if member or ("total" not in values and values["errors"])
    )


def _span(arms: Arms, namespace: str, member: str, values: dict[str, float], end: int) -> Span:
    subject = Subject(namespace, version=member) if arms.version_label else Subject(namespace, pod=member)
    reading = Reading(datetime.fromtimestamp(end, UTC), values)
    if "total" in values:
        return Span(subject, None, reading, cumulative=False)
    named = f"{namespace or 'no namespace'}/{member or 'no pod or version'}"
    detail = f"errors are counted for {named}, which has no total"
    missing = Missing(MissingReason.LABELS_DIFFER, str(subject), detail)
    return Span(subject, None, reading, missing, cumulative=False)


def pasts_of(counted: Iterable[Counted], pasts: Sequence[Past]) -> tuple[PastCounters, ...]:
    """Each past's counts of each of its pods, added up; their `step` is a multiple of a minute.

    A minute without a point counts nothing: these sources have no other way to say that there was no request.
    """
    wanted: dict[tuple[str, str], list[int]] = {}
    for number, past in enumerate(pasts):
        for pod in past.pods:
            wanted.setdefault((past.namespace, pod), []).append(number)
    grown: list[dict[tuple[str, bool], list[float]]] = [{} for _ in pasts]
    for one in counted:
        for number in wanted.get((one.namespace, one.member), ()):
            past = pasts[number]
            steps = grown[number].setdefault((one.member, one.failed), [0.0] * past.length)
            index = int(one.at - minute_of(past.since)) // int(past.step.total_seconds()) + 1
            if 0 < index < past.length:
                steps[index] += one.value
    return tuple(map(_cumulative, grown))


def _cumulative(grown: Mapping[tuple[str, bool], Sequence[float]]) -> PastCounters:
    """Of each pod its requests and its errors up to each time; nothing of one that has no requests."""
    return {
        pod: tuple(
            zip(accumulate(steps), accumulate(grown.get((pod, True), [0.0] * len(steps))), strict=True)
        )
        for (pod, failed), steps in grown.items()
        if not failed
    }
