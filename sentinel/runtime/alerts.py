"""Takes alerts in: finds the rollouts they concern and writes them into their records before anyone is answered."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sentinel.domain.alert import Alert, AlertStatus, Notification
from sentinel.domain.errors import ClusterUnavailableError, ConflictError
from sentinel.domain.policy import AlertRule, Policy
from sentinel.domain.record import AlertEntry, Record
from sentinel.domain.workload import WorkloadKey
from sentinel.engine.attribution import STORM_WITHIN, STORM_WORKLOADS, merge_alerts, workloads_named
from sentinel.engine.matching import alert_rule_of
from sentinel.ports import AlertRules, Cluster, RecordStore, Telemetry
from sentinel.runtime.policybook import PolicyBook

log = logging.getLogger(__name__)

WRITE_ATTEMPTS = 6
LOOKUP_SECONDS = 2.0
YIELD_EVERY = 100
"""So many alerts are sorted before others get their turn on the event loop."""
MAX_NAMED = 20
"""So many workloads of a storm are named in a record."""


@dataclass(slots=True)
class _Concern:
    """One rollout and the alerts of a notification that concern it."""

    record: Record
    alerts: list[Alert] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Context:
    """What the alerts of one notification have in common."""

    truncated: int
    storm: tuple[str, ...]


class _Live:
    """The rollouts to which something may still happen, by policy and by workload."""

    def __init__(self, records: Iterable[Record], book: PolicyBook) -> None:
        self.policies: dict[str, Policy] = {}
        self._of_policy: dict[str, dict[WorkloadKey, Record]] = {}
        for record in records:
            policy = book.of(record) if record.live else None
            if policy is not None:
                self.policies[policy.digest] = policy
                self._of_policy.setdefault(policy.digest, {})[record.key] = record

    def meant(self, policy: Policy, named: Sequence[WorkloadKey], namespace: str | None) -> list[Record]:
        """The policy's rollouts that an alert means: of the workloads it names, or of its namespace."""
        mine = self._of_policy[policy.digest]
        if named:
            return [mine[key] for key in named if key in mine]
        return [record for key, record in mine.items() if namespace in (None, key.namespace)]


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
        self._struck: dict[WorkloadKey, datetime] = {}

    async def receive(self, notification: Notification) -> int:
        """Record what concerns a rollout in flight or guarded; returns to how many it was recorded.

        Raises a retryable ClusterError when a record could not be written: nothing may be answered 200 then.
        """
        concerns = await self._concerns(notification.alerts)
        context = _Context(notification.truncated, self._storm())
        await asyncio.gather(*(self._record(one, context) for one in concerns))
        self._telemetry.count("alerts_total", len(notification.alerts), outcome="received")
        return len(concerns)

    async def _concerns(self, alerts: Sequence[Alert]) -> list[_Concern]:
        live = _Live(self._store.all(), self._book)
        policies = {policy.digest: policy for policy in (*self._book.in_force(), *live.policies.values())}
        concerns: dict[str, _Concern] = {}
        for index, alert in enumerate(alerts):
            if index % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if not self._sort(alert, live, list(policies.values()), concerns):
                self._telemetry.count("alerts_total", outcome="unmatched")
        return list(concerns.values())

    def _sort(
        self, alert: Alert, live: _Live, policies: Sequence[Policy], concerns: dict[str, _Concern]
    ) -> bool:
        """Put the alert to each rollout that it concerns; False when it concerns none."""
        found = False
        for policy in policies:
            rule = alert_rule_of(policy, alert.labels)
            if rule is None:
                continue
            named = self._named(alert, rule)
            self._strike(alert, named)
            meant = (
                live.meant(policy, named, alert.labels.get("namespace"))
                if policy.digest in live.policies
                else []
            )
            for record in meant:
                known = any(entry.fingerprint == alert.fingerprint for entry in record.alerts)
                if alert.status is AlertStatus.FIRING or known:
                    concerns.setdefault(record.name, _Concern(record)).alerts.append(alert)
                    found = True
        return found

    def _named(self, alert: Alert, rule: AlertRule) -> tuple[WorkloadKey, ...]:
        return workloads_named(alert.labels, rule, self._cluster.owner_of_pod, self._cluster.workloads_behind)

    def _strike(self, alert: Alert, named: Iterable[WorkloadKey]) -> None:
        """Remember which workloads were struck of late, at rest or not: a storm is told by their number."""
        if alert.status is not AlertStatus.FIRING:
            return
        for key in named:
            if self._cluster.workload(key) is not None:
                self._struck[key] = max(alert.starts_at, self._struck.get(key, alert.starts_at))

    def _storm(self) -> tuple[str, ...]:
        """The workloads struck within two minutes, where they are enough to be a storm."""
        if not self._struck:
            return ()
        since = max(self._struck.values()) - STORM_WITHIN
        self._struck = {key: at for key, at in self._struck.items() if at >= since}
        named = tuple(map(str, sorted(self._struck)))
        return named[:MAX_NAMED] if len(named) >= STORM_WORKLOADS else ()

    async def _record(self, concern: _Concern, context: _Context) -> None:
        entries = [await self._entry(alert, context) for alert in concern.alerts]
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

    async def _entry(self, alert: Alert, context: _Context) -> AlertEntry:
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
            truncated=context.truncated,
            storm=context.storm,
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
