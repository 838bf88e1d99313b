"""Deployments: ReplicaSets store their revisions, and a pause stops a rollout where it is."""

from sentinel.adapters.kubernetes.api.operations import Operation, put
from sentinel.adapters.kubernetes.api.raw import (
    RawObject,
    labels,
    mapping,
    number,
    text,
)
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, REPLICA_SETS
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.digest import TEMPLATE_HASH
from sentinel.adapters.kubernetes.workloads.driver import (
    WorkloadDriver,
    amount_in_pods,
    stored_by_hash,
    unsupported,
)
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template, trim_replica_set
from sentinel.adapters.kubernetes.workloads.patches import Plan
from sentinel.adapters.kubernetes.workloads.trim import (
    WorkloadEntry,
    create_failure,
    deadline_exceeded,
    kept_annotations,
    parse_mark,
    ref_of,
    template_manager,
    trim_template,
)
from sentinel.adapters.kubernetes.workloads.trim_pods import cut, since
from sentinel.domain.decision import Change, Release, Restart, Restore, Stop
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import (
    PAUSED_ANNOTATION,
    Abilities,
    Ability,
    Brake,
    Mark,
    Stepping,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.kinds import WorkloadKind

# What is read.


def trim_deployment(raw: RawObject) -> WorkloadEntry:
    """What matters of a Deployment."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    ref = ref_of(raw, DEPLOYMENTS.api_version, WorkloadKind.DEPLOYMENT)
    annotations = kept_annotations(metadata)
    desired = number(spec.get("replicas"), 1)
    generation = number(metadata.get("generation"), 1)
    refused = create_failure(status)
    return WorkloadEntry(
        key=WorkloadKey(WorkloadKind.DEPLOYMENT, ref.namespace, ref.name),
        ref=ref,
        generation=generation,
        observed_generation=number(status.get("observedGeneration")),
        labels=labels(metadata.get("labels")),
        annotations=annotations,
        template=trim_template(spec.get("template")),
        desired=desired,
        total=number(status.get("replicas")),
        updated=number(status.get("updatedReplicas")),
        available=number(status.get("availableReplicas")),
        brake=Brake(_paused(raw), parse_mark(annotations.get(PAUSED_ANNOTATION, ""))),
        abilities=abilities(mapping(spec.get("strategy")), desired),
        progress_deadline_exceeded=deadline_exceeded(status),
        create_failure=cut(text(refused.get("message")) or text(refused.get("reason"))),
        create_failure_since=since(refused),
        changed_by=template_manager(metadata),
        deleting="deletionTimestamp" in metadata,
    )


def abilities(strategy: RawObject, desired: int) -> Abilities:
    """What can be done with a Deployment of this strategy: one that recreates its pods knows no canary."""
    if strategy.get("type") == "Recreate":
        why = (
            "canary steps need the RollingUpdate strategy, but this Deployment has Recreate: "
            "set spec.strategy.type to RollingUpdate or remove the steps from the policy"
        )
        return Abilities(Stepping.NONE, stops=False, first_batch=desired, why_not={Ability.STEPPING: why})
    return Abilities(
        Stepping.PAUSING,
        first_batch=sum(rolling_amounts(strategy, desired)),
        smaller_batch="set spec.strategy.rollingUpdate.maxSurge: {weight} and maxUnavailable: 0",
    )


def rolling_amounts(strategy: RawObject, desired: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods, as the Deployment controller resolves them.

    Percentages of the surge are rounded up, of the unavailability down; both zero would never move, so one pod
    may then be unavailable.
    """
    rolling = mapping(strategy.get("rollingUpdate"))
    surge = amount_in_pods(rolling.get("maxSurge"), desired, "25%")
    unavailable = amount_in_pods(rolling.get("maxUnavailable"), desired, "25%", up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


# What is written.


def plan(live: RawObject, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """What a change to the Deployment comes to; `stored` is the ReplicaSet of a Restore's target."""
    match change:
        case Stop(mark):
            return pause(live, mark)
        case Release():
            return resume(live)
        case Restore(target):
            return restore(live, stored, target)
        case Restart(config):
            return patches.restart(live, config)
    raise unsupported(workload, change)


def pause(live: RawObject, mark: Mark) -> Plan:
    """Stop, signed with the mark; a pause of ours is signed again, another's raises PreconditionError."""
    ours = _our_mark(live)
    if _paused(live):
        if ours is None:
            raise _others_pause(live)
        if ours == mark:
            return Plan("the sentinel has already paused it")
        return Plan(
            f"the sentinel's pause now belongs to {mark.record}",
            (*patches.judged(live), *_annotate(live, mark)),
        )
    return Plan("paused", (*patches.unchanged(live), put("/spec/paused", True), *_annotate(live, mark)))


def resume(live: RawObject) -> Plan:
    """Lift our own pause; another's raises PreconditionError."""
    if not _paused(live):
        stale = _unmark(live)
        return Plan("it is not paused", (*patches.judged(live), *stale) if stale else ())
    if _our_mark(live) is None:
        raise _others_pause(live)
    return Plan("resumed", (*patches.unchanged(live), *_unpause(live)))


def restore(live: RawObject, replica_set: RawObject, target: RevisionRef) -> Plan:
    """Put back the ReplicaSet's template and change-cause, and lift our own pause in the same patch."""
    lifted = our_pause_lifted(live)
    left = "; someone else's pause was kept" if _paused(live) and not lifted else ""
    return patches.put_back(live, replica_set, stored_template(replica_set), target, also=lifted, left=left)


def our_pause_lifted(live: RawObject) -> tuple[Operation, ...]:
    """What lifts our own pause; nothing without one."""
    return _unpause(live) if _our_mark(live) is not None else ()


def _unpause(live: RawObject) -> tuple[Operation, ...]:
    # `add` also replaces; `remove` of an absent field would be refused.
    return (*((put("/spec/paused", False),) if _paused(live) else ()), *_unmark(live))


def _annotate(live: RawObject, mark: Mark) -> tuple[Operation, ...]:
    return patches.set_annotation(live, PAUSED_ANNOTATION, str(mark))


def _unmark(live: RawObject) -> tuple[Operation, ...]:
    return () if _our_mark(live) is None else patches.drop_annotation(live, PAUSED_ANNOTATION)


def _our_mark(live: RawObject) -> Mark | None:
    return parse_mark(text(patches.annotations_of(live).get(PAUSED_ANNOTATION)))


def _paused(live: RawObject) -> bool:
    return mapping(live.get("spec")).get("paused") is True


def _others_pause(live: RawObject) -> PreconditionError:
    name = text(mapping(live.get("metadata")).get("name"))
    return PreconditionError(
        f"deployment {name} is paused by someone else: the sentinel does not touch that pause",
        reason="PausedByOther",
    )


DEPLOYMENT = WorkloadDriver(
    kind=WorkloadKind.DEPLOYMENT,
    resource=DEPLOYMENTS,
    history=REPLICA_SETS,
    verbs=(
        (DEPLOYMENTS, "", ("get", "list", "watch", "patch")),
        (REPLICA_SETS, "", ("get", "list", "watch")),
    ),
    trim=trim_deployment,
    trim_revision=trim_replica_set,
    stored=stored_by_hash,
    template_of=stored_template,
    plan=plan,
    counted=True,
    revision_label=TEMPLATE_HASH,
)
