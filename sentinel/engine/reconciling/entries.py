"""Decisions as they are written down."""

import hashlib
from datetime import datetime

from sentinel.domain.decision import Decision
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.values import replace

ONCE_PER_ROLLOUT = frozenset({Action.START, Action.PROMOTE, Action.UNDO, Action.SUPERSEDE, Action.RESTORED})


def entry_for(record: Record, decision: Decision, now: datetime) -> DecisionEntry:
    """The entry of a decision, its outcome open.

    The id is a hash of workload, candidate, attempt, action and, for what may be decided more than once in a rollout,
    the step, the reason and the decision before it: replicas that decide the same write the same. For a command it is
    the command's uid.
    """
    assert decision.action is not None
    action = decision.action
    before = record.decisions[-1].id if record.decisions else ""
    where = "" if action in ONCE_PER_ROLLOUT else f"{record.state.progress.step}/{decision.reason}/{before}"
    if decision.command:
        where = decision.command
    identity = (
        f"{record.workload_uid}/{record.candidate.digest}/{record.attempt}/{record.started_at.isoformat()}"
        f"/{action}/{where}"
    )
    return DecisionEntry(
        id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        at=now,
        action=action,
        reason=decision.reason,
        message=decision.message,
        revision=record.candidate.digest,
        step=decision.state.progress.step,
        rule=decision.rule,
        numbers=decision.numbers,
        cause=decision.cause,
        target=decision.state.undo.target.digest if action is Action.UNDO and decision.state.undo else "",
        attempt=record.attempt,
        escalated=decision.escalate,
        command=decision.command,
        requested_by=decision.requested_by,
    )


def outcome_at_once(decision: Decision, mode: Mode, now: datetime) -> Outcome:
    """The outcome of a decision that changes nothing in the cluster: done, or in observe mode only observed."""
    hold = decision.state.hold
    held = decision.action is Action.HOLD and hold is not None and hold.observed
    observed = mode is Mode.OBSERVE and (held or decision.action in (Action.UNDO, Action.RESTART))
    return Outcome(OutcomeKind.OBSERVED if observed else OutcomeKind.DONE, now)


def overtaken(record: Record, end: Decision, now: datetime) -> Record:
    """The record with its open decisions closed, as its rollout ends before their outcomes were written down.

    An undo is done where the end shows that its target was put back; of anything else it is not known.
    """
    undone = end.state.phase is Phase.UNDONE
    for entry in record.decisions:
        if entry.outcome is None:
            made = undone and entry.action is Action.UNDO
            kind = OutcomeKind.DONE if made else OutcomeKind.REFUSED
            detail = "the rollout ended before the outcome was recorded"
            record = record.with_decision(replace(entry, outcome=Outcome(kind, now, detail)))
    return record
