"""Datadog as a source of evidence: counts of whole minutes that have settled."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NoReturn, Protocol

from sentinel.adapters.datadog.client import Answer, TaggedSeries
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters, Span, ValueSample
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery, ValueQuery
from sentinel.minutes import MINUTE, Counted, minute_of, pasts_of, spans_of, whole_minutes

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
    min_interval = float(MINUTE)
    extents = None

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

        Raises SourceError(NOT_SETTLED) where no whole minute lies between them.
        """
        begin, end = whole_minutes(since, until, "Datadog")
        return spans_of(await self._ask(query, begin, end), query.arms, begin, end)

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
        return ValueSample.of(at, newest, scalar=not _GROUPED.search(query.expression) and len(newest) == 1)

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> tuple[PastCounters, ...]:
        """Each pod's counts of whole minutes, added up. Raises SourceError."""
        if isinstance(query, HistogramQuery):
            return tuple([{} for _ in pasts])
        begin, end = min(past.since for past in pasts), max(past.until for past in pasts)
        return pasts_of(await self._ask(query, minute_of(begin), minute_of(end)), pasts)

    async def _ask(self, query: CountQuery, begin: int, end: int) -> Iterable[Counted]:
        place, tag = self._place_tag(query.arms), self._arm_tag(query.arms)
        both = ",".join(self._counted(core, place, tag) for core in (query.total, query.errors))
        answer = await self._client.query(both, begin, end)
        _require_minutes(answer)
        return _counted_in(answer, place, tag)

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
        return f"{core.strip()} by {{{place},{tag}}}.as_count().rollup(sum, {MINUTE})"


def _counted_in(answer: Iterable[TaggedSeries], place: str, tag: str) -> Iterator[Counted]:
    for one in answer:
        namespace, member = (_told(one.tags.get(name, "")) for name in (place, tag))
        for at, value in one.points:
            yield Counted(namespace, member, one.query == 1, at, value)


def _told(value: str) -> str:
    """A tag's value; Datadog groups what lacks the tag as N/A."""
    return "" if value == "N/A" else value


def _require_minutes(answer: Iterable[TaggedSeries]) -> None:
    """Refuse counts in coarser buckets (long ranges are thinned out): their edges are not the tick's."""
    coarse = next((series.interval for series in answer if series.interval not in {0, MINUTE}), None)
    if coarse is not None:
        message = f"Datadog answers in buckets of {coarse} s, not {MINUTE} s: the range is too long to count."
        raise SourceError(message, reason=MissingReason.NO_DATA)
