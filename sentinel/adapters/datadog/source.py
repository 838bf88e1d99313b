"""Datadog as a source of evidence: counts of whole minutes that have settled."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import accumulate
from typing import NoReturn, Protocol

from sentinel.adapters.datadog.client import Answer, TaggedSeries
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import (
    Missing,
    MissingReason,
    Past,
    PastCounters,
    Reading,
    Span,
    Subject,
    ValueSample,
)
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery, ValueQuery

INTERVAL = 60
"""Seconds of the buckets that are counted: the finest that Datadog keeps of every metric."""

VALUE_WINDOW = 300
"""How many seconds back a free query's newest point may lie."""

_CORE = re.compile(r"sum:[A-Za-z][\w.]*\{[^{}]*\}")
_GROUPED = re.compile(r"\bby\s*\{")
_DEFAULT = Arms()


class DatadogQueries(Protocol):
    """Who is asked: Datadog over HTTP, or counts in memory. Raises SourceError."""

    async def query(self, query: str, since: int, until: int) -> Answer:
        """The series of a query between two Unix times in seconds."""
        ...


class DatadogSource:
    """Implements `ports.MetricSource`.

    `settle`: seconds that Datadog takes until a count no longer changes. `namespace_tag` and `pod_tag` are the
    tags by which it names namespace and pod; a rule's `namespaceLabel` and `podLabel` go before them.
    """

    name = "datadog"
    min_interval = float(INTERVAL)

    def __init__(
        self,
        client: DatadogQueries,
        *,
        settle: float = 90.0,
        namespace_tag: str = "kube_namespace",
        pod_tag: str = "pod_name",
    ) -> None:
        self._client = client
        self._settle = settle
        self._namespace_tag = namespace_tag
        self._pod_tag = pod_tag

    @property
    def settle(self) -> float:
        """Seconds that evidence stays behind the clock."""
        return self._settle

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """What every pod or version counted in the whole minutes from `since`'s to before `until`'s.

        Both ends are cut to the minute in the same way, so that consecutive ticks count each minute once.
        Raises SourceError(NOT_SETTLED) where no whole minute lies between them.
        """
        begin, end = _minute(since), _minute(until)
        if end <= begin:
            message = f"Datadog counts by the minute: between {since} and {until} none is complete."
            raise SourceError(message, reason=MissingReason.NOT_SETTLED)
        place, tag = self._place_tag(query.arms), self._arm_tag(query.arms)
        both = ",".join(self._counted(core, place, tag) for core in (query.total, query.errors))
        answer = await self._client.query(both, begin, end)
        _require_minutes(answer)
        totals = _sums((s for s in answer if s.query == 0), (place, tag), begin, end)
        errors = _sums((s for s in answer if s.query == 1), (place, tag), begin, end)
        spans = []
        for key in sorted(totals.keys() | errors.keys()):
            subject = _subject(query.arms, *key)
            if str(subject) or (key not in totals and errors[key]):
                spans.append(_span(subject, totals.get(key), errors.get(key), end))
        return tuple(spans)

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> NoReturn:
        """Refused: Datadog's distributions are sketches without buckets, so nothing can be counted over a limit.

        An average and a count would give a mean, but not the spread that a proof about a mean needs.
        """
        raise SourceError(
            f"Datadog does not keep histogram buckets, so {query.histogram!r} cannot be judged as latency: use a "
            "query rule on it, such as p99:trace.http.request{...} with the condition value > 1.0.",
            reason=MissingReason.BAD_QUERY,
        )

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """The newest point of each series within the last five minutes. Raises SourceError."""
        until = int(at.timestamp())
        answer = await self._client.query(query.expression, until - VALUE_WINDOW, until)
        newest = [series.points[-1][1] for series in answer if series.points]
        return ValueSample(
            at, tuple(newest), scalar=not _GROUPED.search(query.expression) and len(newest) == 1
        )

    async def history(self, query: CountQuery | HistogramQuery, past: Past) -> PastCounters:
        """Each pod's counts of whole minutes, added up; `past.step` is a multiple of a minute. Raises SourceError.

        A minute without a point counts nothing: Datadog has no other way to say that there was no request.
        """
        if isinstance(query, HistogramQuery):
            return {}
        place, tag = self._place_tag(query.arms), self._arm_tag(query.arms)
        both = ",".join(self._counted(core, place, tag) for core in (query.total, query.errors))
        answer = await self._client.query(both, _minute(past.since), _minute(past.until))
        _require_minutes(answer)
        places = {(past.namespace, pod): pod for pod in past.pods}
        grown: dict[tuple[str, int], list[float]] = {}
        for one in answer:
            pod = places.get((one.tags.get(place, ""), one.tags.get(tag, "")))
            if pod is not None:
                steps = grown.setdefault((pod, one.query), [0.0] * past.length)
                for at, value in one.points:
                    index = int(at - _minute(past.since)) // int(past.step.total_seconds()) + 1
                    if 0 < index < past.length:
                        steps[index] += value
        return {
            pod: tuple(
                zip(accumulate(steps), accumulate(grown.get((pod, 1), [0.0] * past.length)), strict=True)
            )
            for (pod, number), steps in grown.items()
            if number == 0
        }

    def _arm_tag(self, arms: Arms) -> str:
        if arms.version_label:
            return arms.version_label
        return self._pod_tag if arms.pod_label == _DEFAULT.pod_label else arms.pod_label

    def _place_tag(self, arms: Arms) -> str:
        named = arms.namespace_label
        return self._namespace_tag if named == _DEFAULT.namespace_label else named

    def _counted(self, core: str, place: str, tag: str) -> str:
        if not _CORE.fullmatch(core.strip()):
            raise SourceError(
                f"{core!r} is not the core of a Datadog count: write sum:<metric>{{<filters>}}, such as "
                "sum:trace.http.request.hits{env:prod}; grouping and as_count are added.",
                reason=MissingReason.BAD_QUERY,
            )
        return f"{core.strip()} by {{{place},{tag}}}.as_count().rollup(sum, {INTERVAL})"


