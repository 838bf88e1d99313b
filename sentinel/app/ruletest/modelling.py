"""What a rule test is replayed on: the modelled workload, and the script of people and alerts."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import ceil, floor

from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.workload.facts import Stepping, WorkloadKey
from sentinel.domain.workload.kinds import (
    PAIRED,
    PARTITIONED,
    PAUSABLE,
    STEPPING_BY_THEMSELVES,
    SWITCHED,
    WorkloadKind,
)
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.engine.alerts.naming import Directory, workloads_named
from sentinel.engine.matching import alert_rule_of
from sentinel.engine.replay.modelled_pair import ModelledPair
from sentinel.engine.replay.modelled_pods import PodEvent
from sentinel.engine.replay.modelled_steps import ModelledSteps
from sentinel.engine.replay.modelled_switch import ModelledSwitch
from sentinel.engine.replay.modelled_workload import (
    BASELINE,
    CANDIDATE,
    ModelledWorkload,
    WorkloadShape,
)
from sentinel.engine.replay.setting import Script, World
from sentinel.policies.ruletest.cases import Arm, Case, InputAlert, PodFate

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
"""When every test's rollout begins."""


_QUARTER = 0.25
"""Argo Rollouts' own maxSurge and maxUnavailable, where a Rollout has none."""


def modelled(shape: WorkloadShape) -> World:
    """The model of a workload of this kind."""
    if shape.key.kind in SWITCHED:
        return ModelledSwitch(shape)
    if shape.key.kind in STEPPING_BY_THEMSELVES:
        return ModelledSteps(shape)
    return ModelledPair(shape) if shape.key.kind in PAIRED else ModelledWorkload(shape)


def shape_of(case: Case, key: WorkloadKey, labels: Mapping[str, str]) -> WorkloadShape:
    """The workload of a test."""
    shape = case.shape
    own = key.kind in STEPPING_BY_THEMSELVES
    usual = ceil(shape.replicas * _QUARTER) if own else int(key.kind in PAUSABLE | PAIRED)
    surge = usual if shape.max_surge is None else shape.max_surge
    fewer = floor(shape.replicas * _QUARTER) if own else int(not surge)
    unavailable = fewer if shape.max_unavailable is None else shape.max_unavailable
    return WorkloadShape(
        BEGAN,
        key=key,
        replicas=shape.replicas,
        max_surge=surge,
        max_unavailable=unavailable,
        stepping=_stepping(key.kind),
        ready_after=shape.ready_after,
        candidate=_revision(case.candidate, CANDIDATE, 2),
        stable=_revision(case.baseline, BASELINE, 1) if case.baseline else None,
        labels=labels,
        annotations=shape.annotations,
        events=_events(case),
        changed_by=shape.changed_by,
        own_steps=case.shape.own_steps,
        promotes=tuple(BEGAN + at for at in case.promotes),
        aborts=tuple(BEGAN + at for at in case.aborts),
    )


def _stepping(kind: WorkloadKind) -> Stepping:
    """How a workload of this kind is moved in steps."""
    if kind in STEPPING_BY_THEMSELVES:
        return Stepping.OWN
    return Stepping.PARTITION if kind in PARTITIONED else Stepping.PAUSING


def _revision(arm: Arm, name: str, number: int) -> Revision:
    return Revision(
        name,
        hash=name,
        number=number,
        images=(arm.image,),
        labels=arm.labels,
        irreversible=arm.irreversible,
        stored_in=ObjectRef("", "", "", name),
        order=number,
    )


def _events(case: Case) -> Mapping[str, tuple[PodEvent, ...]]:
    """What happens to each pod; `candidate-*` is every pod that arm can have."""
    events: dict[str, tuple[PodEvent, ...]] = {}
    for fate in case.pods:
        arm, _, number = fate.pod.rpartition("-")
        for name in (
            [f"{arm}-{n}" for n in range(1, case.shape.most_pods + 1)] if number == "*" else [fate.pod]
        ):
            events[name] = (*events.get(name, ()), _event(fate))
    return events


def _event(fate: PodFate) -> PodEvent:
    at = BEGAN + fate.at if fate.at is not None else None
    return PodEvent(fate.fate, at, fate.after, fate.restarts, fate.message)


def script_of(case: Case, policy: Policy, key: WorkloadKey) -> Script:
    """What people and Alertmanager do in a test."""
    own: list[AlertEntry] = []
    elsewhere: list[tuple[WorkloadKey, datetime]] = []
    for alert in case.alerts:
        others = _others(alert, policy, key)
        if others:
            elsewhere.extend((other, BEGAN + alert.received) for other in others)
        else:
            own.extend(_entries(alert, key))
    return Script(
        alerts=tuple(own),
        elsewhere=tuple(elsewhere),
        approvals=tuple((BEGAN + at, step) for at, step in case.approvals),
        resumes=tuple(BEGAN + at for at in case.resumes),
        others_over=case.neighbours_over,
    )


def _others(alert: InputAlert, policy: Policy, key: WorkloadKey) -> tuple[WorkloadKey, ...]:
    """The workloads that an alert names, where this one is not among them."""
    rule = alert_rule_of(policy, alert.labels)
    if rule is None or "pod" in alert.labels:
        return ()
    nothing_known = Directory(frozenset(), lambda *_: None, lambda *_: ())
    named = workloads_named({"namespace": key.namespace, **alert.labels}, rule, nothing_known)
    return () if key in named else named


def _entries(alert: InputAlert, key: WorkloadKey) -> Iterable[AlertEntry]:
    """The alert as it is recorded when it fires, and again when it is resolved."""
    labels = {"namespace": key.namespace, **alert.labels}
    fingerprint = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    firing = AlertEntry(
        fingerprint,
        labels.get("alertname", "(unnamed alert)"),
        AlertStatus.FIRING,
        labels,
        BEGAN + alert.firing,
        BEGAN + alert.received,
        alert.summary,
        alert.pending.total_seconds() if alert.pending is not None else None,
    )
    yield firing
    if alert.resolved is not None:
        yield AlertEntry(
            fingerprint,
            firing.name,
            AlertStatus.RESOLVED,
            labels,
            firing.starts_at,
            BEGAN + alert.resolved,
            alert.summary,
        )
