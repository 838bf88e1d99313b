"""A metrics source whose every question is timed, traced, and tells how old its evidence is."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from sentinel.domain.evidence import Past, PastCounters, Span, ValueSample
from sentinel.domain.policy import CountQuery, HistogramQuery, ValueQuery
from sentinel.ports import Clock, MetricSource, Telemetry, Tracer

_Answer = TypeVar("_Answer")


class ObservedSource:
    """Implements `ports.MetricSource` on another one; what it answers and raises is the other's."""

    def __init__(self, source: MetricSource, clock: Clock, telemetry: Telemetry, tracer: Tracer) -> None:
        self._source = source
        self._clock = clock
        self._telemetry = telemetry
        self._tracer = tracer
        self._newest: datetime | None = None

    @property
    def name(self) -> str:
        """The other's."""
        return self._source.name

    @property
    def settle(self) -> float:
        """The other's."""
        return self._source.settle

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

    async def history(self, query: CountQuery | HistogramQuery, past: Past) -> PastCounters:
        """The other's counters of a longer time; they say nothing of how old the newest evidence is."""
        with self._tracer.span("collect", source=self.name, asked="history"):
            return await self._source.history(query, past)

    async def _asked(self, what: str, until: datetime, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        if self._newest is None:  # what was before the first question is nobody's evidence
            self._newest = self._clock.now()
        try:
            with self._tracer.span("collect", source=self.name, asked=what):
                answer = await ask()
            self._newest = max(self._newest, until)
        finally:
            age = (self._clock.now() - self._newest).total_seconds()
            self._telemetry.gauge("evidence_age_seconds", max(0.0, age), source=self.name)
        return answer
