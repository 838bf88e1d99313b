"""From raw objects to the little that is kept of them: compact entries, with strings shared where they repeat."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
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
from sentinel.adapters.kubernetes.config.naming import named_by
from sentinel.adapters.kubernetes.workloads.digest import (
    ROLLOUT_HASH,
    TEMPLATE_HASH,
    bare_template,
    template_digest,
)
from sentinel.domain.workload.config import ConfigRef
from sentinel.domain.workload.facts import (
    CONFIG_ANNOTATION,
    IRREVERSIBLE_ANNOTATION,
    Abilities,
    Brake,
    Mark,
    OwnSteps,
    WorkloadKey,
)
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.domain.workload.revision import ObjectRef

CONTROLLER_HASH = "controller-revision-hash"
"""The label by which pods without a ReplicaSet name their revision."""
_REVISION_LABELS = (TEMPLATE_HASH, ROLLOUT_HASH, CONTROLLER_HASH)
CHANGE_CAUSE = "kubernetes.io/change-cause"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MESSAGE_LIMIT = 400


@dataclass(frozen=True, slots=True)
class PodEntry:
    """A pod and the uid of its controller. The node's readiness is filled in when a snapshot is taken."""

    namespace: str
    owner_uid: str
    pod: Pod


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What is kept of a pod template; see `Revision`."""

    digest: str
    images: tuple[str, ...]
    labels: dict[str, str]
    irreversible: str
    named: tuple[ConfigRef, ...] = ()
    apart: str = ""


@dataclass(frozen=True, slots=True)
class PodCounts:
    """How many pods of one revision there are."""

    replicas: int
    ready: int
    available: int


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What a pair needs of a member besides: the digest of its template without what its selector asks for, and the
    labels of that selector; `plain`: it asks for nothing but these. `ready` counts its ready pods."""

    neutral: str
    selector: dict[str, str]
    plain: bool
    ready: int


@dataclass(frozen=True, slots=True)
class RevisionEntry:
    """An object that stores one revision of a workload. `counts` is None where it tells nothing of its pods.

    `neutral` is its digest among the members of a pair, empty where no pairs are watched.
    """

    ref: ObjectRef
    owner_uid: str
    hash: str
    number: int
    template: TemplateFacts
    created_at: datetime | None
    change_cause: str
    counts: PodCounts | None = None
    neutral: str = ""

    @property
    def uid(self) -> str:
        """The object's own uid."""
        return self.ref.uid


@dataclass(frozen=True, slots=True)
class WorkloadEntry:
    """A workload by its own object alone, whatever its kind: its driver has read the kind's fields.

    The counts are those of its status. `ordered`: its pods are made one after the other, each when all before it are
    ready, so that a broken one keeps the rest from being replaced. `member` is None where no pairs are watched.
    """

    key: WorkloadKey
    ref: ObjectRef
    generation: int
    observed_generation: int
    labels: dict[str, str]
    annotations: dict[str, str]
    template: TemplateFacts
    desired: int
    total: int
    updated: int
    available: int
    brake: Brake
    abilities: Abilities
    changed_by: str
    deleting: bool
    progress_deadline_exceeded: bool = False
    create_failure: str = ""
    create_failure_since: datetime | None = None
    written: str = ""
    finished: bool | None = None
    own_steps: OwnSteps | None = None
    ordered: bool = False
    member: MemberFacts | None = None

    @property
    def uid(self) -> str:
        """The workload's uid."""
        return self.ref.uid


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
    named = mapping(metadata.get("labels"))
    is_ready = ready.get("status") == "True"
    pod = Pod(
        name=text(metadata.get("name")),
        uid=text(metadata.get("uid")),
        revision=intern(next((text(named[mark]) for mark in _REVISION_LABELS if mark in named), "")),
        node=intern(node) if node else None,
        phase=intern(text(status.get("phase")) or "Pending"),
        reason=intern(text(status.get("reason"))),
        created_at=time(metadata.get("creationTimestamp")),
        scheduled_at=since(scheduled) if scheduled.get("status") == "True" else None,
        unschedulable=_unschedulable(scheduled),
        ready=is_ready,
        ready_since=since(ready) if is_ready else None,
        unready_since=None if is_ready else since(ready),
        furnished=_told(conditions.get("PodReadyToStartContainers", {})),
        deleting="deletionTimestamp" in metadata,
        containers=_containers(spec, status),
    )
    return PodEntry(intern(text(metadata.get("namespace"))), intern(controller_of(metadata)[2]), pod)


def since(condition: RawObject) -> datetime | None:
    return time(condition.get("lastTransitionTime"))


