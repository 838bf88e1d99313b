"""What questions about counts and those about latencies have in common: whom they ask, and what is learnt meanwhile."""

from collections.abc import Awaitable, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.late.lag import Lag
from sentinel.adapters.prometheus.refusing import read
from sentinel.adapters.prometheus.scrapes import Scrapes
from sentinel.adapters.prometheus.series.replicas import Doubles
from sentinel.adapters.prometheus.spans.assembly import Answers, Assembly
from sentinel.blocking import Together, computed, side_by_side
from sentinel.domain.evidence import Missing, MissingReason, Span
from sentinel.domain.policy.rules import Arms
from sentinel.engine.arms.selector import label_name
from sentinel.values import dataclass, replace

MOMENT = timedelta(milliseconds=1)
"""What is asked so much later is not answered from memory, and has the same samples."""


class InstantQueries(Protocol):
    """Who is asked. Raises SourceError."""

    async def backend(self) -> MetricsBackend:
        """What it is, which decides how it is asked."""
        ...

    def instant(self, query: str, at: datetime) -> Awaitable[InstantAnswer]:
        """The answer to an instant query at one evaluation time."""
        ...


@dataclass(slots=True)
class SeriesQuestions:
    """Asks one server about series of pods. Everything that asks raises SourceError."""

    client: InstantQueries
    scrapes: Scrapes
    lag: Lag
    together: Together = side_by_side
    _doubles: Doubles = field(init=False)

    def __post_init__(self) -> None:
        self._doubles = Doubles(self.client.instant)

    async def instants(self, at: datetime, *queries: str) -> Sequence[InstantAnswer]:
        """The answers to several questions at one time."""
        return await self.together(*(self.client.instant(query, at) for query in queries))

    async def learn(self, selector: str, answers: Answers, at: datetime) -> None:
        """Learn how often a selector's series are scraped, and how late their samples come."""
        await self.scrapes.learn(selector, at)
        self.lag.known((await self.client.backend()).settle)
        self.lag.learn(selector, answers.oldest, at, self.scrapes.of(selector))

    def came_late(self, before: Answers, after: Answers, arms: Arms) -> bool:
        """Whether the answer for the earlier time may lack what had not come when it was asked for."""
        return self.lag.late and before.lacks(after, arms)

    async def counted_once(
        self, spans: tuple[Span, ...], selector: str, totals: InstantAnswer, arms: Arms, at: datetime
    ) -> tuple[Span, ...]:
        """The spans; all of them are missing where requests are counted several times."""
        doubled = await self._doubles.found(selector, totals, arms, at)
        if not doubled:
            return spans
        return tuple(
            replace(span, missing=Missing(MissingReason.DUPLICATE_SERIES, str(span.subject), doubled))
            if span.missing is None
            else span
            for span in spans
        )


async def assembled(
    assembly: Assembly, since: datetime, before: Answers, until: datetime, after: Answers
) -> tuple[Span, ...]:
    """The spans, put together in a thread where they are many: for 5,000 pods that takes 90 ms."""
    weight = before.weight + after.weight
    return await read(computed(weight, assembly.spans, since, before, until, after))


def labels_of(arms: Arms) -> tuple[str, str]:
    """The labels that name a subject."""
    return arms.namespace_label, arms.subject_label


def by_subject(arms: Arms) -> str:
    """What every question is grouped by."""
    return _by(*labels_of(arms))


def by_job(operator: str, selector: str, arms: Arms) -> str:
    """Asks for a number of each pod by the job that scraped it, which tells those that are scraped twice."""
    return f"{operator} by ({_by(*dict.fromkeys([*labels_of(arms), arms.pod_label, 'job']))}) ({selector})"


def oldest(selector: str, arms: Arms, backend: MetricsBackend) -> str:
    """Asks when each subject was scraped: an instant vector's own times are the question's."""
    return f"min by ({by_subject(arms)}) ({backend.stamps(selector)})"


@lru_cache(maxsize=64)
def _by(*labels: str) -> str:
    """Labels to group by, quoted where a name needs it."""
    return ", ".join(map(label_name, labels))
