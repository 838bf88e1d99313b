"""What a human can do next, as commands that work with plain kubectl and need no sentinel."""

import json
import shlex

from sentinel.domain.record import APPROVE_ANNOTATION, RESUME_ANNOTATION, DecisionEntry, Phase, Record
from sentinel.domain.workload import PAUSED_ANNOTATION, WorkloadKind

CRD = "rolloutrecords.rollback-sentinel.dev"


def advice(record: Record, entry: DecisionEntry | None) -> tuple[str, ...]:
    """The next steps for a human, most useful first; empty where nothing is asked of anyone."""
    phase = record.state.phase
    if phase is Phase.HELD:
        return _held(record)
    if phase is Phase.UNDOING and entry is not None and entry.escalated:
        return (f"See why the old pods do not come up: {_kubectl(record, 'describe', _object(record))}",)
    if phase is Phase.UNDONE:
        return ("Fix the release and deploy it again; this revision is remembered as bad for a while.",)
    return _under_way(record, entry) if record.in_flight else ()


def _under_way(record: Record, entry: DecisionEntry | None) -> tuple[str, ...]:
    steps = []
    if entry is not None and entry.reason == "AwaitingApproval":
        steps.append(f"Approve: {_annotate(record, APPROVE_ANNOTATION, str(record.state.step + 1))}")
    if record.state.pause_seen:
        steps.append(f"To go on without further steps, lift the sentinel's pause: {_unpause(record)}")
    return tuple(steps)


def _held(record: Record) -> tuple[str, ...]:
    steps = [
        f"Let it go on: {_annotate(record, RESUME_ANNOTATION, '$(date -u +%Y-%m-%dT%H:%M:%SZ)', raw=True)}"
    ]
    if record.key.kind is WorkloadKind.DEPLOYMENT:
        steps.append(f"Lift the sentinel's pause: {_unpause(record)}")
        steps.append(f"Then go back by hand: {_kubectl(record, 'rollout', 'undo', _object(record))}")
    return tuple(steps)


def _object(record: Record) -> str:
    return f"{record.key.kind.lower()}/{record.key.name}"


def _kubectl(record: Record, *words: str) -> str:
    return shlex.join(["kubectl", "-n", record.key.namespace, *words])


def _annotate(record: Record, annotation: str, value: str, *, raw: bool = False) -> str:
    command = _kubectl(record, "annotate", "--overwrite", CRD, record.name)
    return f"{command} {annotation}={value if raw else shlex.quote(value)}"


def _unpause(record: Record) -> str:
    """One merge patch: the pause and our mark go together."""
    patch = {"metadata": {"annotations": {PAUSED_ANNOTATION: None}}, "spec": {"paused": False}}
    return _kubectl(record, "patch", _object(record), "--type=merge", "-p", json.dumps(patch))
