"""A metrics source whose every question is timed, traced, and tells how old its evidence is."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sentinel.domain.evidence import Past, PastCounters
from sentinel.domain.policy.rules import CountQuery, HistogramQuery
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, MetricSource, Telemetry, Tracer
from sentinel.runtime.evidence.wrappedsource import Answered, WrappedSource


class ObservedSource(WrappedSource):
    """Measures and traces the questions to another source."""

    def __init__(self, source: MetricSource, clock: Clock, telemetry: Telemetry, tracer: Tracer) -> None:
        super().__init__(source)
        self._clock = clock
        self._telemetry = telemetry
        self._tracer = tracer
        self._newest: datetime | None = None

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> Sequence[PastCounters]:
        """The other's counters of a longer time; they do not show how old the newest evidence is."""
        with self._tracer.span("collect", source=self.name, asked="history"):
            return await self._source.histories(query, pasts)

    async def _asked(self, what: str, until: datetime, ask: Callable[[], Awaitable[Answered]]) -> Answered:
        if self._newest is None:  # what was before the first question is nobody's evidence
            self._newest = self._clock.now()
        try:
            with self._tracer.span("collect", source=self.name, asked=what):
                answer = await ask()
            self._newest = max(self._newest, until)
        finally:
            age = (self._clock.now() - self._newest).total_seconds()
            self._telemetry.gauge(MetricName.EVIDENCE_AGE_SECONDS, max(0.0, age), source=self.name)
        return answer
