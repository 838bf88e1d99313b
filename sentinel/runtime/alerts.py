"""Takes alerts in: finds the rollouts they concern and writes them into their records before anyone is answered."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sentinel.domain.alert import Alert, AlertStatus, Notification
from sentinel.domain.errors import ClusterUnavailableError, ConflictError
from sentinel.domain.policy import AlertRule, Policy
from sentinel.domain.record import AlertEntry, Record
from sentinel.domain.workload import WorkloadKey
from sentinel.engine.attribution import merge_alerts, workloads_named
from sentinel.engine.matching import alert_rule_of
from sentinel.ports import AlertRules, Cluster, RecordStore, Telemetry
from sentinel.runtime.policybook import PolicyBook

log = logging.getLogger(__name__)

WRITE_ATTEMPTS = 6
LOOKUP_SECONDS = 2.0


@dataclass(slots=True)
class _Concern:
    """One rollout and the alerts of a notification that concern it."""

    record: Record
    alerts: list[tuple[Alert, AlertRule]] = field(default_factory=list)


class AlertDesk:
    """Implements `ports.AlertIntake`. A storm costs one write for each rollout that it concerns."""

    def __init__(
        self,
        cluster: Cluster,
        store: RecordStore,
        book: PolicyBook,
        rules: AlertRules | None,
        wake: Callable[[WorkloadKey], None],
        telemetry: Telemetry,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._book = book
        self._rules = rules
        self._wake = wake
        self._telemetry = telemetry

    async def receive(self, notification: Notification) -> int:
        """Record what concerns a rollout in flight or guarded; returns to how many it was recorded.

        Raises a retryable ClusterError when a record could not be written: nothing may be answered 200 then.
        """
        concerns = self._concerns(notification.alerts)
        await asyncio.gather(*(self._record(one, notification.truncated) for one in concerns))
        self._telemetry.count("alerts_total", len(notification.alerts), outcome="received")
        return len(concerns)

    def _concerns(self, alerts: Iterable[Alert]) -> list[_Concern]:
        live = [r for r in self._store.all() if r.live]
        policies = {record.name: self._book.of(record) for record in live}
        concerns: dict[str, _Concern] = {}
        for alert in alerts:
            if not self._sort(alert, live, policies, concerns):
                self._telemetry.count("alerts_total", outcome="unmatched")
        return list(concerns.values())

    def _sort(
        self,
        alert: Alert,
        live: Sequence[Record],
        policies: dict[str, Policy | None],
        concerns: dict[str, _Concern],
    ) -> bool:
        """Put the alert to each rollout that it concerns; False when it concerns none."""
        found = False
        for record in live:
            policy = policies[record.name]
            rule = alert_rule_of(policy, alert.labels) if policy else None
            if rule is None or not self._means(alert, rule, record):
                continue
            known = any(entry.fingerprint == alert.fingerprint for entry in record.alerts)
            if alert.status is AlertStatus.RESOLVED and not known:
                continue
            concerns.setdefault(record.name, _Concern(record)).alerts.append((alert, rule))
            found = True
        return found

    def _means(self, alert: Alert, rule: AlertRule, record: Record) -> bool:
        """Whether the alert's labels name the rollout's workload, or no workload at all where its namespace fits."""
        named = workloads_named(
            alert.labels, rule, self._cluster.owner_of_pod, self._cluster.workloads_behind
        )
        if named:
            return record.key in named
        namespace = alert.labels.get("namespace")
        return namespace is None or namespace == record.key.namespace

    async def _record(self, concern: _Concern, truncated: int) -> None:
        entries = [await self._entry(alert, rule, truncated) for alert, rule in concern.alerts]
        record: Record | None = concern.record
        for attempt in range(WRITE_ATTEMPTS):
            if record is None:
                return
            merged = merge_alerts(record.alerts, entries)
            if merged == record.alerts:
                return
            try:
                await self._store.save(record.with_alerts(merged))
            except ConflictError:
                await asyncio.sleep(0.01 * attempt)
                record = await self._store.fresh(record)
                continue
            self._wake(concern.record.key)
            return
        raise ClusterUnavailableError(
            f"the record {concern.record.name} is being written by others all the time", reason="Conflict"
        )

    async def _entry(self, alert: Alert, rule: AlertRule, truncated: int) -> AlertEntry:
        pending_for = alert.pending_for
        if pending_for is None and alert.status is AlertStatus.FIRING:
            pending_for = await self._pending_for(alert.name)
        return AlertEntry(
            fingerprint=alert.fingerprint,
            name=alert.name,
            status=alert.status,
            labels=alert.labels,
            starts_at=alert.starts_at,
            received_at=alert.received_at,
            summary=alert.annotations.get("summary", ""),
            pending_for=pending_for,
            truncated=truncated,
        )

    async def _pending_for(self, alertname: str) -> float | None:
        """The alert rule's `for:`; None, and the policy's look-back counts, where it cannot be had in time."""
        if self._rules is None:
            return None
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return await self._rules.pending_for(alertname)
        except TimeoutError:
            log.warning("how long %s is pending could not be looked up in time", alertname)
            return None
