"""Takes alerts in: finds the rollouts they concern and writes them into their records before anyone is answered."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime

from sentinel.domain.alert import Alert, AlertStatus, Notification, Receipt
from sentinel.domain.errors import ClusterUnavailableError
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.engine.alerts.attribution import STORM_WITHIN, STORM_WORKLOADS
from sentinel.engine.alerts.naming import Directory, namespace_meant, workloads_named
from sentinel.engine.matching import alert_rule_of
from sentinel.ports import AlertRules, Cluster, RecordStore
from sentinel.runtime.alerts.directory import directory_of
from sentinel.runtime.alerts.fates import AlertMatch, UnknownAlerts, fates_of
from sentinel.runtime.alerts.journal import AlertJournal
from sentinel.runtime.alerts.lookups import Lookups
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.values import dataclass

log = logging.getLogger(__name__)

LOOKUP_SECONDS = 2.0
"""So long a post waits altogether for how long its alerts are pending."""
YIELD_EVERY = 500
"""So many comparisons of alerts with policies and rollouts are made before others get their turn on the event loop."""
MAX_NAMED = 20
"""So many workloads of a storm are named in a record."""


_Name = tuple[str, str]
"""A record's namespace and name."""
_Entered = tuple[_Name, int]
"""A record, and the place of an alert in the notification."""


@dataclass(slots=True)
class _Concern:
    """One rollout and the alerts of a notification that concern it."""

    record: Record
    known: frozenset[str]
    alerts: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Context:
    """What the alerts of one notification have in common, and how long those of a name are pending."""

    truncated: int
    storm: tuple[str, ...]
    pending_for: Mapping[str, float | None]


class _Live:
    """The rollouts to which something may still happen, by policy and by workload."""

    def __init__(self, records: Iterable[Record], registry: PolicyRegistry) -> None:
        self.policies: dict[str, Policy] = {}
        self._of_policy: dict[str, dict[WorkloadKey, Record]] = {}
        for record in records:
            policy = registry.of(record)
            if policy is not None:
                self.policies[policy.digest] = policy
                self._of_policy.setdefault(policy.digest, {})[record.key] = record

    def meant(self, match: AlertMatch) -> list[Record]:
        """The policy's rollouts that an alert means: of the workloads it names, or of its namespace; without any none.

        What names no namespace could as well be about something in another cluster.
        """
        mine = self._of_policy.get(match.policy.digest, {})
        if match.named:
            return [mine[key] for key in match.named if key in mine]
        return [record for key, record in mine.items() if key.namespace == match.namespace]


