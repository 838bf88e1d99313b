"""From trimmed entries to one snapshot of a workload."""

from collections.abc import Container, Iterable
from dataclasses import replace
from datetime import datetime

from sentinel.adapters.kubernetes.workloads.trim import (
    CHANGE_CAUSE,
    DeploymentEntry,
    PodEntry,
    ReplicaSetEntry,
)
from sentinel.domain.workload import (
    PAUSED_ANNOTATION,
    PauseMark,
    Pod,
    Revision,
    Workload,
    WorkloadKey,
    WorkloadKind,
)


def key_of_deployment(entry: DeploymentEntry) -> WorkloadKey:
    """The workload that a Deployment is."""
    return WorkloadKey(WorkloadKind.DEPLOYMENT, entry.namespace, entry.name)


def build_workload(
    entry: DeploymentEntry,
    replica_sets: Iterable[ReplicaSetEntry],
    pods: Iterable[PodEntry],
    unready_nodes: Container[str],
) -> Workload:
    """The snapshot of a Deployment with its ReplicaSets and their pods."""
    newest_first = sorted(replica_sets, key=lambda held: (held.number, held.name), reverse=True)
    current = next((held for held in newest_first if held.template.digest == entry.template.digest), None)
    surge, unavailable = rolling_amounts(entry)
    return Workload(
        key=key_of_deployment(entry),
        uid=entry.uid,
        candidate=_candidate(entry, current),
        generation=entry.generation,
        observed_generation=entry.observed_generation,
        labels=entry.labels,
        annotations=entry.annotations,
        others=tuple(_revision(held) for held in newest_first if held is not current),
        desired=entry.desired,
        total=entry.total,
        updated=entry.updated,
        ready=entry.ready,
        available=entry.available,
        paused=entry.paused,
        pause_mark=parse_mark(entry.annotations.get(PAUSED_ANNOTATION, "")),
        recreate=entry.recreate,
        max_surge=surge,
        max_unavailable=unavailable,
        progress_deadline_exceeded=entry.deadline_exceeded,
        create_failure=entry.create_failure,
        create_failure_since=entry.create_failure_since,
        pods=tuple(_on_its_node(held.pod, unready_nodes) for held in pods),
        changed_by=entry.changed_by,
        deleting=entry.deleting,
    )


def _candidate(entry: DeploymentEntry, current: ReplicaSetEntry | None) -> Revision:
    cause = entry.annotations.get(CHANGE_CAUSE, "")
    if current is not None:
        return replace(_revision(current), change_cause=cause or current.change_cause)
    facts = entry.template
    return Revision(
        digest=facts.digest,
        images=facts.images,
        labels=facts.labels,
        change_cause=cause,
        irreversible=facts.irreversible,
    )


def _revision(held: ReplicaSetEntry) -> Revision:
    facts = held.template
    return Revision(
        digest=facts.digest,
        hash=held.hash,
        number=held.number,
        images=facts.images,
        labels=facts.labels,
        created_at=held.created_at,
        change_cause=held.change_cause,
        irreversible=facts.irreversible,
        replicas=held.replicas,
        ready=held.ready,
        available=held.available,
        holder=held.name,
        order=held.number,
    )


def _on_its_node(pod: Pod, unready_nodes: Container[str]) -> Pod:
    return replace(pod, node_ready=False) if pod.node is not None and pod.node in unready_nodes else pod


def rolling_amounts(entry: DeploymentEntry) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods, as the Deployment controller resolves them.

    Percentages of the surge are rounded up, of the unavailability down; both zero would never move, so one pod
    may then be unavailable.
    """
    if entry.recreate:
        return 0, entry.desired
    surge = _pods(entry.max_surge, entry.desired, up=True)
    unavailable = _pods(entry.max_unavailable, entry.desired, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _pods(amount: int | str, desired: int, *, up: bool) -> int:
    if isinstance(amount, int):
        return amount
    percent = amount.removesuffix("%")
    if not percent.isdecimal():
        return 0
    product = int(percent) * desired
    return -(-product // 100) if up else product // 100


def parse_mark(value: str) -> PauseMark | None:
    """Our mark on a pause, None where the annotation is absent or not of our making."""
    record, _, until = value.rpartition(",")
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        return None
    return PauseMark(record, moment) if record and moment.tzinfo else None
