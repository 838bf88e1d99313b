"""Holding a rollout: nothing moves, people are notified, and a pause keeps further pods from being replaced."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sentinel.domain.decision import Decision, Stop
from sentinel.domain.errors import PreconditionError
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HOLDS, HoldEnd, HoldReason
from sentinel.domain.record.state import Hold, Phase, RolloutState
from sentinel.domain.verdict import NO_CAUSE, DecisionCause, Number, RuleVerdict
from sentinel.engine.exposure.brakes import brake_mark
from sentinel.engine.rollout.situation import Situation
from sentinel.values import replace

QUIET_FOR = timedelta(minutes=10)
"""A hold's cause that comes back this soon, while another one held, is entered without telling anyone again."""


def hold(
    situation: Situation,
    reason: HoldReason,
    message: str,
    *,
    because: RuleVerdict | None = None,
    call: bool = True,
) -> Decision:
    """Hold for this reason. Said once; while the reason stays the same nobody is notified again.

    What the cluster itself shows (a hold that ends at once) is recorded as it is now: one obstacle may follow another.
    A hold that only a human ends is not replaced by one that ends on its own. `call`: whether a human is called, unless
    the reason itself is calm.
    """
    state = situation.record.state
    held, kind = state.hold, HOLDS[reason]
    observed = situation.mode is Mode.OBSERVE and not kind.by_people
    if observed:
        message = f"would hold: {message}"
    if held is not None and (held.reason == reason or (held.sticky and not kind.sticky)):
        kept = state if held.gone_since is None else replace(state, hold=replace(held, gone_since=None))
        if held.reason == reason and kind.end is HoldEnd.AT_ONCE:
            kept = replace(kept, hold=replace(held, gone_since=None, message=message), message=message)
        return Decision(kept, requeue_at=None, verdicts=situation.verdicts)
    state = replace(
        without_hold(state, situation.now),
        phase=Phase.HELD,
        hold=Hold(reason, situation.now, message, kind.sticky, observed=observed),
        verdict=because.kind.value if because else state.verdict,
        reason=reason,
        message=message,
    )
    if held is not None and not kind.sticky and _said_lately(situation, reason):
        return Decision(state, requeue_at=None, verdicts=situation.verdicts)
    return Decision(
        state,
        requeue_at=None,
        action=Action.HOLD,
        reason=reason,
        message=message,
        rule=because.rule if because else "",
        numbers=because.numbers if because else {},
        cause=because.cause if because else NO_CAUSE,
        change=damage_limiting_pause(situation),
        escalate=call and not kind.calm,
        verdicts=situation.verdicts,
    )


def _said_lately(situation: Situation, reason: str) -> bool:
    """Whether this hold was entered a short while ago: causes that take turns are not news each time."""
    since = situation.now - QUIET_FOR
    return any(
        e.action is Action.HOLD and e.reason == reason and e.at > since for e in situation.record.decisions
    )


def without_hold(state: RolloutState, now: datetime) -> RolloutState:
    """The state with its hold ended now, and the time that it lasted taken out of the bake."""
    if state.hold is None or state.progress.reached_at is None:
        return replace(state, hold=None)
    reached_at = state.progress.reached_at + (now - state.hold.since)
    return replace(state, hold=None, progress=replace(state.progress, reached_at=reached_at))


def escalate(
    situation: Situation,
    reason: str,
    message: str,
    *,
    rule: str = "",
    numbers: Mapping[str, Number] | None = None,
    cause: DecisionCause = NO_CAUSE,
) -> Decision:
    """Call a human; nothing else changes."""
    return Decision(
        situation.record.state,
        requeue_at=None,
        action=Action.ESCALATE,
        reason=reason,
        message=message,
        rule=rule,
        numbers=numbers or {},
        cause=cause,
        escalate=True,
        verdicts=situation.verdicts,
    )


def damage_limiting_pause(situation: Situation) -> Stop | None:
    """A pause of the rolling update under way, where it keeps old pods from being replaced."""
    workload = situation.workload
    if situation.mode is Mode.OBSERVE or workload.held_by_label or not workload.abilities.stops:
        return None
    if not situation.policy.strategy.pauses:
        return None
    if workload.stopped or workload.brake.foreign:
        return None
    none_left = workload.observed and workload.exposure.old == 0
    if none_left or situation.record.state.brake.released_by_person:
        return None
    return Stop(brake_mark(situation.record, situation.policy, situation.now))


def cannot_go_on(state: RolloutState, error: PreconditionError, now: datetime) -> Decision:
    """An undo of which a part is made, and the rest cannot be: the target names something that is gone."""
    held = undo_failed(state, str(error), now, HoldReason.REFERENCE_GONE)
    return Decision(held, None, Action.HOLD, held.reason, held.message, escalate=True)


def undo_failed(
    state: RolloutState, detail: str, now: datetime, reason: HoldReason = HoldReason.UNDO_FAILED
) -> RolloutState:
    """The state after an undo that cannot be made: held for a human, with the target forgotten."""
    message = f"the undo failed: {detail}"
    return replace(
        state,
        phase=Phase.HELD,
        undo=None,
        hold=Hold(reason, now, message),
        reason=reason,
        message=message,
    )
