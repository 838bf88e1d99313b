"""Counts changes to production in the sentinel's own metrics, for DORA's figures over time."""

from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.metric_names import MetricName
from sentinel.ports import Telemetry
from sentinel.reports.changes import change_of
from sentinel.reports.dora import DoraTargets, targets_of

MOST_WORKLOADS = 2000
MOST_NAMESPACES = 200
"""So many have series before their first rollout; further ones, which would make `/metrics` long, with it."""

_TIMES = (MetricName.LEAD_TIME_SECONDS, MetricName.TIME_TO_RESTORE_SECONDS)


class Deliveries:
    """What this process counted. Prometheus does not see the first increase of a series that begins above 0, so each
    series is shown at 0 before there is anything to count."""

    def __init__(self, telemetry: Telemetry, targets: DoraTargets) -> None:
        """Shows the targets too, so that dashboards draw those of the settings."""
        self._telemetry = telemetry
        self._workloads: set[WorkloadKey] = set()
        self._namespaces: set[str] = set()
        for figure, target in targets_of(targets).items():
            telemetry.gauge(MetricName.DORA_TARGET, target, figure=figure)

    def see(self, key: WorkloadKey) -> None:
        """A guarded workload is there: its series begin, and those of its namespace, as long as there are few."""
        known = key.namespace in self._namespaces
        if len(self._workloads) < MOST_WORKLOADS and (known or len(self._namespaces) < MOST_NAMESPACES):
            self._begin(key)

    def count(self, before: Record | None, after: Record) -> None:
        """Count what a record tells after a write and did not tell before."""
        key = after.key
        self._begin(key)
        was, now = change_of(before) if before is not None else None, change_of(after)
        if now is None:
            return
        telemetry, workload = self._telemetry, {"workload_namespace": key.namespace, "workload": key.name}
        deployed = now.deployed and not (was is not None and was.deployed)
        if deployed:
            telemetry.count(MetricName.DEPLOYMENTS_TOTAL, 1, **workload)
        if now.failed and not (was is not None and was.failed):
            promoted = str(now.deployed).lower()
            telemetry.count(MetricName.FAILED_CHANGES_TOTAL, 1, **workload, promoted=promoted)
        if deployed and now.lead is not None:
            telemetry.observe(MetricName.LEAD_TIME_SECONDS, now.lead, workload_namespace=key.namespace)
        if now.restore is not None and (was is None or was.restore is None):
            telemetry.observe(
                MetricName.TIME_TO_RESTORE_SECONDS, now.restore, workload_namespace=key.namespace
            )

    def _begin(self, key: WorkloadKey) -> None:
        if key in self._workloads:
            return
        self._workloads.add(key)
        workload = {"workload_namespace": key.namespace, "workload": key.name}
        self._telemetry.begin(MetricName.DEPLOYMENTS_TOTAL, **workload)
        for promoted in ("false", "true"):
            self._telemetry.begin(MetricName.FAILED_CHANGES_TOTAL, **workload, promoted=promoted)
        if key.namespace not in self._namespaces:
            self._namespaces.add(key.namespace)
            for name in _TIMES:
                self._telemetry.begin(name, workload_namespace=key.namespace)
