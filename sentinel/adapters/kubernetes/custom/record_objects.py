"""RolloutRecord objects: the custom resource's form of a domain Record, kept within its bounds."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, TypedDict

import msgspec
import orjson

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.adapters.kubernetes.api.resources import RECORDS
from sentinel.adapters.kubernetes.custom.codec import decode, encode
from sentinel.adapters.kubernetes.custom.direct import decode_bytes
from sentinel.adapters.kubernetes.custom.former_schema import present_form, step_moved
from sentinel.adapters.kubernetes.custom.unread import Unread
from sentinel.bounded import BoundedDict
from sentinel.domain.alert import AlertsBeyond
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import AlertEntry, DecisionEntry, NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json, Phase, RevisionRef, RolloutState
from sentinel.domain.revert import RevertRef
from sentinel.domain.words import standing
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import dataclass, replace

KIND = "RolloutRecord"
WORKLOAD_LABEL = "rollback-sentinel.dev/workload"
_LABEL_LIMIT = 63
_SHARED_DOCUMENTS = 500


@dataclass(frozen=True, slots=True)
class RecordedWorkload:
    """Which workload; its namespace is the record's own."""

    kind: WorkloadKind
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class RecordSpec:
    """What is known when a rollout is first seen."""

    workload: RecordedWorkload
    candidate: RevisionRef
    policy: str
    policy_digest: str
    started_at: datetime
    stable: RevisionRef | None = None
    mode: Mode = Mode.ENFORCE
    attempt: int = 1
    trigger: str = ""
    policy_document: Json = field(default_factory=dict)
    policy_set: str = ""


@dataclass(frozen=True, slots=True)
class RecordHistory:
    """The rest of the status beside the state; `candidate` once its controller has given it a name."""

    candidate: RevisionRef | None = None
    decisions: tuple[DecisionEntry, ...] = ()
    alerts: tuple[AlertEntry, ...] = ()
    alerts_beyond: AlertsBeyond | None = None
    notice: NoticeRef | None = None
    notices: Mapping[str, NoticeRef] = field(default_factory=dict)
    revert: RevertRef | None = None
    approvals: frozenset[int] = frozenset()
    resumed_at: datetime | None = None


def spec_of(record: Record) -> RecordSpec:
    """The part of the record that is the object's spec."""
    return RecordSpec(
        workload=RecordedWorkload(record.key.kind, record.key.name, record.workload_uid),
        candidate=record.candidate,
        policy=record.policy,
        policy_digest=record.policy_digest,
        started_at=record.started_at,
        stable=record.stable,
        mode=record.mode,
        attempt=record.attempt,
        trigger=record.trigger,
        policy_document=record.policy_document,
        policy_set=record.policy_set,
    )


def object_of(record: Record) -> dict[str, Any]:
    """The whole object."""
    return {**beginning_of(record), "status": status_of(record)}


def beginning_of(record: Record) -> dict[str, Any]:
    """The object without its status, as it is created: the API server takes a status by a separate write.

    It has no ownerReference: the history, and the memory of bad revisions, outlives the workload, which may come
    back under its name; it goes with the namespace.
    """
    whole = _named(record)
    whole["metadata"]["labels"] = {
        "app.kubernetes.io/managed-by": "rollback-sentinel",
        WORKLOAD_LABEL: label_of(record.key),
    }
    kept = {"configData": record.config_kept} if record.config_kept else {}
    spec = encode(replace(spec_of(record), policy_document={}))
    document = _encoded_document(record.policy_digest, record.policy_document)
    return {**whole, "spec": {**spec, **({"policyDocument": document} if document else {}), **kept}}


def with_status(record: Record, status: dict[str, Any]) -> dict[str, Any]:
    """What a write of the status consists of: the API server leaves the rest of the object as it is."""
    return {**_named(record), "status": status}


def _named(record: Record) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": record.name, "namespace": record.key.namespace}
    if record.version:
        metadata["resourceVersion"] = record.version
    if record.uid:
        metadata["uid"] = record.uid
    return {"apiVersion": RECORDS.api_version, "kind": KIND, "metadata": metadata}


def at_its_beginning(record: Record) -> Record:
    """The record as `record_of` reads it from an object that has no status yet."""
    return Record(
        name=record.name,
        key=record.key,
        workload_uid=record.workload_uid,
        candidate=record.candidate,
        stable=record.stable,
        policy=record.policy,
        policy_digest=record.policy_digest,
        started_at=record.started_at,
        state=RolloutState(Phase.PROGRESSING),
        mode=record.mode,
        attempt=record.attempt,
        trigger=record.trigger,
        policy_document=record.policy_document,
        policy_set=record.policy_set,
        uid=record.uid,
        version=record.version,
    )


def label_of(key: WorkloadKey) -> str:
    """By which label a workload's records are found; long names may share one."""
    return key.name[:_LABEL_LIMIT].rstrip("-.")


