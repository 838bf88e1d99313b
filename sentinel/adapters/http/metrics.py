"""The daemon's own metrics, for Prometheus to scrape."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics import MetricWrapperBase

from sentinel.domain.alert import AlertOutcome
from sentinel.domain.record.entries import OutcomeKind
from sentinel.metric_names import MetricName
from sentinel.values import dataclass

M = TypeVar("M", bound=MetricWrapperBase)

PREFIX = "sentinel"

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_DAYS = (
    *(5.0, 15.0, 30.0, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY),
)


class Kind(Enum):
    """How a metric is kept."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"
    """A gauge that is 1 for the one set of labels that holds now."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name without the prefix, what it says, its label names.

    `begins` are values of its one label that are shown at 0 from the start: Prometheus does not see the first increase
    of a series that begins above 0.
    """

    name: MetricName
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _FAST
    begins: tuple[str, ...] = ()


METRICS = (
    Metric(
        MetricName.BUILD_INFO, Kind.INFO, "Which release runs, and on which Python.", ("version", "python")
    ),
    Metric(MetricName.RECONCILES_TOTAL, Kind.COUNTER, "Reconciles of one workload by outcome.", ("outcome",)),
    Metric(MetricName.RECONCILE_SECONDS, Kind.HISTOGRAM, "Seconds that a reconcile of one workload took."),
    Metric(MetricName.QUEUE_DEPTH, Kind.GAUGE, "Workloads that wait for a reconcile now."),
    Metric(
        MetricName.QUEUE_WAIT_SECONDS,
        Kind.HISTOGRAM,
        "Seconds that a workload waited for a reconcile: urgent (a rollout in flight changed), event (another "
        "workload changed) or routine.",
        ("turn",),
    ),
    Metric(
        MetricName.DECISIONS_TOTAL, Kind.COUNTER, "Decisions, by action and reason.", ("action", "reason")
    ),
    Metric(
        MetricName.DECISION_SECONDS,
        Kind.HISTOGRAM,
        "From the start of the deciding reconcile until the decision was recorded and carried out.",
    ),
    Metric(
        MetricName.UNDO_TOTAL, Kind.COUNTER, "Undos, by outcome.", ("outcome",), begins=tuple(OutcomeKind)
    ),
    Metric(
        MetricName.UNDO_SECONDS,
        Kind.HISTOGRAM,
        "From the first sign of the fault to the patch that undid it.",
        buckets=(*_FAST, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0),
    ),
    Metric(
        MetricName.RESTORE_SECONDS,
        Kind.HISTOGRAM,
        "From the decision to undo until the target was fully available.",
        buckets=_SLOW,
    ),
    Metric(
        MetricName.DEPLOYMENTS_TOTAL,
        Kind.COUNTER,
        "Changes that were promoted, by workload (docs/dora.md).",
        ("workload_namespace", "workload"),
    ),
    Metric(
        MetricName.FAILED_CHANGES_TOTAL,
        Kind.COUNTER,
        "Changes that failed, by workload and by whether they had been promoted.",
        ("workload_namespace", "workload", "promoted"),
    ),
    Metric(
        MetricName.LEAD_TIME_SECONDS,
        Kind.HISTOGRAM,
        "From the commit of a change to its promotion.",
        ("workload_namespace",),
        _DAYS,
    ),
    Metric(
        MetricName.TIME_TO_RESTORE_SECONDS,
        Kind.HISTOGRAM,
        "From the first sign of a change's fault until the old revision was fully back.",
        ("workload_namespace",),
        _DAYS,
    ),
    Metric(
        MetricName.DORA_TARGET,
        Kind.GAUGE,
        "What the settings aim at, by figure; times in seconds, the rate a share.",
        ("figure",),
    ),
    Metric(
        MetricName.EVIDENCE_MISSING_TOTAL,
        Kind.COUNTER,
        "Measurements without a usable answer, by source and reason.",
        ("source", "reason"),
    ),
    Metric(
        MetricName.EXTRA_LOOKS_TOTAL,
        Kind.COUNTER,
        "Extra looks between two ticks, by source and whether they were asked or postponed by their limit.",
        ("source", "outcome"),
    ),
    Metric(
        MetricName.EVIDENCE_AGE_SECONDS,
        Kind.GAUGE,
        "How old the newest evidence of a source was when it was last queried.",
        ("source",),
    ),
    Metric(
        MetricName.SOURCE_SECONDS, Kind.HISTOGRAM, "How long a metrics source took to answer.", ("source",)
    ),
    Metric(
        MetricName.SOURCE_CIRCUIT_OPEN,
        Kind.GAUGE,
        "Whether the circuit breaker of a metrics source is open (1) after failures in a row.",
        ("source",),
    ),
    Metric(
        MetricName.NOTICES_TOTAL, Kind.COUNTER, "Notices, by channel and outcome.", ("channel", "outcome")
    ),
    Metric(
        MetricName.NOTICES_PENDING, Kind.GAUGE, "Notices that wait to be delivered, by channel.", ("channel",)
    ),
    Metric(MetricName.GATE_CALLS_TOTAL, Kind.COUNTER, "Calls of webhook gates, by answer.", ("answer",)),
    Metric(MetricName.GATE_JOBS_TOTAL, Kind.COUNTER, "Jobs of gates, by outcome.", ("outcome",)),
    Metric(
        MetricName.ALERTS_TOTAL,
        Kind.COUNTER,
        "Alerts received, by outcome.",
        ("outcome",),
        begins=tuple(AlertOutcome),
    ),
    Metric(
        MetricName.WEBHOOK_POSTS_TOTAL,
        Kind.COUNTER,
        "Posts to the Alertmanager webhook, by HTTP status.",
        ("code",),
    ),
    Metric(
        MetricName.SLACK_POSTS_TOTAL, Kind.COUNTER, "Posts to Slack's webhook, by HTTP status.", ("code",)
    ),
    Metric(
        MetricName.SLACK_PRESSES_TOTAL,
        Kind.COUNTER,
        "Presses of buttons in Slack, by outcome: asked (a command was made), not allowed, past, repeated, "
        "unknown (who may press could not be asked), failed, unreadable, rejected (too many wait).",
        ("outcome",),
    ),
    Metric(
        MetricName.PAGE_COMMANDS_TOTAL,
        Kind.COUNTER,
        "What was posted to the web page, by outcome: asked (a command was made), repeated, past, not allowed, "
        "stranger (through no trusted proxy), foreign (from another site), unreadable, failed.",
        ("outcome",),
    ),
    Metric(
        MetricName.WATCH_AGE_SECONDS,
        Kind.GAUGE,
        "Seconds since the API server last sent anything on a watch.",
        ("resource",),
    ),
    Metric(MetricName.COMMANDS_TOTAL, Kind.COUNTER, "Commands of people, by outcome.", ("action", "outcome")),
    Metric(
        MetricName.LEADER,
        Kind.GAUGE,
        "Whether this replica leads the shard (1) or stands by (0).",
        ("shard",),
    ),
    Metric(MetricName.FROZEN, Kind.GAUGE, "Whether the cluster is frozen (1) by `sentinel freeze`."),
    Metric(
        MetricName.KEEPER_HOLDS,
        Kind.GAUGE,
        "Holds on tools that deploy workloads from Git, so that an undo lasts.",
    ),
    Metric(
        MetricName.KEEPER_WRITES_TOTAL,
        Kind.COUNTER,
        "Holds and releases of tools that deploy workloads from Git (write: hold, release).",
        ("tool", "write"),
    ),
    Metric(
        MetricName.REVERTS_TOTAL,
        Kind.COUNTER,
        "Reverts in Git, by outcome (RevertProposed, RevertLeftToPeople, or why none was opened).",
        ("reason",),
    ),
    Metric(
        MetricName.LEADER_TRANSITIONS_TOTAL,
        Kind.COUNTER,
        "How often this replica became leader, or ceased to be.",
        ("to",),
        begins=("leader", "follower"),
    ),
    Metric(MetricName.RULES_LOADED, Kind.GAUGE, "Policies in force."),
    Metric(MetricName.RULES_INFO, Kind.INFO, "The digest of the rule set in force.", ("digest",)),
    Metric(MetricName.RULES_REFUSED, Kind.GAUGE, "Whether the rule files are refused (1) or in force (0)."),
    Metric(MetricName.POLICY_OBJECTS, Kind.GAUGE, "Policies that are objects, by state.", ("state",)),
    Metric(MetricName.RULES_TAKEN_TIMESTAMP_SECONDS, Kind.GAUGE, "When the rule set in force was loaded."),
    Metric(
        MetricName.RULES_RELOAD_TOTAL,
        Kind.COUNTER,
        "Reloads of the rule files, by how they ended.",
        ("outcome",),
        begins=("taken", "refused", "hung"),
    ),
    Metric(
        MetricName.BULLETINS_TOTAL,
        Kind.COUNTER,
        "Notices about the sentinel itself, by channel and outcome.",
        ("channel", "outcome"),
    ),
    Metric(MetricName.ROLLOUTS, Kind.GAUGE, "Rollouts on record, by phase.", ("phase",)),
    Metric(
        MetricName.API_REQUESTS_TOTAL,
        Kind.COUNTER,
        "Requests to the Kubernetes API, by verb and answer.",
        ("verb", "code"),
    ),
)


