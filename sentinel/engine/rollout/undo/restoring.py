"""After an undo: made for certain, watched until the target is back in full, timed, and escalated when overdue."""

from datetime import timedelta

from sentinel.domain.decision import Change, Decision, RemovePod, Restore
from sentinel.domain.figures import duration
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase, UndoState
from sentinel.engine.exposure.own import promotion
from sentinel.engine.exposure.traffic import flowing
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rollout.undo.undoing import next_of_undo
from sentinel.values import replace

WITHDRAWN_WITHIN = timedelta(seconds=15)
"""So long an undo waits for a router to take the candidate's requests away, before it restores the template anyway."""


def watch_restore(situation: Situation) -> Decision:
    """Whether the target is fully available and the bad pods are gone; overdue past `restoreWithin`, told once.

    An undo that came to nothing, because its patch met someone else's change, is tried again while the judged
    template is in force; one that was made is never made twice.
    """
    state = situation.record.state
    undo = state.undo
    assert undo is not None, "a rollout in Undoing has an undo"
    workload = situation.workload
    change: Change | None = None
    if workload.candidate.digest == undo.target.digest:
        if workload.rolled_out:
            return _restored(situation, undo)
        undo = replace(undo, target_seen=True)
        change = _helped(situation)
    overdue_at = undo.decided_at + situation.policy.undo.restore_within
    if situation.now >= overdue_at and not undo.overdue_told:
        return _overdue(situation, undo)
    requeue_at = None if undo.overdue_told else overdue_at
    if undo.patched_at is None and not undo.target_seen and _may_touch(situation):
        change = next_of_undo(situation, undo)
        wait = undo.decided_at + WITHDRAWN_WITHIN
        if isinstance(change, Restore) and flowing(workload) and situation.now < wait:
            return Decision(replace(state, undo=undo), requeue_at=wait)
        if isinstance(change, Restore):
            undo = replace(undo, patched_at=situation.now)
    return Decision(replace(state, undo=undo), requeue_at=requeue_at, change=change)


def _helped(situation: Situation) -> Change | None:
    """What has the target, once it is in the template, restored at all, or sooner.

    A broken pod that is not of the target and keeps the others from being replaced is removed, one at a time: of the
    undone revision, or of one that this had superseded. A workload that makes its own steps restores it at once, not
    step by step.
    """
    workload = situation.workload
    if not _may_touch(situation):
        return None
    pod = workload.in_the_way
    if pod is not None and workload.observed:
        return RemovePod(pod.name, pod.uid)
    return promotion(workload, full=True)


def _may_touch(situation: Situation) -> bool:
    return situation.mode is Mode.ENFORCE and (not situation.workload.held_by_label or _asked_for(situation))


def _asked_for(situation: Situation) -> bool:
    """Whether a human asked for this undo by name, which the hold label does not bind."""
    return any(entry.action is Action.UNDO and entry.command for entry in situation.record.decisions)


def _restored(situation: Situation, undo: UndoState) -> Decision:
    state = situation.record.state
    took = situation.now - undo.decided_at
    message = f"{undo.target} is fully available again, {duration(took)} after the decision"
    done = replace(
        state.ended(situation.now),
        phase=Phase.UNDONE,
        undo=replace(undo, target_seen=True, restored_at=situation.now),
        config=state.config.loaded(situation.workload.config),
        message=f"{state.message}; {message}",
    )
    return Decision(
        done,
        requeue_at=None,
        action=Action.RESTORED,
        reason="Restored",
        message=message,
        numbers={"restore_seconds": round(took.total_seconds(), 3)},
    )


def _overdue(situation: Situation, undo: UndoState) -> Decision:
    workload = situation.workload
    message = (
        f"{undo.target} is not fully available {duration(situation.policy.undo.restore_within)} after the undo: "
        f"{workload.exposure.available} of {workload.exposure.wanted} pods available"
    )
    if workload.candidate.digest != undo.target.digest:
        message += f", and the current template is {workload.candidate}"
    if workload.brake.on:
        message += ", and the workload is paused"
    told = replace(situation.record.state, undo=replace(undo, overdue_told=True))
    return Decision(
        told, requeue_at=None, action=Action.ESCALATE, reason="RestoreOverdue", message=message, escalate=True
    )
