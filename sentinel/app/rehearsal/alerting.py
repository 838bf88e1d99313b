"""The alerts that concerned a past rollout, from Prometheus' own series of them, as if Alertmanager had sent them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from sentinel.app.rehearsal.history import MetricHistory, RangeSeries
from sentinel.app.rehearsal.model import PastRollout
from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import AlertRule
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.engine.alerts.naming import Directory, workloads_named
from sentinel.engine.matching import alert_rule_of

STEP = timedelta(seconds=15)
BEFORE = timedelta(hours=1)
SENT_AFTER = timedelta(seconds=30)
"""Alertmanager's usual `group_wait`: how long after it fired an alert is first sent."""

Labels = tuple[tuple[str, str], ...]


async def read_alerts(
    history: MetricHistory, rollout: PastRollout, policy: Policy, until: datetime
) -> tuple[AlertEntry, ...]:
    """The alerts that the policy means and that name the workload, with their ends. Raises SourceError."""
    if not policy.alerts:
        return ()
    query = " or ".join(
        f'ALERTS{{{label}="{rollout.namespace}"}}' for label in ("namespace", "exported_namespace")
    )
    return entries_of(await history.range(query, rollout.began - BEFORE, until, STEP), rollout, policy, until)


def entries_of(
    series: Iterable[RangeSeries], rollout: PastRollout, policy: Policy, until: datetime
) -> tuple[AlertEntry, ...]:
    """The alerts in these series, in the order in which they would have come in."""
    pending: dict[Labels, list[tuple[datetime, datetime]]] = {}
    firing: dict[Labels, list[tuple[datetime, datetime]]] = {}
    for one in series:
        labels = tuple(
            sorted((key, value) for key, value in one.labels.items() if key not in ("__name__", "alertstate"))
        )
        state = firing if one.labels.get("alertstate") == "firing" else pending
        state.setdefault(labels, []).extend(_spans(one))
    entries = [
        entry
        for labels, spans in firing.items()
        if _concerns(dict(labels), rollout, policy)
        for begin, end in spans
        for entry in _entries(labels, begin, end, _waited(pending.get(labels, []), begin), until)
    ]
    return tuple(sorted(entries, key=lambda entry: (entry.received_at, entry.fingerprint)))


def _spans(series: RangeSeries) -> Iterator[tuple[datetime, datetime]]:
    """From when to when a series was there, each time."""
    begin = before = None
    for at, _ in series.points:
        if before is not None and begin is not None and at - before > 2 * STEP:
            yield begin, before
            begin = at
        begin, before = begin or at, at
    if begin is not None and before is not None:
        yield begin, before


def _waited(pending: Iterable[tuple[datetime, datetime]], fired: datetime) -> float | None:
    """How many seconds an alert was pending before it fired; 0 where it fired at once."""
    began = next((begin for begin, end in pending if begin < fired and fired - end <= 2 * STEP), fired)
    return (fired - began).total_seconds()


def _concerns(labels: Mapping[str, str], rollout: PastRollout, policy: Policy) -> bool:
    rule = alert_rule_of(policy, labels)
    return rule is not None and _key(rollout) in _named(labels, rule, rollout)


def _named(labels: Mapping[str, str], rule: AlertRule, rollout: PastRollout) -> tuple[WorkloadKey, ...]:
    key = _key(rollout)
    starts = tuple(f"{rollout.workload}-{revision}-" for revision in rollout.revisions)

    def owner(namespace: str, pod: str) -> WorkloadKey | None:
        return key if namespace == key.namespace and pod.startswith(starts) else None

    def behind(namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        return (key,) if (namespace, service) == (key.namespace, key.name) else ()

    return workloads_named(labels, rule, Directory(frozenset({key}), owner, behind))


def _key(rollout: PastRollout) -> WorkloadKey:
    return WorkloadKey(WorkloadKind.DEPLOYMENT, rollout.namespace, rollout.workload)


def _entries(
    labels: Labels, begin: datetime, end: datetime, waited: float | None, until: datetime
) -> Iterator[AlertEntry]:
    named = dict(labels)
    fingerprint = hashlib.sha256(json.dumps(labels).encode()).hexdigest()[:16]
    name = named.get("alertname", "")
    yield AlertEntry(
        fingerprint, name, AlertStatus.FIRING, named, begin, begin + SENT_AFTER, pending_for=waited
    )
    if end + 2 * STEP < until:
        resolved = max(end, begin) + SENT_AFTER + STEP
        yield AlertEntry(fingerprint, name, AlertStatus.RESOLVED, named, begin, resolved, pending_for=waited)
