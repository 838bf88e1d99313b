"""DaemonSets: they have no pause and no partition, so a rollout is stopped by the update strategy OnDelete.

Under OnDelete the controller replaces no pod; the settings of the rolling update stay in the spec, and are in force
again with the strategy RollingUpdate. OnDelete is ours where our annotation signs it.
"""

from sentinel.adapters.kubernetes.api.operations import Operation, put
from sentinel.adapters.kubernetes.api.raw import RawObject, labels, mapping, number, text
from sentinel.adapters.kubernetes.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.driver import (
    WorkloadDriver,
    amount_in_pods,
    replaced_by_hand,
    stored_by_hash,
    unsupported,
)
from sentinel.adapters.kubernetes.workloads.kinds import controller_revisions
from sentinel.adapters.kubernetes.workloads.patches import Plan
from sentinel.adapters.kubernetes.workloads.trim import (
    WorkloadEntry,
    kept_annotations,
    parse_mark,
    ref_of,
    template_manager,
    trim_template,
)
from sentinel.domain.decision import Change, Release, Restart, Restore, Stop
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import (
    PAUSED_ANNOTATION,
    Abilities,
    Brake,
    Mark,
    Stepping,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.kinds import WorkloadKind

_TYPE = "/spec/updateStrategy/type"


# What is read.


def trim_daemon_set(raw: RawObject) -> WorkloadEntry:
    """What matters of a DaemonSet. Its size is the number of nodes that it is to run on, which its status tells."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    ref = ref_of(raw, DAEMON_SETS.api_version, WorkloadKind.DAEMONSET)
    desired, mark = number(status.get("desiredNumberScheduled")), _our_mark(raw)
    generation = number(metadata.get("generation"), 1)
    return WorkloadEntry(
        key=WorkloadKey(WorkloadKind.DAEMONSET, ref.namespace, ref.name),
        ref=ref,
        generation=generation,
        observed_generation=number(status.get("observedGeneration")),
        labels=labels(metadata.get("labels")),
        annotations=kept_annotations(metadata),
        template=trim_template(spec.get("template")),
        desired=desired,
        total=number(status.get("currentNumberScheduled")),
        updated=number(status.get("updatedNumberScheduled")),
        available=number(status.get("numberAvailable")),
        brake=Brake(_on_delete(raw) and mark is not None, mark, name="update strategy OnDelete"),
        abilities=_abilities(raw, desired),
        changed_by=template_manager(metadata),
        deleting="deletionTimestamp" in metadata,
    )


def _abilities(raw: RawObject, desired: int) -> Abilities:
    """What can be done with it: nothing where people replace its pods by hand."""
    if _on_delete(raw) and _our_mark(raw) is None:
        return replaced_by_hand(WorkloadKind.DAEMONSET)
    rolling = mapping(_strategy(raw).get("rollingUpdate"))
    surge = amount_in_pods(rolling.get("maxSurge"), desired, 0)
    unavailable = amount_in_pods(rolling.get("maxUnavailable"), desired, 1)
    return Abilities(
        Stepping.PAUSING,
        first_batch=surge + unavailable,
        smaller_batch="set spec.updateStrategy.rollingUpdate.maxUnavailable: 1 and maxSurge: 0",
    )


def _strategy(raw: RawObject) -> RawObject:
    return mapping(mapping(raw.get("spec")).get("updateStrategy"))


def _on_delete(raw: RawObject) -> bool:
    return _strategy(raw).get("type") == "OnDelete"


def _our_mark(raw: RawObject) -> Mark | None:
    return parse_mark(text(patches.annotations_of(raw).get(PAUSED_ANNOTATION)))


# What is written.


def plan(live: RawObject, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """What a change to the DaemonSet comes to; `stored` is the ControllerRevision of a Restore's target."""
    match change:
        case Stop(mark):
            return stop(live, mark)
        case Release():
            return release(live)
        case Restore(target):
            return restore(live, stored, target)
        case Restart(config):
            return patches.restart(live, config)
    raise unsupported(workload, change)


def stop(live: RawObject, mark: Mark) -> Plan:
    """Let no further pod be replaced, signed with the mark; another's OnDelete raises PreconditionError."""
    signature = patches.set_annotation(live, PAUSED_ANNOTATION, str(mark))
    if not _on_delete(live):
        stopped = put(_TYPE, "OnDelete")
        return Plan("stopped by OnDelete", (*patches.unchanged(live), stopped, *signature))
    ours = _our_mark(live)
    if ours is None:
        raise _others_strategy(live)
    if ours == mark:
        return Plan("it is stopped already, by us")
    return Plan(f"our OnDelete now stands for {mark.record}", (*patches.judged(live), *signature))


def release(live: RawObject) -> Plan:
    """Let pods be replaced again where we stopped that; another's OnDelete raises PreconditionError."""
    if _our_mark(live) is None:
        if _on_delete(live):
            raise _others_strategy(live)
        return Plan("it is not stopped")
    tests = patches.unchanged(live) if _on_delete(live) else patches.judged(live)
    return Plan("its rolling update goes on", (*tests, *_going_on(live)))


def restore(live: RawObject, stored: RawObject, target: RevisionRef) -> Plan:
    """Put back the ControllerRevision's template and change-cause, and let pods be replaced where we stopped that."""
    ours = _our_mark(live) is not None
    if _on_delete(live) and not ours:
        raise _others_strategy(live)
    template = controller_revisions.template_of(stored)
    return patches.put_back(live, stored, template, target, also=_going_on(live) if ours else ())


def _going_on(live: RawObject) -> tuple[Operation, ...]:
    rolling = (put(_TYPE, "RollingUpdate"),) if _on_delete(live) else ()
    return (*rolling, *patches.drop_annotation(live, PAUSED_ANNOTATION))


def _others_strategy(live: RawObject) -> PreconditionError:
    name = text(mapping(live.get("metadata")).get("name"))
    return PreconditionError(
        f"daemonset {name} has the update strategy OnDelete, which is not ours and is left alone",
        reason="OnDeleteByOther",
    )


DAEMON_SET = WorkloadDriver(
    kind=WorkloadKind.DAEMONSET,
    resource=DAEMON_SETS,
    history=CONTROLLER_REVISIONS,
    verbs=(
        (DAEMON_SETS, "", ("get", "list", "watch", "patch")),
        (CONTROLLER_REVISIONS, "", ("get", "list", "watch")),
    ),
    trim=trim_daemon_set,
    trim_revision=controller_revisions.trim_controller_revision,
    stored=stored_by_hash,
    template_of=controller_revisions.template_of,
    plan=plan,
)
