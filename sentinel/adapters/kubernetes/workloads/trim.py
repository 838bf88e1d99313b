"""From raw objects to the little that is kept of them: compact entries, with strings shared where they repeat."""

from dataclasses import dataclass
from datetime import datetime
from sys import intern

from sentinel.adapters.kubernetes.api.raw import (
    RawObject,
    controller_of,
    labels,
    mapping,
    number,
    objects,
    text,
    time,
)
from sentinel.adapters.kubernetes.workloads.digest import TEMPLATE_HASH, bare_template, template_digest
from sentinel.domain.workload.facts import IRREVERSIBLE_ANNOTATION
from sentinel.domain.workload.pods import Container, Pod, Termination

REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MESSAGE_LIMIT = 400


@dataclass(frozen=True, slots=True)
class PodEntry:
    """A pod and its controller's uid. The node's readiness is filled in when a snapshot is taken."""

    namespace: str
    owner_uid: str
    pod: Pod


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What is kept of a pod template."""

    digest: str
    images: tuple[str, ...]
    labels: dict[str, str]
    irreversible: str


@dataclass(frozen=True, slots=True)
class ReplicaSetEntry:
    """A ReplicaSet: one revision of a Deployment."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    hash: str
    number: int
    template: TemplateFacts
    created_at: datetime | None
    change_cause: str
    replicas: int
    ready: int
    available: int


@dataclass(frozen=True, slots=True)
class DeploymentEntry:
    """A Deployment's spec and status, its counts in pods, surge and unavailability as written."""

    namespace: str
    name: str
    uid: str
    generation: int
    observed_generation: int
    labels: dict[str, str]
    annotations: dict[str, str]
    template: TemplateFacts
    desired: int
    total: int
    updated: int
    ready: int
    available: int
    paused: bool
    recreate: bool
    max_surge: int | str
    max_unavailable: int | str
    deadline_exceeded: bool
    create_failure: str
    create_failure_since: datetime | None
    changed_by: str
    deleting: bool


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node and whether it is ready."""

    namespace: str
    name: str
    ready: bool


def trim_pod(raw: RawObject) -> PodEntry:
    """What matters of a pod."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    conditions = {text(c.get("type")): c for c in objects(status.get("conditions"))}
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    node = text(spec.get("nodeName"))
    is_ready = ready.get("status") == "True"
    pod = Pod(
        name=text(metadata.get("name")),
        uid=text(metadata.get("uid")),
        revision=intern(text(mapping(metadata.get("labels")).get(TEMPLATE_HASH))),
        node=intern(node) if node else None,
        phase=intern(text(status.get("phase")) or "Pending"),
        reason=intern(text(status.get("reason"))),
        created_at=time(metadata.get("creationTimestamp")),
        scheduled_at=_since(scheduled) if scheduled.get("status") == "True" else None,
        unschedulable=_unschedulable(scheduled),
        ready=is_ready,
        ready_since=_since(ready) if is_ready else None,
        unready_since=None if is_ready else _since(ready),
        furnished=_told(conditions.get("PodReadyToStartContainers", {})),
        deleting="deletionTimestamp" in metadata,
        containers=_containers(spec, status),
    )
    return PodEntry(intern(text(metadata.get("namespace"))), intern(controller_of(metadata)[2]), pod)


def _since(condition: RawObject) -> datetime | None:
    return time(condition.get("lastTransitionTime"))


def _told(condition: RawObject) -> bool | None:
    """What a condition says; None where it is absent or unknown."""
    return {"True": True, "False": False}.get(text(condition.get("status")))


def _unschedulable(scheduled: RawObject) -> str | None:
    """Why the scheduler finds no node; waiting for its first try is no reason yet."""
    if scheduled.get("status") != "False" or not scheduled.get("reason"):
        return None
    return intern(_cut(text(scheduled.get("message"))) or text(scheduled.get("reason")))


def _containers(spec: RawObject, status: RawObject) -> tuple[Container, ...]:
    init = objects(status.get("initContainerStatuses"))
    kept = {
        text(item.get("name"))
        for item in objects(spec.get("initContainers"))
        if item.get("restartPolicy") == "Always"
    }
    return (
        *(_container(item, init=True, sidecar=text(item.get("name")) in kept) for item in init),
        *(_container(item) for item in objects(status.get("containerStatuses"))),
    )


def _container(raw: RawObject, *, init: bool = False, sidecar: bool = False) -> Container:
    state = mapping(raw.get("state"))
    waiting = state.get("waiting")
    waits = mapping(waiting)
    return Container(
        name=intern(text(raw.get("name"))),
        ready=raw.get("ready") is True,
        restarts=number(raw.get("restartCount")),
        waiting=None if waiting is None else intern(text(waits.get("reason"))),
        waiting_message=intern(_cut(text(waits.get("message")))),
        running_since=time(mapping(state.get("running")).get("startedAt")),
        terminated=_termination(state.get("terminated")),
        last=_termination(mapping(raw.get("lastState")).get("terminated")),
        image=intern(text(raw.get("image"))),
        pulled=bool(raw.get("imageID")),
        init=init,
        sidecar=sidecar,
        started=started if isinstance(started := raw.get("started"), bool) else None,
    )


