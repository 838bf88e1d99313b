"""Puts the questions of rules to their metrics sources, filled in for one workload."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Extent, MissingReason, Span, ValueSample
from sentinel.domain.policy.rules import (
    CountQuery,
    ErrorRateRule,
    HistogramQuery,
    LatencyRule,
    MetricRule,
    QueryRule,
)
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.arms.variables import query_for
from sentinel.engine.evidence.schedule import SourceTiming
from sentinel.ports import MetricSource
from sentinel.runtime.evidence.timing import timing_of
from sentinel.values import replace


class RuleQuestions:
    """The metrics sources by name, as rules ask them. Raises SourceError, also of a source that is not configured."""

    def __init__(self, sources: Mapping[str, MetricSource]) -> None:
        self._sources = sources

    def timing(self, rule: MetricRule, every: float = 0.0) -> SourceTiming:
        """How the rule's source wants to be asked about what has samples every so many seconds."""
        return timing_of(self._sources.get(rule.query.source), every)

    async def value(
        self, rule: QueryRule, workload: Workload, stable: Revision | None, at: datetime
    ) -> ValueSample:
        """The answer of a free query."""
        query = query_for(rule.query, workload, stable)
        return await self._source(query.source).value(query, at)

    async def spans(
        self,
        rule: ErrorRateRule | LatencyRule,
        workload: Workload,
        stable: Revision | None,
        since: datetime,
        until: datetime,
        pods: tuple[str, ...] = (),
    ) -> tuple[Span, ...]:
        """What was counted, or measured, between two times; of these pods at least, of all where none are given."""
        return await self.answer(self.query(rule, workload, stable), since, until, pods)

    def query(
        self, rule: ErrorRateRule | LatencyRule, workload: Workload, stable: Revision | None
    ) -> CountQuery | HistogramQuery:
        """What a rule asks for one workload; many ask the same."""
        if isinstance(rule, ErrorRateRule):
            return query_for(rule.query, workload, stable)
        return query_for(rule.query, workload, stable)

    async def answer(
        self,
        query: CountQuery | HistogramQuery,
        since: datetime,
        until: datetime,
        pods: tuple[str, ...] = (),
    ) -> tuple[Span, ...]:
        """What a query counts, or measures, between two times; of these pods at least, of all where none are given."""
        source = self._source(query.source)
        if isinstance(query, CountQuery):
            return await source.counts(replace(query, pods=pods), since, until)
        return await source.histogram(replace(query, pods=pods), since, until)

    async def extent(
        self,
        rule: ErrorRateRule | LatencyRule,
        workload: Workload,
        stable: Revision | None,
        at: datetime,
        pods: tuple[str, ...] = (),
    ) -> Extent:
        """Up to when what a rule asks for is there, of these pods; of all where none are given."""
        source = self._source(rule.query.source)
        if source.extents is None:
            return Extent(at - timedelta(seconds=source.settle), at)
        if isinstance(rule, ErrorRateRule):
            return await source.extents.extent(
                replace(query_for(rule.query, workload, stable), pods=pods), at
            )
        return await source.extents.extent(replace(query_for(rule.query, workload, stable), pods=pods), at)

    def _source(self, name: str) -> MetricSource:
        source = self._sources.get(name)
        if source is None:
            raise SourceError(
                f"no {name} is configured: set its address in the settings",
                reason=MissingReason.SOURCE_UNREACHABLE,
            )
        return source
