"""RolloutRecord objects: the custom resource's form of a domain Record, kept within its bounds."""

import logging
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, TypeVar

import orjson

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.adapters.kubernetes.api.resources import RECORDS
from sentinel.adapters.kubernetes.custom.codec import decode, encode
from sentinel.adapters.kubernetes.custom.former_schema import present_form, step_moved
from sentinel.bounded import BoundedDict
from sentinel.domain.alert import AlertsBeyond
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import AlertEntry, DecisionEntry, NoticeRef
from sentinel.domain.record.record import MAX_DECISIONS, Record
from sentinel.domain.record.state import Json, Phase, RevisionRef, RolloutState
from sentinel.domain.revert import RevertRef
from sentinel.domain.words import standing
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import dataclass, replace

log = logging.getLogger(__name__)

MAX_STATUS_BYTES = 64 * 1024
KIND = "RolloutRecord"
WORKLOAD_LABEL = "rollback-sentinel.dev/workload"
_TEXT_LIMIT = 1000
_SHORT_LIMIT = 200
_LABEL_LIMIT = 63
_ALERT_LABELS_BYTES = 4 * 1024
_SHARED_DOCUMENTS = 500
_LASTING_DECISIONS = 10
"""So many of the newest decisions are kept before alerts: clients that post alerts cannot push history out."""

T = TypeVar("T")


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


def object_of(record: Record, status: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole object; the record is to be within bounds (`bounded`). `status` is its own, where that is known.

    It has no ownerReference: the history, and the memory of bad revisions, outlives the workload, which may come
    back under its name; it goes with the namespace.
    """
    metadata: dict[str, Any] = {
        "name": record.name,
        "namespace": record.key.namespace,
        "labels": {
            "app.kubernetes.io/managed-by": "rollback-sentinel",
            WORKLOAD_LABEL: label_of(record.key),
        },
    }
    if record.version:
        metadata["resourceVersion"] = record.version
    if record.uid:
        metadata["uid"] = record.uid
    return {
        "apiVersion": RECORDS.api_version,
        "kind": KIND,
        "metadata": metadata,
        "spec": {
            **encode(spec_of(record)),
            **({"configData": record.config_kept} if record.config_kept else {}),
        },
        "status": status_of(record) if status is None else status,
    }


def label_of(key: WorkloadKey) -> str:
    """By which label a workload's records are found; long names may share one."""
    return key.name[:_LABEL_LIMIT].rstrip("-.")


def status_of(record: Record) -> dict[str, Any]:
    """The object's status; the record is to be within bounds (`bounded`)."""
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


def bounded(record: Record) -> Record:
    """The record as it can be kept; see `fitted`."""
    return fitted(record)[0]


def fitted(record: Record) -> tuple[Record, dict[str, Any]]:
    """The record as it can be kept, and its status.

    That is the newest decisions and alerts, texts cut, a status of at most 64 KiB.
    What does not fit is given up in this order: the course of the evidence, the oldest decisions but the newest ten,
    the alerts that `make_room` gives up first, the other decisions (never one whose outcome is open), and last the
    analysis state, after which the evidence of this step is gathered from the start.
    """
    decisions = tuple(_short_decision(entry) for entry in record.decisions[-MAX_DECISIONS:])
    kept = replace(record, decisions=decisions).with_alerts(tuple(map(_short_alert, record.alerts)))
    while (over := _size(status := status_of(kept)) - MAX_STATUS_BYTES) > 0:
        if kept.state.course:
            kept = kept.with_state(replace(kept.state, course={}))
            continue
        closed = [entry for entry in kept.decisions if entry.outcome is not None]
        if spare := closed if not kept.alerts else closed[:-_LASTING_DECISIONS]:
            dropped = _oldest(spare, over)
            kept = replace(kept, decisions=tuple(entry for entry in kept.decisions if entry not in dropped))
        elif kept.alerts:
            fewer = len(kept.alerts) - len(_oldest(list(kept.alerts), over))
            kept = kept.with_room_for(kept.alerts, fewer)
        else:
            log.warning("the analysis state of %s is too large to be kept, by %d bytes", record.name, over)
            kept = kept.with_state(replace(kept.state, analysis={}))
            return kept, status_of(kept)
    return kept, status


def _revision_shown(candidate: RevisionRef) -> str:
    """The revision as the printed column shows it."""
    return str(candidate.number) if candidate.number else candidate.hash or candidate.digest[:10]


def _size(value: object) -> int:
    return len(orjson.dumps(value))


def _oldest(entries: list[T], over: int) -> list[T]:
    """The first entries that together are large enough, at least one."""
    chosen: list[T] = []
    for entry in entries:
        chosen.append(entry)
        over -= _size(encode(entry))
        if over <= 0:
            break
    return chosen


def _short_decision(entry: DecisionEntry) -> DecisionEntry:
    """The entry with its texts cut."""
    outcome = entry.outcome and replace(entry.outcome, detail=_cut(entry.outcome.detail))
    numbers = {
        name: _cut(value, _SHORT_LIMIT) if isinstance(value, str) else value
        for name, value in entry.numbers.items()
    }
    return replace(entry, message=_cut(entry.message), numbers=numbers, outcome=outcome)


def _short_alert(entry: AlertEntry) -> AlertEntry:
    labels = _fewer({name: _cut(value, _SHORT_LIMIT) for name, value in entry.labels.items()})
    return replace(entry, summary=_cut(entry.summary), verdict=_cut(entry.verdict), labels=labels)


def _fewer(labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels without the longest of them, where they are too much; real ones are not."""
    if _size(labels) <= _ALERT_LABELS_BYTES:
        return labels
    kept: dict[str, str] = {}
    for name, value in sorted(labels.items(), key=_size):
        if _size({**kept, name: value}) > _ALERT_LABELS_BYTES:
            break
        kept[name] = value
    return kept


def _cut(value: str, limit: int = _TEXT_LIMIT) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"


def record_of(raw: RawObject) -> Record:
    """The record of an object; one that was created and has no status yet is at its very beginning.

    Raises ValueError that names the field which is missing or cannot be read.
    """
    metadata = mapping(raw.get("metadata"))
    spec = decode(RecordSpec, raw.get("spec"))
    document = _shared_document(spec.policy_digest, spec.policy_document)
    status = present_form(mapping(raw.get("status")))
    status = _steps_moved({"phase": Phase.PROGRESSING, **status}, -1)
    history = decode(RecordHistory, status)
    return Record(
        name=text(metadata.get("name")),
        key=WorkloadKey(spec.workload.kind, text(metadata.get("namespace")), spec.workload.name),
        workload_uid=spec.workload.uid,
        candidate=history.candidate or spec.candidate,
        stable=spec.stable,
        policy=spec.policy,
        policy_digest=spec.policy_digest,
        started_at=spec.started_at,
        state=decode(RolloutState, status),
        mode=spec.mode,
        attempt=spec.attempt,
        trigger=spec.trigger,
        policy_document=document,
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


_documents: BoundedDict[str, Json] = BoundedDict(_SHARED_DOCUMENTS)


def _shared_document(digest: str, document: Json) -> Json:
    """An equal document as one object: the records of a policy each hold it, and it is most of what they hold."""
    if _documents.get(digest) != document:
        _documents[digest] = document
    return _documents[digest]