def _termination(raw: object) -> Termination | None:
    if not isinstance(raw, dict):
        return None
    return Termination(
        reason=intern(text(raw.get("reason"))),
        exit_code=number(raw.get("exitCode")),
        started_at=time(raw.get("startedAt")),
        finished_at=time(raw.get("finishedAt")),
        message=_cut(text(raw.get("message"))),
    )


def _cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"


def trim_template(template: object) -> TemplateFacts:
    """What matters of a pod template."""
    bare = bare_template(template)
    metadata = mapping(bare.get("metadata"))
    containers = objects(mapping(bare.get("spec")).get("containers"))
    return TemplateFacts(
        digest=template_digest(template),
        images=tuple(intern(text(container.get("image"))) for container in containers),
        labels=labels(metadata.get("labels")),
        irreversible=text(mapping(metadata.get("annotations")).get(IRREVERSIBLE_ANNOTATION)),
    )


def trim_replica_set(raw: RawObject) -> ReplicaSetEntry:
    """What matters of a ReplicaSet."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    annotations = mapping(metadata.get("annotations"))
    return ReplicaSetEntry(
        namespace=intern(text(metadata.get("namespace"))),
        name=text(metadata.get("name")),
        uid=intern(text(metadata.get("uid"))),
        owner_uid=intern(controller_of(metadata)[2]),
        hash=intern(text(mapping(metadata.get("labels")).get(TEMPLATE_HASH))),
        number=revision_number(annotations),
        template=trim_template(spec.get("template")),
        created_at=time(metadata.get("creationTimestamp")),
        change_cause=_cut(text(annotations.get(CHANGE_CAUSE))),
        replicas=number(status.get("replicas")),
        ready=number(status.get("readyReplicas")),
        available=number(status.get("availableReplicas")),
    )


def revision_number(annotations: RawObject) -> int:
    """The Deployment controller's revision number, 0 where there is none."""
    value = text(annotations.get(REVISION_ANNOTATION))
    return int(value) if value.isdecimal() else 0


def trim_deployment(raw: RawObject) -> DeploymentEntry:
    """What matters of a Deployment."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    strategy = mapping(spec.get("strategy"))
    rolling = mapping(strategy.get("rollingUpdate"))
    refused = _create_failure(status)
    return DeploymentEntry(
        namespace=intern(text(metadata.get("namespace"))),
        name=text(metadata.get("name")),
        uid=intern(text(metadata.get("uid"))),
        generation=number(metadata.get("generation"), 1),
        observed_generation=number(status.get("observedGeneration")),
        labels=labels(metadata.get("labels")),
        annotations=_annotations(metadata),
        template=trim_template(spec.get("template")),
        desired=number(spec.get("replicas"), 1),
        total=number(status.get("replicas")),
        updated=number(status.get("updatedReplicas")),
        ready=number(status.get("readyReplicas")),
        available=number(status.get("availableReplicas")),
        paused=spec.get("paused") is True,
        recreate=strategy.get("type") == "Recreate",
        max_surge=_amount(rolling.get("maxSurge")),
        max_unavailable=_amount(rolling.get("maxUnavailable")),
        deadline_exceeded=_deadline_exceeded(status),
        create_failure=_cut(text(refused.get("message")) or text(refused.get("reason"))),
        create_failure_since=_since(refused),
        changed_by=template_manager(metadata),
        deleting="deletionTimestamp" in metadata,
    )


def _annotations(metadata: RawObject) -> dict[str, str]:
    """All but the copy of the whole manifest that `kubectl apply` leaves, which can be large."""
    return {key: value for key, value in labels(metadata.get("annotations")).items() if key != LAST_APPLIED}


def _amount(value: object) -> int | str:
    return value if isinstance(value, int | str) else "25%"


def _deadline_exceeded(status: RawObject) -> bool:
    return any(
        condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"
        for condition in objects(status.get("conditions"))
    )


def _create_failure(status: RawObject) -> RawObject:
    """The condition that says that pods cannot be created; empty where they can."""
    told = (c for c in objects(status.get("conditions")) if c.get("type") == "ReplicaFailure")
    return next((c for c in told if (c.get("status"), c.get("reason")) == ("True", "FailedCreate")), {})


def template_manager(metadata: RawObject) -> str:
    """The field manager that wrote (a part of) the pod template last, as far as managedFields tell."""
    newest, manager = "", ""
    for entry in objects(metadata.get("managedFields")):
        fields = mapping(mapping(entry.get("fieldsV1")).get("f:spec"))
        written = text(entry.get("time"))
        if "f:template" in fields and not entry.get("subresource") and written >= newest:
            newest, manager = written, text(entry.get("manager"))
    return intern(manager)


def trim_node(raw: RawObject) -> NodeEntry:
    """A node's name and readiness."""
    conditions = objects(mapping(raw.get("status")).get("conditions"))
    unready = any(c.get("type") == "Ready" and c.get("status") != "True" for c in conditions)
    return NodeEntry("", text(mapping(raw.get("metadata")).get("name")), not unready)
