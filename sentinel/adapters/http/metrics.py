"""The daemon's own metrics, for Prometheus to scrape."""

from dataclasses import dataclass
from enum import Enum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

PREFIX = "sentinel"

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)


class Kind(Enum):
    """How a metric is kept."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"
    """A gauge that is 1 for the one set of labels that holds now."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name without the prefix, what it says, its label names."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _FAST


METRICS = (
    Metric("build_info", Kind.INFO, "Which release runs, and on which Python.", ("version", "python")),
    Metric("reconciles_total", Kind.COUNTER, "Reconciles of one workload by outcome.", ("outcome",)),
    Metric("reconcile_seconds", Kind.HISTOGRAM, "Seconds that a reconcile of one workload took."),
    Metric("queue_depth", Kind.GAUGE, "Workloads that wait for a reconcile now."),
    Metric("decisions_total", Kind.COUNTER, "Decisions, by action and reason.", ("action", "reason")),
    Metric(
        "decision_seconds",
        Kind.HISTOGRAM,
        "From the start of the deciding reconcile until the decision was recorded and carried out.",
    ),
    Metric("undo_total", Kind.COUNTER, "Undos, by outcome.", ("outcome",)),
    Metric(
        "undo_seconds",
        Kind.HISTOGRAM,
        "From the first sign of the fault to the patch that undid it.",
        buckets=(*_FAST, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0),
    ),
    Metric(
        "restore_seconds",
        Kind.HISTOGRAM,
        "From the decision to undo until the target was fully available.",
        buckets=_SLOW,
    ),
    Metric(
        "evidence_missing_total",
        Kind.COUNTER,
        "Measurements without a usable answer, by source and reason.",
        ("source", "reason"),
    ),
    Metric(
        "evidence_age_seconds",
        Kind.GAUGE,
        "How old the newest evidence of a source was when it was last queried.",
        ("source",),
    ),
    Metric("source_seconds", Kind.HISTOGRAM, "How long a metrics source took to answer.", ("source",)),
    Metric(
        "source_circuit_open",
        Kind.GAUGE,
        "Whether the circuit breaker of a metrics source is open (1) after failures in a row.",
        ("source",),
    ),
    Metric("notices_total", Kind.COUNTER, "Notices, by outcome.", ("outcome",)),
    Metric("notices_pending", Kind.GAUGE, "Notices that wait to be delivered."),
    Metric("gate_calls_total", Kind.COUNTER, "Calls of webhook gates, by answer.", ("answer",)),
    Metric("gate_jobs_total", Kind.COUNTER, "Jobs of gates, by outcome.", ("outcome",)),
    Metric("alerts_total", Kind.COUNTER, "Alerts received, by outcome.", ("outcome",)),
    Metric(
        "webhook_posts_total", Kind.COUNTER, "Posts to the Alertmanager webhook, by HTTP status.", ("code",)
    ),
    Metric("slack_posts_total", Kind.COUNTER, "Posts to Slack's webhook, by HTTP status.", ("code",)),
    Metric(
        "slack_presses_total",
        Kind.COUNTER,
        "Presses of buttons in Slack, by outcome: asked (a command was made), not allowed, past, repeated, "
        "unknown (who may press could not be asked), failed, unreadable, rejected (too many wait).",
        ("outcome",),
    ),
    Metric(
        "watch_age_seconds",
        Kind.GAUGE,
        "Seconds since the API server last sent anything on a watch.",
        ("resource",),
    ),
    Metric("commands_total", Kind.COUNTER, "Commands of people, by outcome.", ("action", "outcome")),
    Metric("leader", Kind.GAUGE, "Whether this replica leads (1) or stands by (0)."),
    Metric("frozen", Kind.GAUGE, "Whether the cluster is frozen (1) by `sentinel freeze`."),
    Metric(
        "leader_transitions_total",
        Kind.COUNTER,
        "How often this replica became leader, or ceased to be.",
        ("to",),
    ),
    Metric("rules_loaded", Kind.GAUGE, "Policies in force."),
    Metric("rules_info", Kind.INFO, "The digest of the rule set in force.", ("digest",)),
    Metric("rules_refused", Kind.GAUGE, "Whether the rule files are refused (1) or in force (0)."),
    Metric("rules_taken_timestamp_seconds", Kind.GAUGE, "When the rule set in force was loaded."),
    Metric("rules_reload_total", Kind.COUNTER, "Reloads of the rule files, by how they ended.", ("outcome",)),
    Metric("bulletins_total", Kind.COUNTER, "Notices about the sentinel itself, by outcome.", ("outcome",)),
    Metric("rollouts", Kind.GAUGE, "Rollouts on record, by phase.", ("phase",)),
    Metric(
        "api_requests_total",
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

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add a duration to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(seconds)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def info(self, name: str, **labels: str) -> None:
        """Say what holds now, in place of what was said before."""
        info = self._infos[name]
        info.clear()
        info.labels(**labels).set(1)

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