class PrometheusTelemetry:
    """Implements `ports.Telemetry` on a separate registry. Names and labels must be those of `METRICS`.

    An unknown name raises KeyError, wrong labels ValueError: both are mistakes of the caller.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._counters = {m.name: self._counter(m) for m in METRICS if m.kind is Kind.COUNTER}
        self._gauges = {m.name: self._gauge(m) for m in METRICS if m.kind is Kind.GAUGE}
        self._infos = {m.name: self._gauge(m) for m in METRICS if m.kind is Kind.INFO}
        self._histograms = {m.name: self._histogram(m) for m in METRICS if m.kind is Kind.HISTOGRAM}
        self._labelled: dict[tuple[object, ...], MetricWrapperBase] = {}
        for metric in METRICS:
            for value in metric.begins:
                self.begin(metric.name, **{metric.labels[0]: value})

    def count(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._of(self._counters, name, labels).inc(amount)

    def observe(self, name: MetricName, seconds: float, **labels: str) -> None:
        """Add a duration to a histogram."""
        self._of(self._histograms, name, labels).observe(seconds)

    def begin(self, name: MetricName, **labels: str) -> None:
        """Show a counter or histogram at 0, before there is anything to count."""
        (self._counters.get(name) or self._histograms[name]).labels(**labels)

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._of(self._gauges, name, labels).set(value)

    def info(self, name: MetricName, **labels: str) -> None:
        """Say what holds now, in place of what was said before."""
        info = self._infos[name]
        info.clear()
        info.labels(**labels).set(1)

    def _of(self, metrics: Mapping[MetricName, M], name: MetricName, labels: Mapping[str, str]) -> M:
        """The metric with these labels, which is looked for once: that takes longer than to count."""
        place = (name, *labels.items())
        found = self._labelled.get(place)
        if found is None:
            metric = metrics[name]
            found = self._labelled[place] = metric.labels(**labels) if labels else metric
        return cast(M, found)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, namespace=PREFIX, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.help,
            metric.labels,
            namespace=PREFIX,
            registry=self.registry,
            buckets=metric.buckets,
        )