def _told(condition: RawObject) -> bool | None:
    """What a condition says; None where it is absent or unknown."""
    return {"True": True, "False": False}.get(text(condition.get("status")))


def _unschedulable(scheduled: RawObject) -> str | None:
    """Why the scheduler finds no node; waiting for its first attempt is not a reason yet."""
    if scheduled.get("status") != "False" or not scheduled.get("reason"):
        return None
    return intern(cut(text(scheduled.get("message"))) or text(scheduled.get("reason")))


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
        waiting_message=intern(cut(text(waits.get("message")))),
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
        message=cut(text(raw.get("message"))),
    )


def deadline_exceeded(status: RawObject) -> bool:
    """Whether the controller says that the rollout no longer makes progress."""
    return any(
        condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"
        for condition in objects(status.get("conditions"))
    )


def create_failure(status: RawObject) -> RawObject:
    """The condition that says that pods cannot be created; empty where they can."""
    told = (c for c in objects(status.get("conditions")) if c.get("type") == "ReplicaFailure")
    return next((c for c in told if (c.get("status"), c.get("reason")) == ("True", "FailedCreate")), {})


def cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"


def trim_template(template: object, *, digest: str = "") -> TemplateFacts:
    """What matters of a pod template; `digest` if its revision is identified by something other than its content."""
    bare = bare_template(template)
    metadata = mapping(bare.get("metadata"))
    containers = objects(mapping(bare.get("spec")).get("containers"))
    own = template_digest(template)
    return TemplateFacts(
        digest=digest or own,
        images=tuple(intern(text(container.get("image"))) for container in containers),
        labels=labels(metadata.get("labels")),
        irreversible=text(mapping(metadata.get("annotations")).get(IRREVERSIBLE_ANNOTATION)),
        named=_shared(named_by(bare)),
        apart=_apart(bare) or own,
    )


@lru_cache(maxsize=4096)
def _shared(named: tuple[ConfigRef, ...]) -> tuple[ConfigRef, ...]:
    """The same names as one object: the revisions of a workload mostly name the same."""
    return named


def _apart(bare: RawObject) -> str:
    """The digest of a template without our annotation; empty where it has none."""
    metadata = mapping(bare.get("metadata"))
    annotations = {k: v for k, v in mapping(metadata.get("annotations")).items() if k != CONFIG_ANNOTATION}
    if CONFIG_ANNOTATION not in mapping(metadata.get("annotations")):
        return ""
    left = {k: v for k, v in metadata.items() if k != "annotations"}
    if annotations:
        left["annotations"] = annotations
    return template_digest({**bare, "metadata": left})


def ref_of(raw: RawObject, api_version: str, kind: str) -> ObjectRef:
    """The reference to an object. Objects of a list do not name their version and kind themselves."""
    metadata = mapping(raw.get("metadata"))
    return ObjectRef(
        api_version,
        kind,
        intern(text(metadata.get("namespace"))),
        text(metadata.get("name")),
        intern(text(metadata.get("uid"))),
    )


def parse_mark(value: str) -> Mark | None:
    """Our mark on a brake, None where the annotation is absent or not of our making."""
    record, _, until = value.rpartition(",")
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        return None
    return Mark(record, moment) if record and moment.tzinfo else None


def kept_annotations(metadata: RawObject) -> dict[str, str]:
    """All but the copy of the whole manifest that `kubectl apply` leaves, which can be large."""
    return {key: value for key, value in labels(metadata.get("annotations")).items() if key != LAST_APPLIED}


def template_manager(metadata: RawObject, *, controller: str = "") -> str:
    """The field manager that wrote (a part of) the pod template last, as far as managedFields tell.

    `controller` writes to the template as well, and is nobody who changed it.
    """
    newest, manager = "", ""
    for entry in objects(metadata.get("managedFields")):
        fields = mapping(mapping(entry.get("fieldsV1")).get("f:spec"))
        written = text(entry.get("time"))
        if (
            "f:template" in fields
            and entry.get("manager") != controller
            and not entry.get("subresource")
            and written >= newest
        ):
            newest, manager = written, text(entry.get("manager"))
    return intern(manager)


def trim_beside(raw: RawObject) -> RawObject:
    """An object that belongs to a pair beside its members: all of it but its managedFields."""
    metadata = {key: value for key, value in mapping(raw.get("metadata")).items() if key != "managedFields"}
    return {**raw, "metadata": metadata}


def trim_node(raw: RawObject) -> NodeEntry:
    """A node's name and readiness."""
    conditions = objects(mapping(raw.get("status")).get("conditions"))
    unready = any(c.get("type") == "Ready" and c.get("status") != "True" for c in conditions)
    return NodeEntry("", text(mapping(raw.get("metadata")).get("name")), not unready)
