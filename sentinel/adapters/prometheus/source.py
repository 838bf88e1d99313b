"""Prometheus as a source of evidence: counters of each pod at explicit times, all workloads in one query."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Protocol

from sentinel.adapters.prometheus.answers import InstantAnswer, Track, joined, of_numbers, summed
from sentinel.adapters.prometheus.assembly import Answers, Assembly, as_is, bounds_in_seconds
from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.buckets import HistogramAsking, HistogramSeries
from sentinel.adapters.prometheus.histograms import HistogramAnswer, common_edges
from sentinel.adapters.prometheus.inspection import ServerReport, inspected
from sentinel.adapters.prometheus.late.extents import LateSamples
from sentinel.adapters.prometheus.late.lag import Lag
from sentinel.adapters.prometheus.metricsql import as_promql
from sentinel.adapters.prometheus.past import counted, counted_by, queries_of
from sentinel.adapters.prometheus.refusing import checked, read
from sentinel.adapters.prometheus.scrapes import USUAL, Scrapes
from sentinel.adapters.prometheus.series import selectors, strays
from sentinel.adapters.prometheus.series.podless import unattributed
from sentinel.adapters.prometheus.series.replicas import Doubles
from sentinel.blocking import SharedAnswers, computed, in_turn, side_by_side
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, Past, PastCounters, Span, ValueSample
from sentinel.domain.policy.rules import PROMETHEUS, Arms, CountQuery, HistogramQuery, ValueQuery
from sentinel.engine.arms.selector import label_name
from sentinel.ports import Extents

STALE_AFTER_INTERVALS = 2.0

MOMENT = timedelta(milliseconds=1)
"""What is asked so much later is not answered from memory, and has the same samples."""
REMEMBERED_SPANS = 20_000
"""How many spans are kept for workloads that share a query within a tick."""
REMEMBERED_SAMPLES = 50_000
"""How many samples of counts, and as many of histograms, are kept for the tick that begins where they end."""
REMEMBERED_SECONDS = 60.0
"""How long they are kept."""


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
        self._together = in_turn if at_once else side_by_side
        self._name = name
        self._scrapes = Scrapes(client.instant, scrape_interval)
        self._lag = Lag(settle)
        self._extents = LateSamples(client, self._scrapes, self._lag)
        self._doubles = Doubles(client.instant)
        self._shared: SharedAnswers[
            tuple[CountQuery | HistogramQuery, datetime, datetime], tuple[Span, ...]
        ] = SharedAnswers(
            capacity=REMEMBERED_SPANS,
            weigh=lambda spans: len(spans) + 1,
            keep=keep,
            at_once=at_once,
        )
        # A tick begins with the answers that the last one ended with; the number is 1 for what was asked again.
        self._taken: SharedAnswers[tuple[CountQuery, datetime, int], Answers] = SharedAnswers(
            capacity=REMEMBERED_SAMPLES,
            weigh=lambda answers: answers.weight,
            keep=keep,
            at_once=at_once,
        )
        self._histograms: SharedAnswers[
            tuple[HistogramQuery, datetime, int], tuple[HistogramAnswer, Answers]
        ] = SharedAnswers(
            capacity=REMEMBERED_SAMPLES,
            weigh=lambda taken: taken[1].weight,
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
        """Who finds out up to when samples are there, where they come late."""
        return self._extents if self._lag.late else None

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
        return await self._shared.get((query, since, until), lambda: self._count(query, since, until))

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Cumulative buckets, sum and count of every pod or version, at both times. Raises SourceError."""
        return await self._shared.get((query, since, until), lambda: self._measure(query, since, until))

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

    async def history(self, query: CountQuery | HistogramQuery, past: Past) -> PastCounters:
        """Counters of these pods over a longer time, by range queries; empty where no bucket bound is near `over`.

        Raises SourceError.
        """
        await self._scrapes.learn(checked(lambda: counted_by(query)), past.until)
        asked = await queries_of(query, past, self._asking)
        if asked is None:
            return {}
        total, errors = [await self._client.range(each, past.since, past.until, past.step) for each in asked]
        return await asyncio.to_thread(counted, past, query.arms.pod_label, total, errors)

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

    async def _count(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        plain = checked(lambda: (selectors.plain(query.total), selectors.plain(query.errors)))
        query = replace(query, total=plain[0], errors=plain[1])
        before, after = await self._together(
            self._taken.get((query, since, 0), partial(self._counts_at, query, since)),
            self._taken.get((query, until, 0), partial(self._counts_at, query, until)),
        )
        await self._scrapes.learn(query.total, until)
        await self._learn_lag(query.total, after.oldest, until)
        if self._lag.late and before.lacks(after, query.arms):
            ask = partial(self._counts_at, query, since + MOMENT)
            again = await self._taken.get((query, since, 1), ask)
            before = before.with_late(again, query.arms)
        # Errors that are some of the requests' own series name what the requests name.
        apart = not selectors.restricts(query.errors, query.total)
        beside = frozenset({"errors"} if apart else ())
        assembly = Assembly(query.arms, as_is, "total", beside, self._stale_after(query.total))
        totals, errors = after.counters["total"], after.counters["errors"]
        spans = await _assembled(assembly, since, before, until, after)
        spans = _counted_once(spans, await self._doubles.found(query.total, totals, query.arms, until))
        if not apart:
            return spans
        return (
            *await strays.told(spans, {"errors": query.errors}, query.arms, self._client.instant, until),
            *await strays.elsewhere(query, totals, errors, self._client.instant, until),
        )

    async def _counts_at(self, query: CountQuery, at: datetime) -> Answers:
        backend, arms = await self._client.backend(), query.arms
        total, errors_of = (backend.fresh(each, at) for each in (query.total, query.errors))
        # Errors before totals: a scrape that lands in between then makes too few errors for one tick, which the
        # next one makes good, and never more errors than requests.
        errors = await self._client.instant(f"sum by ({_subject_labels(arms)}) ({errors_of})", at)
        jobs, oldest = await self._instants(at, _by_job("sum", total, arms), _oldest(total, arms, backend))
        totals = summed(jobs, _labels_of(arms))
        await strays.require_labels(totals, query.total, query.arms, self._client.instant, at)
        return Answers({"total": totals, "errors": errors}, oldest, jobs)

    async def _measure(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        asking = await self._asking(query)
        taken = [
            self._histograms.get((query, at, 0), partial(self._histograms_at, asking, at))
            for at in (since, until)
        ]
        (first, before), (last, after) = await self._together(*taken)
        if self._lag.late and before.lacks(after, query.arms):
            ask = partial(self._histograms_at, asking, since + MOMENT)
            first, again = await self._histograms.get((query, since, 1), ask)
            before = before.with_late(again, query.arms)
        (selector, *_) = last.selectors(asking.series.count, asking.series.native)
        await self._scrapes.learn(selector, until)
        await self._learn_lag(selector, after.oldest, until)
        weight = first.sparse.weight + last.sparse.weight
        edges = await computed(weight, common_edges, (first, last), query.unit)
        naming = bounds_in_seconds(query.unit, edges)
        stale_after = self._stale_after(selector)
        assembly = Assembly(query.arms, naming, "+Inf", frozenset({"sum", "count"}), stale_after)
        spans = await _assembled(assembly, since, before, until, after)
        series = asking.series
        doubled = await self._doubles.found(series.count, after.counters["count"], query.arms, until)
        spans, by_counter = _counted_once(spans, doubled), {"sum": series.sum, "count": series.count}
        return await strays.told(spans, by_counter, query.arms, self._client.instant, until)

    async def _asking(self, query: HistogramQuery) -> HistogramAsking:
        series = checked(lambda: HistogramSeries.of(query.histogram))
        backend, ask = await self._client.backend(), self._client.instant
        return HistogramAsking(query, series, backend, ask, self._stale_after(series.count), self._together)

    async def _histograms_at(self, asking: HistogramAsking, at: datetime) -> tuple[HistogramAnswer, Answers]:
        asking = asking.fresh(at)
        answer = await read(asking.at(at))
        return answer, await self._beside(asking, answer, at)

    async def _beside(self, asking: HistogramAsking, answer: HistogramAnswer, at: datetime) -> Answers:
        """An answer with what stands beside the buckets: sums and counts, when they were scraped, and by whom."""
        arms, series, backend = asking.query.arms, asking.series, asking.backend
        sums_of = f"sum by ({_subject_labels(arms)}) ({series.sum})"
        aged = answer.selectors(series.count, series.native)
        # A native histogram is not a number, so it cannot be summed up here.
        more = [_by_job("count", selector, arms) for selector in aged if selector == series.native]
        stamps = [_oldest(selector, arms, backend) for selector in aged]
        sums, by_job, *rest = await self._instants(
            at, sums_of, _by_job("sum", series.count, arms), *stamps, *more
        )
        await strays.require_labels(answer.classic, series.bucket, arms, self._client.instant, at)
        await strays.require_labels(answer.sparse, series.native, arms, self._client.instant, at)
        counts = summed(by_job, _labels_of(arms))
        counters = {"bucket": answer.classic, "sparse": answer.sparse, "sum": sums, "count": counts}
        oldest, jobs = rest[: len(stamps)], rest[len(stamps) :]
        if series.count in aged:
            jobs = [by_job, *jobs]
        return Answers(counters, joined(oldest), joined(jobs), answer.forms)

    def _stale_after(self, selector: str) -> timedelta:
        return timedelta(seconds=STALE_AFTER_INTERVALS * self._scrapes.of(selector))

    async def _learn_lag(self, selector: str, stamps: InstantAnswer, at: datetime) -> None:
        self._lag.known((await self._client.backend()).settle)
        self._lag.learn(selector, stamps, at, self._scrapes.of(selector))

    async def _instants(self, at: datetime, *queries: str) -> Sequence[InstantAnswer]:
        return await self._together(*(self._client.instant(query, at) for query in queries))


def _counted_once(spans: tuple[Span, ...], doubled: str) -> tuple[Span, ...]:
    """The spans; all of them are missing where requests are counted several times, for the reason that is given."""
    if not doubled:
        return spans
    return tuple(
        replace(span, missing=Missing(MissingReason.DUPLICATE_SERIES, str(span.subject), doubled))
        if span.missing is None
        else span
        for span in spans
    )


async def _assembled(
    assembly: Assembly, since: datetime, before: Answers, until: datetime, after: Answers
) -> tuple[Span, ...]:
    """The spans, put together in a thread where they are many: for 5,000 pods that takes 90 ms."""
    weight = before.weight + after.weight
    return await read(computed(weight, assembly.spans, since, before, until, after))


def _by(*labels: str) -> str:
    """What a question is grouped by, quoted where a label's name needs it."""
    return ", ".join(map(label_name, labels))


def _labels_of(arms: Arms) -> tuple[str, str]:
    """The labels that name a subject."""
    return arms.namespace_label, arms.subject_label


def _subject_labels(arms: Arms) -> str:
    """What every question is grouped by."""
    return _by(*_labels_of(arms))


def _oldest(selector: str, arms: Arms, backend: MetricsBackend) -> str:
    """Asks when each subject was scraped: an instant vector's own times are the question's."""
    return f"min by ({_subject_labels(arms)}) ({backend.stamps(selector)})"


def _by_job(operator: str, selector: str, arms: Arms) -> str:
    """Asks for a number of each pod by the job that scraped it, which tells those that are scraped twice."""
    return f"{operator} by ({_by(*dict.fromkeys([*_labels_of(arms), arms.pod_label, 'job']))}) ({selector})"
