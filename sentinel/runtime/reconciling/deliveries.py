"""Counts changes to production in the sentinel's own metrics, for DORA's figures over time."""

from sentinel.domain.record.record import Record
from sentinel.metric_names import MetricName
from sentinel.ports import Telemetry
from sentinel.reports.changes import change_of


def count_delivery(telemetry: Telemetry, before: Record | None, after: Record) -> None:
    """Count what a record tells after a write and did not tell before; a new one makes the series, at 0.

    Prometheus does not see the first increase of a series that begins above 0.
    """
    key = after.key
    workload = {"workload_namespace": key.namespace, "workload": key.name}
    was, now = change_of(before) if before is not None else None, change_of(after)
    deployed = now is not None and now.deployed and not (was is not None and was.deployed)
    failed = now is not None and now.failed and not (was is not None and was.failed)
    if before is None or deployed:
        telemetry.count(MetricName.DEPLOYMENTS_TOTAL, int(deployed), **workload)
    for promoted in (False, True):
        mine = failed and now is not None and now.deployed is promoted
        if before is None or mine:
            telemetry.count(
                MetricName.FAILED_CHANGES_TOTAL, int(mine), **workload, promoted=str(promoted).lower()
            )
    if now is None:
        return
    if deployed and now.lead is not None:
        telemetry.observe(MetricName.LEAD_TIME_SECONDS, now.lead, workload_namespace=key.namespace)
    if now.restore is not None and (was is None or was.restore is None):
        telemetry.observe(MetricName.TIME_TO_RESTORE_SECONDS, now.restore, workload_namespace=key.namespace)