def _sums(
    series: Iterable[TaggedSeries], tags: tuple[str, str], begin: int, end: int
) -> dict[tuple[str, str], float]:
    """The counts of the buckets that start within [begin, end), by both tags' values (empty without)."""
    sums: dict[tuple[str, str], float] = {}
    for one in series:
        place, member = (_told(one.tags.get(tag, "")) for tag in tags)
        inside = sum(value for at, value in one.points if begin <= at < end)
        sums[place, member] = sums.get((place, member), 0.0) + inside
    return sums


def _told(value: str) -> str:
    """A tag's value; Datadog groups what lacks the tag as N/A."""
    return "" if value == "N/A" else value


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // INTERVAL * INTERVAL


def _subject(arms: Arms, namespace: str, member: str) -> Subject:
    return Subject(namespace, version=member) if arms.version_label else Subject(namespace, pod=member)


def _span(subject: Subject, total: float | None, errors: float | None, end: int) -> Span:
    """Errors of which there is no total may be those of any other pod."""
    counted = {name: n for name, n in (("total", total), ("errors", errors)) if n is not None}
    reading = Reading(datetime.fromtimestamp(end, UTC), counted)
    if total is not None:
        return Span(subject, None, reading, cumulative=False)
    detail = f"errors are counted for {_named(subject)}, which has no total"
    return Span(
        subject, None, reading, Missing(MissingReason.LABELS_DIFFER, str(subject), detail), cumulative=False
    )


def _named(subject: Subject) -> str:
    return f"{subject.namespace or 'no namespace'}/{subject or 'no pod or version'}"


def _require_minutes(answer: Iterable[TaggedSeries]) -> None:
    """Refuse counts in coarser buckets (long ranges are thinned out): their edges are not the tick's."""
    coarse = next((series.interval for series in answer if series.interval not in {0, INTERVAL}), None)
    if coarse is not None:
        message = (
            f"Datadog answers in buckets of {coarse} s, not {INTERVAL} s: the range is too long to count."
        )
        raise SourceError(message, reason=MissingReason.NO_DATA)
