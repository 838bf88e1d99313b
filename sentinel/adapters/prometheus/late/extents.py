"""Finds out how far the series of a query have come, of a source that gets samples late."""

import asyncio
from datetime import datetime

from sentinel.adapters.prometheus.late.batches import LOOK_EACH, Batches
from sentinel.adapters.prometheus.late.lag import Lag
from sentinel.adapters.prometheus.refusing import checked
from sentinel.adapters.prometheus.scrapes import Scrapes
from sentinel.adapters.prometheus.series import selectors
from sentinel.adapters.prometheus.spans.buckets import HistogramSeries
from sentinel.adapters.prometheus.spans.questions import InstantQueries
from sentinel.blocking import SharedAnswers
from sentinel.domain.evidence import Extent
from sentinel.domain.policy.rules import CountQuery, HistogramQuery

REMEMBERED_EXTENTS = 2_000
REMEMBERED_SECONDS = 5.0


class LateSamples:
    """Implements `ports.Extents`: rollouts that share a query share its extent."""

    def __init__(self, client: InstantQueries, scrapes: Scrapes, lag: Lag) -> None:
        self._client = client
        self._scrapes = scrapes
        self._lag = lag
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
        series = checked(lambda: series_of(query, native=not backend.metricsql))
        await self._scrapes.learn(series[0], at)
        waits_for = self._batches.waits_for(self._scrapes.of(series[0]))
        stamps = [backend.stamps(backend.fresh(selector, at)) for selector in series]
        answers = await asyncio.gather(
            *(self._client.instant(f"min(({t}) >= scalar(max({t})) - {waits_for:g})", at) for t in stamps)
        )
        reached = [sample.value for answer in answers for sample in answer.samples if sample.usable]
        every, known = self._scrapes.of(series[0]), self._scrapes.known(series[0]) is not None
        return self._batches.extent(query, min(reached, default=None), at, every, known=known)


def series_of(query: CountQuery | HistogramQuery, *, native: bool) -> tuple[str, ...]:
    """The selectors whose series a query's numbers are of; of histograms also `native` ones.

    Raises ValueError for what is not a selector.
    """
    if isinstance(query, HistogramQuery):
        named = HistogramSeries.of(query.histogram)
        return (named.count, named.bucket, named.native) if native else (named.count, named.bucket)
    total, errors = (str(selectors.check(text)) for text in (query.total, query.errors))
    return (total,) if selectors.restricts(errors, total) else (total, errors)
