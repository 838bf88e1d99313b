"""Argo Rollouts' Rollout objects: their own controller makes the steps, and is never worked against.

In flight the controller is asked by its status, as its own `promote` and `abort` commands do. A revision is known by
the controller's hash, since a ReplicaSet's template has defaults that the Rollout's has not.
"""

from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, labels, mapping, number, text
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, REPLICA_SETS, ROLLOUTS
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.digest import ROLLOUT_HASH, bare_template, digest_of
from sentinel.adapters.kubernetes.workloads.driver import WorkloadDriver, stored_by_hash, unsupported
from sentinel.adapters.kubernetes.workloads.essence import essence_of
from sentinel.adapters.kubernetes.workloads.kinds.argo_steps import (
    INCONCLUSIVE,
    canary_steps,
    own_steps,
    step_index,
    waits_for,
)
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template, trim_replica_set
from sentinel.adapters.kubernetes.workloads.patches import Patch, Plan
from sentinel.adapters.kubernetes.workloads.trim import (
    WorkloadEntry,
    create_failure,
    deadline_exceeded,
    kept_annotations,
    ref_of,
    template_manager,
    trim_template,
)
from sentinel.adapters.kubernetes.workloads.trim_pods import cut, since
from sentinel.domain.decision import Change, Promote, Restart, Restore
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Abilities, Ability, Brake, Stepping, Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import replace

_ABILITIES = Abilities(
    Stepping.OWN,
    stops=False,
    why_not={
        Ability.STEPPING: "a Rollout's canary steps are its own, in spec.strategy: remove the steps from the policy"
    },
)
_CONTROLLER = "rollouts-controller"
"""The field manager of the Rollout's controller, which writes a default or two into the template of each Rollout."""
_REFERENCE_GENERATION = "rollout.argoproj.io/workload-generation"


# What is read.


