"""From trimmed entries to one snapshot of a workload."""

from collections.abc import Container, Iterable
from dataclasses import replace
from datetime import datetime

from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, REPLICA_SETS
from sentinel.adapters.kubernetes.workloads.keeper import keeper_of
from sentinel.adapters.kubernetes.workloads.trim import (
    CHANGE_CAUSE,
    DeploymentEntry,
    PodEntry,
    ReplicaSetEntry,
)
from sentinel.domain.workload.facts import (
    PAUSED_ANNOTATION,
    Abilities,
    Ability,
    Brake,
    Exposure,
    Mark,
    Stepping,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.kinds import REPLICA_SET, WorkloadKind
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import ObjectRef, Revision


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
    candidate = _candidate(entry, current)
    return Workload(
        key=key_of_deployment(entry),
        uid=entry.uid,
        candidate=candidate,
        generation=entry.generation,
        observed_generation=entry.observed_generation,
        labels=entry.labels,
        annotations=entry.annotations,
        others=tuple(_revision(held) for held in newest_first if held is not current),
        exposure=_exposure(entry, candidate),
        brake=Brake(entry.paused, parse_mark(entry.annotations.get(PAUSED_ANNOTATION, "")), entry.generation),
        abilities=abilities(entry),
        keeper=keeper_of(entry.labels, entry.annotations),
        parts=(
            ObjectRef(
                DEPLOYMENTS.api_version, WorkloadKind.DEPLOYMENT, entry.namespace, entry.name, entry.uid
            ),
        ),
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
        stored_in=ObjectRef(REPLICA_SETS.api_version, REPLICA_SET, held.namespace, held.name, held.uid),
        order=held.number,
    )


def _exposure(entry: DeploymentEntry, candidate: Revision) -> Exposure:
    """How far the candidate has come.

    Until the controller has seen the spec, its counts are of the template before.
    """
    observed = entry.observed_generation >= entry.generation
    updated = entry.updated if observed else candidate.replicas
    everything_new = entry.updated >= entry.desired and entry.total == entry.updated
    return Exposure(
        wanted=entry.desired,
        candidate=updated,
        ready=candidate.ready,
        available=entry.available,
        old=max(0, entry.total - updated),
        settled=observed and everything_new and entry.available >= entry.desired,
    )


def abilities(entry: DeploymentEntry) -> Abilities:
    """What can be done with a Deployment of this strategy: one that recreates its pods knows no canary."""
    if entry.recreate:
        why = (
            "canary steps need the RollingUpdate strategy, and this Deployment has Recreate: "
            "set spec.strategy.type to RollingUpdate or remove the steps from the policy"
        )
        return Abilities(
            Stepping.NONE, stops=False, first_batch=entry.desired, why_not={Ability.STEPPING: why}
        )
    return Abilities(
        Stepping.PAUSING,
        first_batch=sum(rolling_amounts(entry)),
        smaller_batch="set spec.strategy.rollingUpdate.maxSurge: {weight} and maxUnavailable: 0",
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


def parse_mark(value: str) -> Mark | None:
    """Our mark on a pause, None where the annotation is absent or not of our making."""
    record, _, until = value.rpartition(",")
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        return None
    return Mark(record, moment) if record and moment.tzinfo else None
