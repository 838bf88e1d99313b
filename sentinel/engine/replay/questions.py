"""What a replay asks a metrics source, and what it takes for an answer."""

from datetime import datetime

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Past, PastCounters, Span, ValueSample
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
from sentinel.engine.arms.variables import Query, query_for
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the source of a rule; `query` has no variables left.

    Answer counts and histograms with what the source's `counts` or `histogram` gives between the two times, a free
    query with its value at `until`.
    """

    rule: MetricRule
    query: Query
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class AskPast:
    """A question for the hour before; answer it with what the source's `history` gives."""

    rule: ErrorRateRule | LatencyRule
    query: CountQuery | HistogramQuery
    past: Past


Question = Ask | AskPast
Answer = tuple[Span, ...] | ValueSample | PastCounters | SourceError


def query_of(rule: MetricRule, workload: Workload, stable: Revision | None) -> Query:
    """A rule's query with the workload's variables filled in; `stable` is the baseline's revision."""
    match rule:
        case ErrorRateRule():
            return query_for(rule.query, workload, stable)
        case LatencyRule():
            return query_for(rule.query, workload, stable)
        case QueryRule():
            return query_for(rule.query, workload, stable)