def trim_rollout(raw: RawObject) -> WorkloadEntry:
    """What matters of a Rollout. Before its controller has named a revision, its template has no digest."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    ref = ref_of(raw, ROLLOUTS.api_version, WorkloadKind.ROLLOUT)
    generation = number(metadata.get("generation"), 1)
    refused = create_failure(status)
    current = text(status.get("currentPodHash"))
    return WorkloadEntry(
        key=WorkloadKey(WorkloadKind.ROLLOUT, ref.namespace, ref.name),
        ref=ref,
        generation=generation,
        observed_generation=generation if _taken_up(raw) else generation - 1,
        labels=labels(metadata.get("labels")),
        annotations=kept_annotations(metadata),
        template=replace(trim_template(spec.get("template")), digest=current),
        desired=number(spec.get("replicas"), 1),
        total=number(status.get("replicas")),
        updated=number(status.get("updatedReplicas")),
        available=number(status.get("availableReplicas")),
        brake=Brake(spec.get("paused") is True),
        abilities=_ABILITIES,
        progress_deadline_exceeded=deadline_exceeded(status),
        create_failure=cut(text(refused.get("message")) or text(refused.get("reason"))),
        create_failure_since=since(refused),
        changed_by=template_manager(metadata, controller=_CONTROLLER),
        deleting="deletionTimestamp" in metadata,
        written=digest_of(raw),
        essence=essence_of(spec.get("template")),
        finished=status.get("phase") == "Healthy" and text(status.get("stableRS")) == current,
        own_steps=own_steps(raw),
    )


def _taken_up(raw: RawObject) -> bool:
    """Whether its controller has taken up what was last written to its spec, its reference or its pause.

    A pause that somebody ended is still marked as the controller's own until the controller has seen that.
    """
    metadata, status = mapping(raw.get("metadata")), mapping(raw.get("status"))
    observed = text(status.get("observedGeneration")) == str(number(metadata.get("generation"), 1))
    referred = labels(metadata.get("annotations")).get(_REFERENCE_GENERATION)
    followed = referred in (None, text(status.get("workloadObservedGeneration")))
    resumed = status.get("controllerPause") is True and not status.get("pauseConditions")
    return observed and followed and not resumed


# What is written.


def plan(live: RawObject, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """What a change to the Rollout comes to; `stored` is the ReplicaSet of a Restore's target.

    Raises PreconditionError where the template is another one by now, though its controller does not say so yet.
    """
    undone = isinstance(change, Restore) and workload.revision_asked_for == change.target.digest
    if workload.unnamed is not None and not undone:
        who = workload.changed_by or "someone"
        raise PreconditionError(
            f"{who} changed the pod template of {workload.key} since it was judged, and its controller has not taken "
            "that up",
            reason="TemplateChanged",
        )
    match change:
        case Promote(full=True):
            return promote_in_full(live)
        case Promote():
            return promote(live)
        case Restore(target):
            return restore(live, workload, stored, target)
        case Restart(config) if "template" in mapping(live.get("spec")):
            return patches.restart(live, config)
        case _:
            raise unsupported(workload, change)


def promote(live: RawObject) -> Plan:
    """End the pause at which its controller waits; after an inconclusive analysis with the step that follows it."""
    reason = waits_for(live)
    if not reason:
        return Plan("it is already past this step")
    status = mapping(live.get("status"))
    ended = (
        holds("/status/pauseConditions", status.get("pauseConditions")),
        {"op": "remove", "path": "/status/pauseConditions"},
    )
    if reason not in INCONCLUSIVE:
        return Plan("promoted to its next step", patches=(_on_status(live, *ended),))
    following = min(step_index(live) + 1, len(canary_steps(live)))
    onward = (
        put("/status/controllerPause", False),
        put("/status/currentStepIndex", following),
    )
    return Plan("promoted past its inconclusive analysis", patches=(_on_status(live, *ended, *onward),))


def promote_in_full(live: RawObject) -> Plan:
    """Have its controller skip all steps that are left. A finished Rollout is left alone: nothing would clear it."""
    status = mapping(live.get("status"))
    if status.get("promoteFull") is True or _is_stable(live):
        return Plan("it is already fully promoted")
    return Plan("promoted in full", patches=(_on_status(live, put("/status/promoteFull", True)),))


def restore(live: RawObject, workload: Workload, replica_set: RawObject, target: RevisionRef) -> Plan:
    """Abort what is in flight, then put the target's template back where it is written.

    The abort takes the candidate out of service though something puts the bad template back.
    """
    aborted = _is_stable(live) or mapping(live.get("status")).get("abort") is True
    abort = () if aborted else (_on_status(live, put("/status/abort", True)),)
    reference = mapping(mapping(live.get("spec")).get("workloadRef"))
    template = stored_template(replica_set)
    if reference:
        sentence = f"the template of {target} was restored in the Deployment that the Rollout refers to"
        return Plan(sentence, patches=(*abort, _on_reference(live, workload, reference, template)))
    back = patches.put_back(live, replica_set, template, target)
    return Plan(back.sentence, patches=(*abort, Patch(back.operations)))


def _on_status(live: RawObject, *operations: Operation) -> Patch:
    """A patch of the status that is refused where the Rollout is not what was judged."""
    judged = (
        holds("/metadata/uid", mapping(live.get("metadata")).get("uid")),
        holds("/status/currentPodHash", mapping(live.get("status")).get("currentPodHash")),
    )
    return Patch((*judged, *operations), subresource="status")


def _on_reference(live: RawObject, workload: Workload, reference: RawObject, template: RawObject) -> Patch:
    """A patch of the Deployment that the Rollout takes its template from, as its controller has last seen it."""
    kind, name = text(reference.get("kind")), text(reference.get("name"))
    if (text(reference.get("apiVersion")), kind) != (DEPLOYMENTS.api_version, "Deployment"):
        raise InvalidObjectError(
            f"{workload.key} takes its template from the {kind} {name}: only a Deployment's template can be restored",
            reason="Unsupported",
        )
    seen = text(mapping(live.get("status")).get("workloadObservedGeneration"))
    operations = (
        holds("/metadata/generation", int(seen) if seen.isdecimal() else seen),
        {"op": "replace", "path": "/spec/template", "value": bare_template(template)},
    )
    return Patch(operations, resource=DEPLOYMENTS, name=name)


def _is_stable(live: RawObject) -> bool:
    status = mapping(live.get("status"))
    return status.get("stableRS") == status.get("currentPodHash")


ROLLOUT = WorkloadDriver(
    kind=WorkloadKind.ROLLOUT,
    resource=ROLLOUTS,
    history=REPLICA_SETS,
    verbs=(
        (ROLLOUTS, "", ("get", "list", "watch", "patch")),
        (ROLLOUTS, "status", ("patch",)),
        (REPLICA_SETS, "", ("get", "list", "watch")),
        (DEPLOYMENTS, "", ("patch",)),
    ),
    trim=trim_rollout,
    trim_revision=trim_replica_set,
    stored=stored_by_hash,
    template_of=stored_template,
    plan=plan,
    counted=True,
    revision_label=ROLLOUT_HASH,
)
