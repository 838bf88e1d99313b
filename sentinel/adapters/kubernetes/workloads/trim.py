"""From raw objects to the little that is kept of them: compact entries, with strings shared where they repeat."""

from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Any
from weakref import WeakValueDictionary

from sentinel.adapters.kubernetes.api.raw import (
    RawObject,
    labels,
    mapping,
    objects,
    text,
    time,
)
from sentinel.adapters.kubernetes.config.naming import named_by
from sentinel.adapters.kubernetes.workloads.digest import (
    bare_template,
    template_digest,
)
from sentinel.domain.workload.config import ConfigRef
from sentinel.domain.workload.facts import (
    COMMITTED,
    CONFIG_ANNOTATION,
    IMAGE_CREATED,
    IRREVERSIBLE_ANNOTATION,
    Abilities,
    Brake,
    Mark,
    OwnSteps,
    WorkloadKey,
)
from sentinel.domain.workload.revision import ChangeOrigin, ObjectRef, OriginKind
from sentinel.values import dataclass, replace

CHANGE_CAUSE = "kubernetes.io/change-cause"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class TemplateFacts:
    """What is kept of a pod template; see `Revision`."""

    digest: str
    images: tuple[str, ...]
    labels: dict[str, str]
    irreversible: str
    named: tuple[ConfigRef, ...] = ()
    apart: str = ""
    origin: ChangeOrigin | None = None


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

    `neutral` is its digest among the members of a pair, empty where no pairs are watched. `essence` is that of its
    template without defaults, empty where revisions are identified by their content.
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
    essence: str = ""

    @property
    def uid(self) -> str:
        """The object's own uid."""
        return self.ref.uid


@dataclass(frozen=True, slots=True)
class WorkloadEntry:
    """A workload by its own object alone, whatever its kind: its driver has read the kind's fields.

    The counts are those of its status. `ordered`: its pods are made one after the other, each when all before it are
    ready, so that a broken one keeps the rest from being replaced. `member` is None where no pairs are watched.
    `essence` is that of the template in the object, empty where it has none or revisions are identified by their
    content; a `template` without a digest is one that its controller has not named yet.
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
    essence: str = ""
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


def trim_template(template: object, *, digest: str = "") -> TemplateFacts:
    """What matters of a pod template; `digest` if its revision is identified by something other than its content."""
    bare = bare_template(template)
    own = template_digest(bare)
    facts = _KNOWN.get(own)
    if facts is None:
        facts = _KNOWN[own] = _facts(bare, own)
    return replace(facts, digest=digest) if digest else facts


_KNOWN: WeakValueDictionary[str, TemplateFacts] = WeakValueDictionary()
"""The facts of each template that is held, by its own digest: a workload and its revision share them."""


def _facts(bare: dict[str, Any], own: str) -> TemplateFacts:
    metadata = mapping(bare.get("metadata"))
    containers = objects(mapping(bare.get("spec")).get("containers"))
    return TemplateFacts(
        digest=own,
        images=tuple(intern(text(container.get("image"))) for container in containers),
        labels=labels(metadata.get("labels")),
        irreversible=text(mapping(metadata.get("annotations")).get(IRREVERSIBLE_ANNOTATION)),
        named=_shared(named_by(bare)),
        apart=digest_apart(bare) or own,
        origin=_origin(metadata),
    )


def _origin(metadata: RawObject) -> ChangeOrigin | None:
    """When the template was committed, or its image made, by an annotation or label that CI sets."""
    for name, kind in ((COMMITTED, OriginKind.COMMIT), (IMAGE_CREATED, OriginKind.IMAGE)):
        for part in ("annotations", "labels"):
            at = _when(text(mapping(metadata.get(part)).get(name)))
            if at is not None:
                return ChangeOrigin(at, kind)
    return None


def _when(value: str) -> datetime | None:
    """An RFC 3339 time or, as a label has no colons, seconds since 1970; None for anything else."""
    if value.isdecimal() and len(value) <= len("9999999999"):
        return datetime.fromtimestamp(int(value), UTC)
    return time(value)


@lru_cache(maxsize=4096)
def _shared(named: tuple[ConfigRef, ...]) -> tuple[ConfigRef, ...]:
    """The same names as one object: the revisions of a workload mostly name the same."""
    return named


def digest_apart(bare: RawObject) -> str:
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
