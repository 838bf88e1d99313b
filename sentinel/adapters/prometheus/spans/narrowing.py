"""Asks about the pods of the rollouts in flight alone, where a selector finds those of many others besides.

A cluster has thousands of pods with the same counters; an answer for all of them takes 100 ms of CPU to read. Those in
flight are named one by one: a server looks such names up, while it would try a prefix on every name that it has.
"""

from dataclasses import field
from datetime import datetime, timedelta
from typing import TypeVar

from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.spans.buckets import HistogramSeries
from sentinel.adapters.prometheus.spans.questions import InstantQueries, by_subject
from sentinel.blocking import SharedAnswers
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.policy.rules import CountQuery, HistogramQuery
from sentinel.engine.arms.variables import alternation
from sentinel.values import dataclass, replace

LOOKED_EVERY = timedelta(minutes=2)
TIMES, BESIDES = 4, 100
"""So many times as many pods as are wanted, and so many more: with fewer, narrowing saves less than it costs."""
LONGEST, LONGEST_METRICSQL = 20_000, 6_000
"""Characters that the pods' names may take: VictoriaMetrics takes queries of 16 KiB, with a selector up to twice."""
WIDE_AFTER_REFUSAL = timedelta(minutes=10)
REMEMBERED = 200

Query = TypeVar("Query", bound=CountQuery | HistogramQuery)


@dataclass(slots=True)
class Narrowing:
    """Decides about which pods a query is asked.

    Errors or sums that name other pods than the requests do, only an answer about all shows. While there are any,
    nothing is narrowed.
    """

    client: InstantQueries
    _found: SharedAnswers[tuple[CountQuery | HistogramQuery, int], int] = field(
        default_factory=lambda: SharedAnswers(capacity=REMEMBERED, keep=2 * LOOKED_EVERY.total_seconds())
    )
    _wide_until: BoundedDict[CountQuery | HistogramQuery, datetime] = field(
        default_factory=lambda: BoundedDict(REMEMBERED)
    )

    async def of(self, query: Query, at: datetime) -> Query:
        """The query about its pods, or about all where that saves too little or would hide something."""
        if not query.pods:
            return query
        wide = about_all(query)
        try:
            narrow = await self._fits(query) and await self._saves(query, wide, at)
            # A counter of errors may begin at any time, under other labels than the requests.
            hides = narrow and isinstance(query, CountQuery) and await self._astray(query, at)
        except (SourceError, ValueError):  # the question itself will tell
            return wide
        return query if narrow and not hides else wide

    async def named(self, query: Query, at: datetime) -> Query:
        """The query about its pods, wherever their names can be asked for: others, of what they are, would disturb."""
        wide = about_all(query)
        refused = at < self._wide_until.get(wide, at)
        return query if query.pods and not refused and await self._fits(query) else wide

    def without(self, query: Query, error: SourceError, at: datetime) -> Query | None:
        """The query about all pods, where their names may be what is refused; None where they cannot be."""
        if not query.pods or error.reason not in {MissingReason.BAD_QUERY, MissingReason.SOURCE_REFUSED}:
            return None
        wide = about_all(query)
        self._wide_until[wide] = at + WIDE_AFTER_REFUSAL
        return wide

    async def _fits(self, query: CountQuery | HistogramQuery) -> bool:
        metricsql = (await self.client.backend()).metricsql
        return len(alternation(query.pods)) <= (LONGEST_METRICSQL if metricsql else LONGEST)

    async def _saves(
        self, query: CountQuery | HistogramQuery, wide: CountQuery | HistogramQuery, at: datetime
    ) -> bool:
        if at < self._wide_until.get(wide, at):
            return False
        period = int(at.timestamp() // LOOKED_EVERY.total_seconds())
        found = await self._found.get((wide, period), lambda: self._look(wide, at))
        return found >= max(TIMES * len(query.pods), len(query.pods) + BESIDES)

    async def _look(self, query: CountQuery | HistogramQuery, at: datetime) -> int:
        """How many pods a query finds; 0 where narrowing it would hide something, and where they are few."""
        by = by_subject(query.arms)
        for selector in await self._selectors(query):
            counted = await self.client.instant(f"count(count by ({by}) ({selector}))", at)
            pods = round(sum(sample.value for sample in counted.samples))
            if pods > BESIDES:
                return 0 if await self._astray(query, at) else pods
        return 0

    async def _selectors(self, query: CountQuery | HistogramQuery) -> tuple[str, ...]:
        """The selectors one of which finds a series of each pod."""
        if isinstance(query, CountQuery):
            return (query.total,)
        series = HistogramSeries.of(query.histogram)
        return (series.count,) if (await self.client.backend()).metricsql else (series.count, series.native)

    async def _astray(self, query: CountQuery | HistogramQuery, at: datetime) -> bool:
        """Whether something counts under labels that the requests do not have."""
        fresh, by = (await self.client.backend()).fresh, by_subject(query.arms)
        beside: tuple[str, ...]
        whole: tuple[str, ...]
        if isinstance(query, HistogramQuery):
            series = HistogramSeries.of(query.histogram)
            # Sums and counts of summaries are nobody's who has a histogram.
            summaries = selectors.narrowed(series.native, ("quantile", "!=", ""))
            whole, beside = (series.bucket, summaries), (series.sum, series.count)
        elif selectors.restricts(query.errors, query.total):
            return False
        else:
            whole, beside = (query.total,), (query.errors,)
        counted = " or ".join(f"sum by ({by}) ({fresh(each, at)})" for each in beside)
        known = "".join(f" unless sum by ({by}) ({fresh(each, at)})" for each in whole)
        apart = f"count(({counted}){known})"
        return bool((await self.client.instant(apart, at)).samples)


def about_all(query: Query) -> Query:
    """The query about all pods that it finds."""
    return replace(query, pods=()) if query.pods else query