class AlertReceiver:
    """Implements `ports.AlertIntake`. A storm costs one write for each rollout that it concerns."""

    def __init__(
        self,
        cluster: Cluster,
        store: RecordStore,
        registry: PolicyRegistry,
        rules: AlertRules | None,
        lookups: Lookups,
        wake: Callable[[WorkloadKey], None],
        unknown: UnknownAlerts,
        synced: Callable[[], bool] = lambda: True,
    ) -> None:
        self._synced = synced
        self._unknown = unknown
        self._cluster = cluster
        self._store = store
        self._registry = registry
        self._rules = rules
        self._lookups = lookups
        self._journal = AlertJournal(store, wake)
        self._struck: dict[WorkloadKey, datetime] = {}

    async def receive(self, notification: Notification) -> Receipt:
        """Record what concerns a rollout in flight or guarded; returns the outcome for each alert.

        Raises a retryable ClusterError when a record could not be written, or it is not known whether there is one:
        nothing may be answered 200 then.
        """
        if not self._synced():
            raise ClusterUnavailableError(
                "the rollouts are not known yet: the watches have not synced", reason="NotSynced"
            )
        alerts = notification.alerts
        matches = await self._matches(alerts)
        # What is known to be in flight does not wait for the look-ups: the answer does, the undo need not.
        entered = await self._enter(notification, matches, frozenset())
        keys = {key for match in matches for key in match.named}
        await self._lookups.bring_up_to_date([key for key in keys if self._cluster.workload(key) is not None])
        entered |= await self._enter(notification, matches, entered)
        recorded = frozenset(index for _, index in entered)
        fates = fates_of(alerts, matches, recorded, frozenset(self._cluster.keys()))
        self._unknown.note(alerts, matches, fates)
        return Receipt(len({name for name, _ in entered}), fates)

    async def _enter(
        self, notification: Notification, matches: Sequence[AlertMatch], entered: frozenset[_Entered]
    ) -> frozenset[_Entered]:
        """Write the alerts into the records of the rollouts known now, except for those `entered` there before."""
        concerns = await self._concerns(notification.alerts, matches, entered)
        entries = await self._entries(notification, concerns)
        outcomes = await asyncio.gather(
            *(self._journal.enter(one.record, [entries[index] for index in one.alerts]) for one in concerns),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return frozenset((_name(one.record), index) for one in concerns for index in one.alerts)

    async def _concerns(
        self, alerts: Sequence[Alert], matches: Sequence[AlertMatch], entered: frozenset[_Entered]
    ) -> list[_Concern]:
        """The rollouts that the alerts concern."""
        live = _Live(self._store.live(), self._registry)
        concerns: dict[_Name, _Concern] = {}
        work = 0
        for match in matches:
            work += 1 + _sort(match, alerts[match.index], live, concerns)
            if work >= YIELD_EVERY:
                work = 0
                await asyncio.sleep(0)
        for name, concern in concerns.items():
            concern.alerts = [index for index in concern.alerts if (name, index) not in entered]
        return [concern for concern in concerns.values() if concern.alerts]

    async def _matches(self, alerts: Sequence[Alert]) -> list[AlertMatch]:
        live = _Live(self._store.live(), self._registry)
        policies = {policy.digest: policy for policy in (*self._registry.in_force(), *live.policies.values())}
        known = directory_of(self._cluster)
        matches: list[AlertMatch] = []
        work = 0
        for index, alert in enumerate(alerts):
            work += 1 + len(policies)
            if work >= YIELD_EVERY:
                work = 0
                await asyncio.sleep(0)
            found = [_match(index, alert, policy, known) for policy in policies.values()]
            for match in found:
                if match is not None:
                    self._strike(alert, match.named)
                    matches.append(match)
        return matches

    def _strike(self, alert: Alert, named: Iterable[WorkloadKey]) -> None:
        """Remember which workloads had alerts recently, at rest or not: their number shows a storm.

        A start that is said to be yet to come would hide every other for as long; of an ancient one it is enough to
        know that it is long past.
        """
        if alert.status is not AlertStatus.FIRING:
            return
        at = min(max(alert.starts_at, alert.received_at - 2 * STORM_WITHIN), alert.received_at)
        for key in named:
            if self._cluster.workload(key) is not None:
                self._struck[key] = max(at, self._struck.get(key, at))

    def _storm(self) -> tuple[str, ...]:
        """The workloads struck within two minutes, where they are enough to be a storm."""
        if not self._struck:
            return ()
        since = max(self._struck.values()) - STORM_WITHIN
        self._struck = {key: at for key, at in self._struck.items() if at >= since}
        named = tuple(map(str, sorted(self._struck)))
        return named[:MAX_NAMED] if len(named) >= STORM_WORKLOADS else ()

    async def _entries(
        self, notification: Notification, concerns: Sequence[_Concern]
    ) -> dict[int, AlertEntry]:
        """What is to be recorded of each alert that concerns a rollout, by its place in the notification."""
        indices = sorted({index for concern in concerns for index in concern.alerts})
        alerts = [notification.alerts[index] for index in indices]
        names = {one.name for one in alerts if one.pending_for is None and one.status is AlertStatus.FIRING}
        context = _Context(notification.truncated, self._storm(), await self._pending_for(names))
        entries: dict[int, AlertEntry] = {}
        for index, alert in zip(indices, alerts, strict=True):
            if len(entries) % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            entries[index] = _entry(alert, context)
        return entries

    async def _pending_for(self, names: Iterable[str]) -> dict[str, float | None]:
        """The alert rules' `for:`; None if it cannot be read in time: then the policy's look-back counts."""
        pending: dict[str, float | None] = {}
        if self._rules is None:
            return pending
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                for name in names:
                    if len(pending) % YIELD_EVERY == 0:
                        await asyncio.sleep(0)
                    pending[name] = await self._rules.pending_for(name)
        except TimeoutError:
            log.warning("the `for:` of the alert rules could not be read in time")
        return pending


def _match(index: int, alert: Alert, policy: Policy, known: Directory) -> AlertMatch | None:
    """What a policy makes of an alert's labels; None where it does not mean the alert."""
    rule = alert_rule_of(policy, alert.labels)
    if rule is None:
        return None
    named = workloads_named(alert.labels, rule, known)
    return AlertMatch(index, policy, rule, named, namespace_meant(alert.labels, known))


def _sort(match: AlertMatch, alert: Alert, live: _Live, concerns: dict[_Name, _Concern]) -> int:
    """Put the alert to each rollout of the policy that it concerns; how many these are."""
    found = 0
    for record in live.meant(match):
        concern = concerns.get(name := _name(record)) or _Concern(
            record, frozenset(entry.fingerprint for entry in record.alerts)
        )
        if alert.status is AlertStatus.FIRING or alert.fingerprint in concern.known:
            concerns[name] = concern
            concern.alerts.append(match.index)
            found += 1
    return found


def _name(record: Record) -> _Name:
    return record.key.namespace, record.name


def _entry(alert: Alert, context: _Context) -> AlertEntry:
    known = alert.pending_for
    return AlertEntry(
        fingerprint=alert.fingerprint,
        name=alert.name,
        status=alert.status,
        labels=alert.labels,
        starts_at=alert.starts_at,
        received_at=alert.received_at,
        summary=alert.annotations.get("summary", ""),
        pending_for=context.pending_for.get(alert.name) if known is None else known,
        truncated=context.truncated,
        storm=context.storm,
    )
