"""Holding a rollout: nothing moves, a human is told, and no further pod is replaced where a pause prevents it."""

from dataclasses import replace
from datetime import datetime

from sentinel.domain.decision import Decision, Pause
from sentinel.domain.policy import Mode
from sentinel.domain.record import Action, Hold, Phase, RolloutState
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.workload import WorkloadKind
from sentinel.engine.situation import Situation
from sentinel.engine.steering import pause_mark


def hold(
    situation: Situation, reason: str, message: str, *, sticky: bool, because: RuleVerdict | None = None
) -> Decision:
    """Hold for this reason. Said once; while the reason stays the same there is nothing new to say."""
    state = situation.record.state
    if state.hold is not None and state.hold.reason == reason:
        kept = replace(state, hold=replace(state.hold, gone_since=None))
        return Decision(kept, wake=None, verdicts=situation.verdicts)
    since = state.hold.since if state.hold else situation.now
    state = replace(
        state,
        phase=Phase.HELD,
        hold=Hold(reason, since, message, sticky),
        verdict=because.kind.value if because else state.verdict,
        reason=reason,
        message=message,
    )
    return Decision(
        state,
        wake=None,
        action=Action.HOLD,
        reason=reason,
        message=message,
        rule=because.rule if because else "",
        numbers=because.numbers if because else {},
        change=damage_limiting_pause(situation),
        escalate=True,
        verdicts=situation.verdicts,
    )


def damage_limiting_pause(situation: Situation) -> Pause | None:
    """A pause of the rolling update under way, where one would keep more pods from being replaced."""
    workload = situation.workload
    pausable = workload.key.kind is WorkloadKind.DEPLOYMENT and not workload.recreate
    if situation.mode is Mode.OBSERVE or workload.held_by_label or workload.paused or not pausable:
        return None
    if workload.rolled_out:
        return None
    return Pause(pause_mark(situation.record, situation.policy, situation.now))


def undo_failed(state: RolloutState, detail: str, now: datetime) -> RolloutState:
    """The state after an undo that the API server refused for good: held for a human, with the target forgotten."""
    message = f"the undo failed: {detail}"
    return replace(
        state,
        phase=Phase.HELD,
        undo=None,
        hold=Hold("UndoFailed", now, message, sticky=True),
        reason="UndoFailed",
        message=message,
    )
