"""Finds out how far the series of a query have come, of a source that gets samples late."""

import asyncio
from datetime import datetime

from sentinel.adapters.prometheus.late.batches import LOOK_EACH, Batches
from sentinel.adapters.prometheus.late.lag import Lag
from sentinel.adapters.prometheus.refusing import checked
from sentinel.adapters.prometheus.scrapes import Scrapes
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.spans.buckets import HistogramSeries
from sentinel.adapters.prometheus.spans.narrowing import Narrowing, about_all
from sentinel.adapters.prometheus.spans.questions import InstantQueries
from sentinel.blocking import SharedAnswers
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Extent
from sentinel.domain.policy.rules import CountQuery, HistogramQuery

REMEMBERED_EXTENTS = 2_000
REMEMBERED_SECONDS = 5.0


class LateSamples:
    """Implements `ports.Extents`: rollouts that share a query share its extent.

    It is that of the query's pods, as a pod elsewhere that died without a word would hold all up. Until they have
    samples, and where targets are scraped at different intervals, it is that of all.
    """

    def __init__(self, client: InstantQueries, scrapes: Scrapes, lag: Lag, narrowing: Narrowing) -> None:
        self._client = client
        self._scrapes = scrapes
        self._lag = lag
        self._narrowing = narrowing
        self._batches = Batches(lag)
        self._shared: SharedAnswers[tuple[CountQuery | HistogramQuery, int], Extent] = SharedAnswers(
            capacity=REMEMBERED_EXTENTS, keep=REMEMBERED_SECONDS
        )

    async def extent(self, query: CountQuery | HistogramQuery, at: datetime) -> Extent:
        """Up to when all series of a query have come, those that still live. Raises SourceError."""
        moment = int(at.timestamp() / LOOK_EACH)
        return await self._shared.get((query, moment), lambda: self._ask(query, at))

    async def _ask(self, query: CountQuery | HistogramQuery, at: datetime) -> Extent:
        backend = await self._client.backend()
        self._lag.known(backend.settle)
        if not self._lag.late:
            return Extent(at, at)
        wide = about_all(query)
        native = not backend.metricsql
        (first, *_) = checked(lambda: series_of(wide, native=native))
        await self._scrapes.learn(first, at)
        pace = self._scrapes.pace(first)
        named = wide if pace.of_jobs else await self._narrowing.named(query, at)
        reached = await self._reached_by(named, wide, pace.seconds, at)
        return self._batches.extent(wide, reached, at, pace.seconds, known=pace.known)

    async def _reached_by(
        self,
        named: CountQuery | HistogramQuery,
        wide: CountQuery | HistogramQuery,
        every: float,
        at: datetime,
    ) -> float | None:
        """The oldest of the newest samples of a query's pods; of all where these have none, or are refused."""
        try:
            reached = await self._reached(named, every, at)
        except SourceError as error:
            if self._narrowing.without(named, error, at) is None:
                raise
            reached = None
        return await self._reached(wide, every, at) if reached is None and named.pods else reached

    async def _reached(self, query: CountQuery | HistogramQuery, every: float, at: datetime) -> float | None:
        backend, waits_for = await self._client.backend(), self._batches.waits_for(every)
        series = series_of(query, native=not backend.metricsql)
        of_pods = (selectors.of_pods(each, query.arms.pod_label, query.pods) for each in series)
        stamps = [backend.stamps(backend.fresh(selector, at)) for selector in of_pods]
        answers = await asyncio.gather(
            *(self._client.instant(f"min(({t}) >= scalar(max({t})) - {waits_for:g})", at) for t in stamps)
        )
        found = (sample.value for answer in answers for sample in answer.samples if sample.usable)
        return min(found, default=None)


def series_of(query: CountQuery | HistogramQuery, *, native: bool) -> tuple[str, ...]:
    """The selectors whose series a query's numbers are of; of histograms also `native` ones.

    Raises ValueError for what is not a selector.
    """
    if isinstance(query, HistogramQuery):
        named = HistogramSeries.of(query.histogram)
        return (named.count, named.bucket, named.native) if native else (named.count, named.bucket)
    total, errors = (str(selectors.check(text)) for text in (query.total, query.errors))
    return (total,) if selectors.restricts(errors, total) else (total, errors)
