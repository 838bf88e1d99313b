"""What people can do next, as commands that work with plain kubectl, unchanged.

What asks the sentinel is a RolloutCommand, which names who asks; what goes past it needs no sentinel.
"""

import json
import shlex

from sentinel.domain.command import CommandAction
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.revert import RevertReason, RevertRef
from sentinel.domain.workload.facts import PARTITION_ANNOTATION, PAUSED_ANNOTATION
from sentinel.domain.workload.kinds import LIFTED, NAMED_AFTER, PARTITIONED
from sentinel.runtime.notify.remedies import REMEDIES

WHO = "$(kubectl auth whoami -o jsonpath={.status.userInfo.username})"
"""The API server's own name for the one who asks, as the shell puts it in."""


def advice(record: Record, entry: DecisionEntry | None) -> tuple[str, ...]:
    """The next steps for a human, most useful first; empty where nothing is asked of anyone."""
    return (*_look_into(record, entry), *_by_phase(record, entry))


def _look_into(record: Record, entry: DecisionEntry | None) -> tuple[str, ...]:
    """Where a gate's Job decided: what it printed, or, where Kubernetes has deleted its pods, what is known of it."""
    job = entry.cause.job if entry is not None else ""
    if entry is None or not job:
        return ()
    if entry.reason == HoldReason.GATE_TIMEOUT:
        return (f"See how far its Job got: {_kubectl(record, 'describe', f'job/{job}')}",)
    return (f"Read what its Job printed: {_kubectl(record, 'logs', f'job/{job}', '--all-containers')}",)


def _by_phase(record: Record, entry: DecisionEntry | None) -> tuple[str, ...]:
    phase = record.state.phase
    if phase is Phase.HELD:
        return _held(record)
    if phase is Phase.UNDOING and entry is not None and entry.escalated:
        return (f"Find out why the old pods do not start: {_kubectl(record, 'describe', _object(record))}",)
    if phase is Phase.UNDONE:
        return (
            *_in_git(record.revert),
            "Fix the release and deploy the new version; for a while the sentinel treats this revision as known bad.",
            f"Or forgive this revision: {_ask(record, CommandAction.FORGIVE)}",
        )
    return _under_way(record, entry) if record.in_flight else ()


def _in_git(revert: RevertRef | None) -> tuple[str, ...]:
    if revert is None or not revert.url:
        return ()
    if revert.reason is RevertReason.PULL_OPENED:
        return (f"Review and merge the revert in Git: {revert.url}",)
    return (f"Revert the release in Git, see {revert.url}",)


def _under_way(record: Record, entry: DecisionEntry | None) -> tuple[str, ...]:
    steps = []
    if entry is not None and entry.reason == "AwaitingApproval":
        steps.append(f"Approve: {_ask(record, CommandAction.APPROVE, step=record.state.progress.step + 1)}")
    if record.state.brake.seen_generation and record.key.kind in LIFTED:
        steps.append(f"To continue without further steps, lift the sentinel's pause: {_unpause(record)}")
    return tuple(steps)


def _held(record: Record) -> tuple[str, ...]:
    steps = _remedy(record)
    steps += [f"Resume the rollout: {_ask(record, CommandAction.RESUME)}"]
    if record.key.kind in LIFTED:
        steps.append(f"Lift the sentinel's pause: {_unpause(record)}")
        steps.append(f"Then undo by hand: {_kubectl(record, 'rollout', 'undo', _object(record))}")
    return tuple(steps)


def _remedy(record: Record) -> list[str]:
    """What the reason asks of people; nothing for one that only another release knows."""
    hold = record.state.hold
    known = {reason.value: remedy for reason, remedy in REMEDIES.items()}
    return [known[hold.reason]] if hold is not None and hold.reason in known else []


def _object(record: Record) -> str:
    kind = record.key.kind
    return f"{NAMED_AFTER.get(kind, kind).lower()}/{record.key.name}"


def _kubectl(record: Record, *words: str) -> str:
    return shlex.join(["kubectl", "-n", record.key.namespace, *words])


def _ask(record: Record, action: CommandAction, **more: int) -> str:
    """A shell command that creates a RolloutCommand; it means this rollout and no later one."""
    spec = {
        "workload": {"kind": record.key.kind.value, "name": record.key.name},
        "record": record.name,
        "action": action.value,
        **more,
        "requestedBy": WHO,
    }
    command = {
        "apiVersion": "rollback-sentinel.dev/v1",
        "kind": "RolloutCommand",
        "metadata": {"generateName": f"{action}-", "namespace": record.key.namespace},
        "spec": spec,
    }
    return f"kubectl create -f - <<EOF\n{json.dumps(command)}\nEOF"


def _unpause(record: Record) -> str:
    """One merge patch: the pause and our mark go together."""
    kind = record.key.kind
    mark = PARTITION_ANNOTATION if kind in PARTITIONED else PAUSED_ANNOTATION
    patch = {"metadata": {"annotations": {mark: None}}, "spec": LIFTED[kind]}
    return _kubectl(record, "patch", _object(record), "--type=merge", "-p", json.dumps(patch))
