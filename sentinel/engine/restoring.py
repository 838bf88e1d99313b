"""After an undo: watched until the target is back in full, timed, and escalated when it takes too long."""

from dataclasses import replace

from sentinel.domain.decision import Decision
from sentinel.domain.record import Action, Phase
from sentinel.engine.situation import Situation


def watch_restore(situation: Situation) -> Decision:
    """Whether the target is fully available and the bad pods are gone; overdue past `restoreWithin`, told once."""
    state = situation.record.state
    undo = state.undo
    assert undo is not None, "a rollout in Undoing has an undo"
    workload = situation.workload
    if workload.candidate.digest == undo.target.digest and workload.rolled_out:
        took = (situation.now - undo.decided_at).total_seconds()
        message = f"{undo.target} is fully available again, {took:.0f} s after the decision"
        done = replace(
            state,
            phase=Phase.UNDONE,
            undo=replace(undo, restored_at=situation.now),
            ended_at=situation.now,
            message=f"{state.message}; {message}",
        )
        return Decision(
            done,
            wake=None,
            action=Action.RESTORED,
            reason="Restored",
            message=message,
            numbers={"restore_seconds": round(took, 3)},
        )
    overdue_at = undo.decided_at + situation.policy.undo.restore_within
    if undo.overdue_told:
        return Decision(state, wake=None)
    if situation.now < overdue_at:
        return Decision(state, wake=overdue_at)
    message = (
        f"{undo.target} is not fully available {situation.policy.undo.restore_within} after the undo: "
        f"{workload.available} of {workload.desired} pods available"
        + (", and the workload is paused" if workload.paused else "")
    )
    told = replace(state, undo=replace(undo, overdue_told=True))
    return Decision(
        told, wake=None, action=Action.ESCALATE, reason="RestoreOverdue", message=message, escalate=True
    )