def status_of(record: Record) -> dict[str, Any]:
    """The object's status; the record is to be within bounds (`fitted`)."""
    candidate = record.candidate if record.candidate.hash else None
    history = RecordHistory(
        candidate,
        record.decisions,
        record.alerts,
        record.alerts_beyond,
        record.notice,
        record.notices,
        record.revert,
        record.approvals,
        record.resumed_at,
    )
    shown = {
        "revision": _revision_shown(record.candidate),
        "stepNumber": record.state.progress.step + 1,
        "standing": standing(record).value,
    }
    return _steps_moved({**shown, **encode(record.state), **encode(history)}, 1)


def _steps_moved(status: Mapping[str, Any], by: int) -> dict[str, Any]:
    """The status with its steps counted from another number: in objects they count from 1, in the domain from 0."""
    moved = {**status, "progress": step_moved(status.get("progress", {}), by)}
    decisions = status.get("decisions")
    if isinstance(decisions, list):
        moved["decisions"] = [step_moved(entry, by) for entry in decisions]
    return moved


def _revision_shown(candidate: RevisionRef) -> str:
    """The revision as the printed column shows it."""
    return str(candidate.number) if candidate.number else candidate.hash or candidate.digest[:10]


def put_away(record: Record, status: Mapping[str, Any]) -> Record:
    """The record, if it is over, with the states of its tests as the bytes that its status holds."""
    states = status.get("analysis")
    if record.live or not states:
        return record
    return record.with_state(replace(record.state, analysis=Unread(orjson.dumps(states))))


class RecordShape(TypedDict, total=False):
    """A record as its watch reads it: spec and status as they came, for `record_of`."""

    metadata: "_Metadata | None"
    spec: msgspec.Raw
    status: msgspec.Raw


class _Metadata(TypedDict, total=False):
    namespace: str | None
    name: str | None
    uid: str | None
    resourceVersion: str | None


def record_of(raw: RawObject) -> Record:
    """The record of an object; one that was created and has no status yet is at its very beginning.

    Raises ValueError that names the field which is missing or cannot be read.
    """
    metadata = mapping(raw.get("metadata"))
    spec = _spec(raw.get("spec"))
    history, state = _status(raw.get("status"))
    return Record(
        name=text(metadata.get("name")),
        key=WorkloadKey(spec.workload.kind, text(metadata.get("namespace")), spec.workload.name),
        workload_uid=spec.workload.uid,
        candidate=history.candidate or spec.candidate,
        stable=spec.stable,
        policy=spec.policy,
        policy_digest=spec.policy_digest,
        started_at=spec.started_at,
        state=state,
        mode=spec.mode,
        attempt=spec.attempt,
        trigger=spec.trigger,
        policy_document=_shared_document(spec.policy_digest, spec.policy_document),
        policy_set=spec.policy_set,
        decisions=history.decisions,
        alerts=history.alerts,
        alerts_beyond=history.alerts_beyond,
        notice=history.notice,
        notices=history.notices,
        revert=history.revert,
        approvals=history.approvals,
        resumed_at=history.resumed_at,
        uid=text(metadata.get("uid")),
        version=text(metadata.get("resourceVersion")),
    )


def _spec(raw: object) -> RecordSpec:
    if isinstance(raw, msgspec.Raw):
        return decode_bytes(RecordSpec, raw) or decode(RecordSpec, orjson.loads(bytes(raw)))
    return decode(RecordSpec, raw)


def _status(raw: object) -> tuple[RecordHistory, RolloutState]:
    if isinstance(raw, msgspec.Raw):
        history = decode_bytes(RecordHistory, raw, _count_decisions_from_0)
        state = decode_bytes(RolloutState, raw, _count_progress_from_0)
        if history is not None and state is not None:
            return history, state
        raw = orjson.loads(bytes(raw))
    status = _steps_moved({"phase": Phase.PROGRESSING, **present_form(mapping(raw))}, -1)
    return decode(RecordHistory, status), decode(RolloutState, status)


def _count_decisions_from_0(history: Any) -> None:
    for entry in history.decisions:
        entry.step -= 1


def _count_progress_from_0(state: Any) -> None:
    """See `_steps_moved`. A status of a former release, or one never saved, has no such step and is read as a whole."""
    if state.progress.step < 1:
        raise ValueError("no step that counts from 1")
    state.progress.step -= 1


_encoded: BoundedDict[str, tuple[Json, Json]] = BoundedDict(_SHARED_DOCUMENTS)


def _encoded_document(digest: str, document: Json) -> Json:
    """A policy's document as JSON, made once for all the records of a policy."""
    known = _encoded.get(digest)
    if known is None or known[0] is not document:
        known = _encoded[digest] = document, encode(document)
    return known[1]


_documents: BoundedDict[str, Json] = BoundedDict(_SHARED_DOCUMENTS)


def _shared_document(digest: str, document: Json) -> Json:
    """An equal document as one object: the records of a policy each hold it, and it is most of what they hold."""
    if _documents.get(digest) != document:
        _documents[digest] = document
    return _documents[digest]
