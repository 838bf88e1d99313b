"""Prometheus as a source of evidence: counters of each pod at explicit times, all workloads in one query."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Protocol

from sentinel.adapters.prometheus.answers import InstantAnswer, Track, of_numbers
from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.inspection import ServerReport, inspected
from sentinel.adapters.prometheus.late.extents import LateSamples
from sentinel.adapters.prometheus.late.lag import Lag
from sentinel.adapters.prometheus.metricsql import as_promql
from sentinel.adapters.prometheus.past import counted_by, fitting, questions_of
from sentinel.adapters.prometheus.refusing import checked
from sentinel.adapters.prometheus.scrapes import USUAL, Scrapes
from sentinel.adapters.prometheus.series.podless import unattributed
from sentinel.adapters.prometheus.spans.counts import CountedSpans
from sentinel.adapters.prometheus.spans.latencies import MeasuredSpans
from sentinel.adapters.prometheus.spans.narrowing import (
    LONGEST,
    LONGEST_METRICSQL,
    Narrowing,
    Query,
    about_all,
)
from sentinel.adapters.prometheus.spans.questions import SeriesQuestions
from sentinel.blocking import SharedAnswers, in_turn, side_by_side
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, Past, PastCounters, Span, ValueSample
from sentinel.domain.policy.rules import PROMETHEUS, CountQuery, HistogramQuery, ValueQuery
from sentinel.ports import Extents

REMEMBERED_SPANS = 20_000
"""How many spans are kept for workloads that share a query within a tick."""
REMEMBERED_SECONDS = 60.0
"""How long they, and the answers that they were made of, are kept."""


class PrometheusQueries(Protocol):
    """Who is asked: a Prometheus over HTTP, or series in memory. Raises SourceError."""

    async def backend(self) -> MetricsBackend:
        """What it is, which decides how it is asked."""
        ...

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        """The answer to an instant query at one evaluation time."""
        ...

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        """The answer at equally spaced times."""
        ...

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        """The `data` of any other endpoint of the API."""
        ...


class PrometheusSource:
    """Implements `ports.MetricSource`.

    `scrape_interval` in seconds: a pod whose oldest sample is older than two of them is stale. `settle`: seconds
    to stay behind the clock, for a Prometheus that is filled with a delay (remote write). Each is learnt where it is
    None. `at_once`: the client answers at once, from memory.
    """

    def __init__(
        self,
        client: PrometheusQueries,
        *,
        name: str = PROMETHEUS,
        scrape_interval: float | None = USUAL,
        settle: float | None = None,
        at_once: bool = False,
    ) -> None:
        keep = inf if at_once else REMEMBERED_SECONDS  # a source over memory goes with what it was made for
        self._client = client
        self._name = name
        self._scrapes = Scrapes(client.instant, scrape_interval)
        self._lag = Lag(0.0 if at_once and settle is None else settle)
        narrowing = Narrowing(client)
        self._extents = LateSamples(client, self._scrapes, self._lag, narrowing)
        together = in_turn if at_once else side_by_side
        questions = SeriesQuestions(client, self._scrapes, self._lag, together)
        self._narrowing = None if at_once else narrowing
        self._counts = CountedSpans(questions, keep, at_once=at_once)
        self._latencies = MeasuredSpans(questions, keep, at_once=at_once)
        self._shared: SharedAnswers[
            tuple[CountQuery | HistogramQuery, datetime, datetime], tuple[Span, ...]
        ] = SharedAnswers(
            capacity=REMEMBERED_SPANS,
            weigh=lambda spans: len(spans) + 1,
            keep=keep,
            at_once=at_once,
        )

    @property
    def name(self) -> str:
        """`prometheus`, or `prometheus/` and the name in the settings."""
        return self._name

    @property
    def settle(self) -> float:
        """Seconds that evidence stays behind the clock."""
        return self._lag.settle

    @property
    def extents(self) -> Extents | None:
        """Who finds out up to when samples are there, where they come late; or may, until it is known who answers."""
        return self._extents if self._lag.late or self._lag.open else None

    @property
    def min_interval(self) -> float:
        """A tick shorter than a scrape interval would see nothing new."""
        return self._scrapes.shortest

    @property
    def configured_interval(self) -> float | None:
        """Seconds between two scrapes as the settings say; None where they leave it to be learnt."""
        return self._scrapes.chosen

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Totals and errors of every pod or version, at both times. Raises SourceError."""
        return await self._about(query, since, until, self._counts.spans)

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Cumulative buckets, sum and count of every pod or version, at both times. Raises SourceError."""
        return await self._about(query, since, until, self._latencies.spans)

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """The numbers of a free query; missing for a NaN, an infinity, or an arm's selector whose series name no pod.
        Raises SourceError.
        """
        answer = of_numbers(await self._client.instant(query.expression, at), query.expression)
        if (await self._client.backend()).metricsql:
            answer = as_promql(answer, query.expression)
        odd = next((sample for sample in answer.samples if not sample.usable), None)
        if odd is not None:
            missing = Missing(MissingReason.NOT_A_NUMBER, detail=f"the query returns {odd.value}")
            return ValueSample(at, missing=missing, scalar=answer.scalar)
        astray = await unattributed(query, self._client.instant, at)
        if astray is not None:
            return ValueSample(at, missing=astray, scalar=answer.scalar)
        return ValueSample(at, tuple(sample.value for sample in answer.samples), scalar=answer.scalar)

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> tuple[PastCounters, ...]:
        """Counters of each one's pods, by range queries about as many as a query can name.

        Empty where no bucket bound is near `over`. Raises SourceError.
        """
        await self._scrapes.learn(checked(lambda: counted_by(query)), max(past.until for past in pasts))
        longest = LONGEST_METRICSQL if (await self._client.backend()).metricsql else LONGEST
        found: dict[Past, PastCounters] = {}
        for named in fitting(query.arms, pasts, longest):
            for about, *texts in await questions_of(query, named, self._latencies.asking):
                total, errors = [
                    await self._client.range(text, about.since, about.until, about.step) for text in texts
                ]
                counters = await asyncio.to_thread(about.counted, total, errors)
                found.update(zip(about.parts, counters, strict=True))
        return tuple([found.get(past, {}) for past in pasts])

    async def report(self, at: datetime) -> ServerReport:
        """What the server shows of itself. Raises SourceError."""
        return await inspected(await self._client.backend(), self._client.instant, self._client.get, at)

    async def ready(self, at: datetime) -> str | None:
        """None when Prometheus answers, else a sentence on what is wrong."""
        try:
            await self._client.get("/api/v1/query", {"query": "vector(1)", "time": f"{at.timestamp():.3f}"})
        except SourceError as error:
            return str(error)
        return None

    async def _about(
        self,
        query: Query,
        since: datetime,
        until: datetime,
        ask: Callable[[Query, datetime, datetime], Awaitable[tuple[Span, ...]]],
    ) -> tuple[Span, ...]:
        """The spans of a query's pods, or of all where those of more are asked for as well."""
        query = await self._narrowing.of(query, until) if self._narrowing else about_all(query)
        try:
            return await self._shared.get((query, since, until), lambda: ask(query, since, until))
        except SourceError as error:
            wide = self._narrowing.without(query, error, until) if self._narrowing else None
            if wide is None:
                raise
        return await self._shared.get((wide, since, until), lambda: ask(wide, since, until))
