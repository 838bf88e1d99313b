"""A metrics source around another one: every question of it passes one place."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sentinel.domain.evidence import Extent, Past, PastCounters, Span, ValueSample
from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.ports import Extents, MetricSource

Answered = TypeVar("Answered")
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


class WrappedSource(ABC):
    """Implements `ports.MetricSource` on another one, whose answers and errors these are."""

    def __init__(self, source: MetricSource) -> None:
        self._source = source

    @property
    def name(self) -> str:
        """The other's."""
        return self._source.name

    @property
    def settle(self) -> float:
        """The other's."""
        return self._source.settle

    @property
    def extents(self) -> Extents | None:
        """The other's, asked through this one."""
        return self if self._source.extents else None

    async def extent(self, query: CountQuery | HistogramQuery, at: datetime) -> Extent:
        """Up to when the other's samples are there. That is not evidence yet, so it makes none of it newer."""
        told = self._source.extents
        if told is None:  # it knew it no longer, by now
            return Extent(at - timedelta(seconds=self.settle), at)
        return await self._asked("extent", BEFORE_ALL, lambda: told.extent(query, at))

    @property
    def min_interval(self) -> float:
        """The other's."""
        return self._source.min_interval

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """The other's totals and errors."""
        return await self._asked("counts", until, lambda: self._source.counts(query, since, until))

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """The other's histograms."""
        return await self._asked("histogram", until, lambda: self._source.histogram(query, since, until))

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """The other's answer of a free query."""
        return await self._asked("value", at, lambda: self._source.value(query, at))

    @abstractmethod
    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> Sequence[PastCounters]:
        """The other's counters of a longer time: a separate kind of query."""

    @abstractmethod
    async def _asked(self, what: str, until: datetime, ask: Callable[[], Awaitable[Answered]]) -> Answered:
        """Put a question about the time up to `until`; `what` is the method's name."""
