"""Requests and errors of each pod or version between two times."""

from datetime import datetime
from functools import partial

from sentinel.adapters.prometheus.answers import summed
from sentinel.adapters.prometheus.refusing import checked
from sentinel.adapters.prometheus.series import selectors, strays
from sentinel.adapters.prometheus.spans.assembly import Answers, Assembly, as_is
from sentinel.adapters.prometheus.spans.questions import (
    MOMENT,
    SeriesQuestions,
    assembled,
    by_job,
    by_subject,
    labels_of,
    oldest,
)
from sentinel.blocking import SharedAnswers
from sentinel.domain.evidence import Span
from sentinel.domain.policy.rules import CountQuery
from sentinel.values import replace

REMEMBERED_SAMPLES = 50_000
"""How many samples are kept for the tick that begins where they end."""


class CountedSpans:
    """Counts by the increments of counters; what ended a tick begins the next. `keep` in seconds."""

    def __init__(self, questions: SeriesQuestions, keep: float, *, at_once: bool) -> None:
        self._questions = questions
        # The number is 1 for what was asked again.
        self._taken: SharedAnswers[tuple[CountQuery, datetime, int], Answers] = SharedAnswers(
            capacity=REMEMBERED_SAMPLES,
            weigh=lambda answers: answers.weight,
            keep=keep,
            at_once=at_once,
        )

    async def spans(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Totals and errors of every pod or version, at both times. Raises SourceError."""
        plain = checked(lambda: (selectors.plain(query.total), selectors.plain(query.errors)))
        query = replace(query, total=plain[0], errors=plain[1])
        questions, ask, arms = self._questions, self._questions.client.instant, query.arms
        before, after = await questions.together(
            self._taken.get((query, since, 0), partial(self._at, query, since)),
            self._taken.get((query, until, 0), partial(self._at, query, until)),
        )
        await questions.learn(query.total, after, until)
        if questions.came_late(before, after, arms):
            again = partial(self._at, query, since + MOMENT)
            before = before.with_late(await self._taken.get((query, since, 1), again), arms)
        # Errors that are some of the requests' own series name what the requests name.
        apart = not selectors.restricts(query.errors, query.total)
        beside = frozenset({"errors"} if apart else ())
        assembly = Assembly(arms, as_is, "total", beside, questions.scrapes.pace(query.total))
        totals, errors = after.counters["total"], after.counters["errors"]
        spans = await assembled(assembly, since, before, until, after)
        spans = await questions.counted_once(spans, query.total, totals, arms, until)
        if not apart:
            return spans
        return (
            *await strays.told(spans, {"errors": query.errors}, arms, ask, until),
            *await strays.elsewhere(query, totals, errors, ask, until),
        )

    async def _at(self, query: CountQuery, at: datetime) -> Answers:
        questions, ask, arms = self._questions, self._questions.client.instant, query.arms
        backend = await questions.client.backend()
        total, errors_of = (
            backend.fresh(selectors.of_pods(each, arms.pod_label, query.pods), at)
            for each in (query.total, query.errors)
        )
        # Errors before totals: a scrape that lands in between then makes too few errors for one tick, which the
        # next one makes good, and never more errors than requests.
        errors = await ask(f"sum by ({by_subject(arms)}) ({errors_of})", at)
        jobs, stamps = await questions.instants(at, by_job("sum", total, arms), oldest(total, arms, backend))
        totals = summed(jobs, labels_of(arms))
        await strays.require_labels(totals, query.total, arms, ask, at)
        return Answers({"total": totals, "errors": errors}, stamps, jobs)
