"""What rollouts are judged by: policies, metrics, conditions, webhooks and alerts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sentinel.domain.alert import Notification, Receipt
from sentinel.domain.evidence import Extent, Past, PastCounters, Span, ValueSample
from sentinel.domain.gate import GateAnswer, WebhookGate
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json


class PolicySource(Protocol):
    """The rule set in force."""

    def policies(self) -> tuple[Policy, ...]:
        """All policies."""
        ...

    def restore(self, document: Json) -> Policy:
        """The policy that a rollout began with, from its record.

        Raises ConfigurationError when it no longer loads.
        """
        ...


class Extents(Protocol):
    """Tells up to when the samples of a query are there, of a source that gets them late and many at once."""

    async def extent(self, query: CountQuery | HistogramQuery, at: datetime) -> Extent:
        """The extent now. Raises SourceError."""
        ...


class MetricSource(Protocol):
    """One metrics system. Queries arrive rendered (no variables left).

    Every method raises `SourceError` with a MissingReason when there is no usable answer at all; what is unusable
    of single subjects is said in the answer. `until - since` is one tick; an answer for the same times is the same.
    """

    @property
    def name(self) -> str:
        """By which rule files name it: `prometheus`, `datadog`."""
        ...

    @property
    def settle(self) -> float:
        """How many seconds a count needs to settle: evidence is asked for up to `now - settle`, or as `extents` say."""
        ...

    @property
    def extents(self) -> Extents | None:
        """Who tells up to when evidence can be asked for; None where that is `now - settle`."""
        ...

    @property
    def min_interval(self) -> float:
        """The shortest tick in seconds that makes sense of it."""
        ...

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Totals and errors of every pod (or version) the selectors match, at both times."""
        ...

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Histograms of every pod (or version) the selector matches, at both times."""
        ...

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """The answer of a free query."""
        ...

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> Sequence[PastCounters]:
        """Cumulative counters of pods over a longer time, of each of these pasts what it is alone; empty where a
        histogram has no bound at `past.over`. Their steps and their `over` are the same, and their times on one grid.
        """
        ...


class Conditions(Protocol):
    """Evaluates the conditions of query rules (CEL)."""

    def holds(self, expression: str, values: tuple[float, ...], *, scalar: bool) -> bool:
        """Whether the condition holds for `value` / `result`.

        Raises ValueError when it cannot be evaluated.
        """
        ...


class GateCaller(Protocol):
    """Asks the webhooks among the gates of a step."""

    async def ask(self, gate: WebhookGate, record: Record) -> tuple[GateAnswer, str]:
        """Ask once; the answer and a few words on it. It raises nothing and takes no longer than `gate.timeout`."""
        ...


class AlertIntake(Protocol):
    """Takes webhook posts in: what the HTTP adapter calls."""

    async def receive(self, notification: Notification) -> Receipt:
        """Record what concerns us, durably, and return the outcome for each alert.

        Raises a retryable ClusterError when it could not be recorded: answer 503.
        """
        ...


class AlertRules(Protocol):
    """Knows how long an alert is pending before it fires."""

    async def pending_for(self, alertname: str) -> float | None:
        """The rule's `for:` in seconds, None if it is unknown."""
        ...
