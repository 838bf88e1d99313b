"""Latencies of each pod or version between two times: cumulative buckets, sum and count."""

from datetime import datetime, timedelta
from functools import partial

from sentinel.adapters.prometheus.answers import joined, summed
from sentinel.adapters.prometheus.refusing import checked, read
from sentinel.adapters.prometheus.series import strays
from sentinel.adapters.prometheus.spans.assembly import Answers, Assembly, bounds_in_seconds, subject_of
from sentinel.adapters.prometheus.spans.buckets import HistogramAsking, HistogramSeries
from sentinel.adapters.prometheus.spans.histograms import HistogramAnswer, common_edges
from sentinel.adapters.prometheus.spans.layouts import Layouts
from sentinel.adapters.prometheus.spans.questions import (
    MOMENT,
    SeriesQuestions,
    assembled,
    by_job,
    by_subject,
    labels_of,
    oldest,
)
from sentinel.blocking import SharedAnswers, computed
from sentinel.domain.evidence import Span
from sentinel.domain.policy.rules import HistogramQuery

REMEMBERED_SAMPLES = 50_000
"""How many samples are kept for the tick that begins where they end."""


class MeasuredSpans:
    """Measures by the increments of histograms; what ended a tick begins the next. `keep` in seconds."""

    def __init__(self, questions: SeriesQuestions, keep: float, *, at_once: bool) -> None:
        self._questions = questions
        self._layouts = Layouts()
        # The number is 1 for what was asked again.
        self._taken: SharedAnswers[tuple[HistogramQuery, datetime, int], tuple[HistogramAnswer, Answers]] = (
            SharedAnswers(
                capacity=REMEMBERED_SAMPLES,
                weigh=lambda taken: taken[1].weight,
                keep=keep,
                at_once=at_once,
            )
        )

    async def spans(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Cumulative buckets, sum and count of every pod or version, at both times. Raises SourceError."""
        questions, ask, arms = self._questions, self._questions.client.instant, query.arms
        asking = await self.asking(query)
        (first, before), (last, after) = await questions.together(
            *(self._taken.get((query, at, 0), partial(self._at, asking, at)) for at in (since, until))
        )
        if questions.came_late(before, after, arms):
            again = partial(self._at, asking, since + MOMENT)
            first, late = await self._taken.get((query, since, 1), again)
            before = before.with_late(late, arms)
        counted = asking.series.count if after.counters["count"].samples else asking.series.bucket
        (selector, *_) = last.selectors(counted, asking.series.native)
        await questions.learn(selector, after, until)
        weight = first.sparse.weight + last.sparse.weight
        edges = await computed(weight, common_edges, (first, last), query.unit)
        naming, pace = bounds_in_seconds(query.unit, edges), questions.scrapes.pace(selector)
        # One NaN or infinity that was observed makes the sum one forever; the buckets stay right.
        assembly = Assembly(
            arms, naming, "+Inf", frozenset({"sum", "count"}), pace, stand_in="count", spare="sum"
        )
        spans = await assembled(assembly, since, before, until, after)
        series, counts = asking.series, after.counters["count"]
        every, totals = (series.count, counts) if counts.samples else (series.native, last.sparse)
        spans = await questions.counted_once(spans, every, totals, arms, until)
        spans = await strays.without_buckets(spans, series.native, arms, ask, until)
        return await strays.told(spans, {"sum": series.sum, "count": series.count}, arms, ask, until)

    async def asking(self, query: HistogramQuery) -> HistogramAsking:
        """How a histogram is asked for. Raises SourceError."""
        questions = self._questions
        series = checked(lambda: HistogramSeries.of(query.histogram))
        backend, ask = await questions.client.backend(), questions.client.instant
        interval = timedelta(seconds=questions.scrapes.of(series.count))
        return HistogramAsking(query, series, backend, ask, interval, questions.together, self._layouts)

    async def _at(self, asking: HistogramAsking, at: datetime) -> tuple[HistogramAnswer, Answers]:
        asking = asking.fresh(at)
        answer = await read(asking.at(at))
        return answer, await self._beside(asking, answer, at)

    async def _beside(self, asking: HistogramAsking, answer: HistogramAnswer, at: datetime) -> Answers:
        """An answer with what stands beside the buckets: sums and counts, when they were scraped, and by whom."""
        arms, series, ask = asking.query.arms, asking.series, self._questions.client.instant
        sums_of = f"sum by ({by_subject(arms)}) ({series.sum})"
        aged = answer.selectors(series.count, series.native)
        # A native histogram is not a number, so it cannot be summed up here.
        more = [by_job("count", selector, arms) for selector in aged if selector == series.native]
        stamps = [oldest(selector, arms, asking.backend) for selector in aged]
        sums, counted, *rest = await self._questions.instants(
            at, sums_of, by_job("sum", series.count, arms), *stamps, *more
        )
        await strays.require_labels(answer.classic, series.bucket, arms, ask, at)
        await strays.require_labels(answer.sparse, series.native, arms, ask, at)
        counts = summed(counted, labels_of(arms))
        counters = {"bucket": answer.classic, "sparse": answer.sparse, "sum": sums, "count": counts}
        scraped, jobs = rest[: len(stamps)], rest[len(stamps) :]
        if series.count in aged:
            jobs = [counted, *jobs]
        stamped = {subject_of(sample, arms) for one in scraped for sample in one.samples}
        if not stamped.issuperset(answer.forms):
            # Somebody leaves out the count, which the buckets tell anyway.
            scraped = [await ask(oldest(series.bucket, arms, asking.backend), at), *scraped]
        return Answers(counters, joined(scraped), joined(jobs), answer.forms)
