"""Progress of a rollout: steer towards the step's weight, let it bake, then advance or promote; then guard."""

from datetime import datetime, timedelta

from sentinel.domain.decision import Change, Decision
from sentinel.domain.figures import percent
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.policy.strategy import OnLowTraffic
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RolloutState
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.assessment import SCALED_TO_ZERO
from sentinel.engine.exposure.brakes import brake_mark
from sentinel.engine.exposure.own import promotion
from sentinel.engine.exposure.steering import left_over, steer
from sentinel.engine.exposure.switching import stands_by
from sentinel.engine.exposure.weights import step_reached, weight_reached
from sentinel.engine.pods.cluster_wait import showing
from sentinel.engine.rollout.gates import await_gates, without_gates
from sentinel.engine.rollout.holding import escalate, without_hold
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rollout.taking_over import next_try, undecided
from sentinel.values import replace

LOOKED_AGAIN = timedelta(seconds=0.25)
"""Of a step whose bake is over, while its evidence does not reach there."""
_ORDER = (VerdictKind.FAIL, VerdictKind.INCONCLUSIVE, VerdictKind.PENDING, VerdictKind.PASS)


def proceed(situation: Situation) -> Decision:
    """Steer towards the step's weight, let it bake, then advance or promote."""
    state = situation.record.state
    workload = situation.workload
    change = steered(situation)
    if change is not None and undecided(change, workload):
        return _take_over(situation, state, change)
    if _stopped_short(situation):
        state = replace(state, progress=replace(state.progress, reached_at=None))
    if state.progress.reached_at is None:
        if change is not None or not step_reached(situation.weight, workload):
            return _wait(situation, replace(state, phase=Phase.PROGRESSING), change)
        baked = timedelta(seconds=state.progress.baked)
        progress = replace(state.progress, reached_at=situation.now - baked, baked=0.0)
        state = replace(state, phase=Phase.BAKING, progress=progress)
        situation = replace(situation, record=situation.record.with_state(state))
    baking = situation.bake_ends is not None and situation.now < situation.bake_ends
    if baking and not _proven_good(situation):
        return _wait(situation, state, change)
    open_verdicts = [v for v in situation.verdicts if not _passes(v, situation)]
    if open_verdicts or _fallen_short(situation):
        return _wait(situation, state, change)
    return await_gates(situation, state) or _await_approval(situation, state) or _go_on(situation, state)


def _stopped_short(situation: Situation) -> bool:
    """Whether what was reached is a canary's weight, though everything is judged now: frozen between two steps."""
    workload = situation.workload
    return (
        situation.weight is None
        and workload.brake.on
        and workload.exposure.candidate < workload.exposure.wanted
    )


def _fallen_short(situation: Situation) -> bool:
    """Whether a step that was reached no longer is, as after a scale-up: a step ends at its weight or above."""
    return situation.weight is not None and not step_reached(situation.weight, situation.workload)


def stand_still(situation: Situation) -> Decision | None:
    """Scaled to zero there is nothing to judge, and nobody to call: the rollout goes on once there are pods again."""
    if situation.workload.exposure.wanted > 0:
        return None
    message = "scaled to zero: nothing is judged, and the deadline is suspended until it is scaled up"
    state = replace(
        situation.record.state,
        phase=Phase.PROGRESSING,
        verdict=VerdictKind.PENDING.value,
        reason=SCALED_TO_ZERO,
        message=message,
    )
    return Decision(state, requeue_at=None, change=steered(situation), verdicts=situation.verdicts)


def _proven_good(situation: Situation) -> bool:
    """Whether the step may end before its bake: a rule has proven the candidate good, and no other objects."""
    verdicts = situation.verdicts
    return situation.policy.strategy.promote_early and any(v.reason == "ProvenGood" for v in verdicts)


def _passes(verdict: RuleVerdict, situation: Situation) -> bool:
    if verdict.kind is VerdictKind.PASS:
        return True
    lenient = situation.policy.strategy.on_low_traffic is OnLowTraffic.ADVANCE or situation.weight == 0
    return lenient and verdict.kind is VerdictKind.PENDING and verdict.reason == "LowTraffic"


def _await_approval(situation: Situation, state: RolloutState) -> Decision | None:
    """Every rule passed and a human must still agree: the clock stands still meanwhile."""
    step = situation.present_step
    if step is None or not step.approval or state.progress.step + 1 in situation.record.approvals:
        return None
    if state.waits.approval_since is not None:
        return _wait(situation, state, None)
    message = f"every rule passed at {_reached(situation)}; step {state.progress.step + 1} waits for approval"
    waiting = replace(
        state,
        waits=replace(state.waits, approval_since=situation.now),
        verdict="pass",
        reason="AwaitingApproval",
        message=message,
    )
    waits = replace(situation, record=situation.record.with_state(waiting))
    return escalate(waits, "AwaitingApproval", message)


def _go_on(situation: Situation, state: RolloutState) -> Decision:
    state = replace(without_gates(state).approval_over(), hold=None, verdict="pass")
    passed = "; ".join(v.message for v in situation.verdicts if v.numbers) or "every rule passed"
    if state.progress.step >= situation.last_step:
        return _promote(situation, state, passed)
    if situation.own_steps is not None:
        return _let_its_controller_go_on(situation, state, passed)
    state = state.at_step(state.progress.step + 1, situation.now)
    state = replace(state, phase=Phase.PROGRESSING, reason="StepPassed")
    ahead = replace(situation, record=situation.record.with_state(state))
    message = f"{_reached(situation)} passed, next is {_ahead(ahead)}: {passed}"
    return Decision(
        replace(state, message=message),
        requeue_at=ahead.deadline,
        action=Action.ADVANCE,
        reason="StepPassed",
        message=message,
        change=steered(ahead),
        numbers=_numbers(situation.verdicts),
        verdicts=situation.verdicts,
    )


def _take_over(situation: Situation, state: RolloutState, change: Change) -> Decision:
    """Everything goes to the candidate: decided, when the decision of the step came to nothing or too early for it."""
    due, failed = next_try(situation.record)
    if due is not None and situation.now < due:
        waiting = _wait(situation, state, None)
        return replace(waiting, requeue_at=min(due, waiting.requeue_at or due))
    message = f"the step before has passed, next is {_ahead(situation)}"
    message += f"; tried again after: {failed}" if failed else ""
    state = replace(state, phase=Phase.PROGRESSING, reason="TakesOver", message=message)
    return Decision(
        state,
        requeue_at=situation.deadline,
        action=Action.ADVANCE,
        reason="TakesOver",
        message=message,
        change=change,
        verdicts=situation.verdicts,
    )


def _let_its_controller_go_on(situation: Situation, state: RolloutState, passed: str) -> Decision:
    """The step is passed; which one comes next, and when, is for the workload's own controller."""
    message = f"{_reached(situation)} passed, promoted to the workload's next step: {passed}"
    return Decision(
        replace(state.step_to_reach(), phase=Phase.PROGRESSING, reason="StepPassed", message=message),
        requeue_at=situation.deadline,
        action=Action.ADVANCE,
        reason="StepPassed",
        message=message,
        change=promotion(situation.workload),
        numbers=_numbers(situation.verdicts),
        verdicts=situation.verdicts,
    )


def _reached(situation: Situation) -> str:
    """The weight that the present step is judged at: what is reached now, however much it asks for."""
    if situation.weight == 0:
        return "the preview"
    reached = percent(weight_reached(situation.workload))
    asked = percent(situation.weight) if situation.weight is not None else "100%"
    step = situation.record.state.progress.step + 1
    of = "requests" if situation.workload.exposure.traffic is not None else "pods"
    return reached if reached == asked else f"{reached} of the {of} (step {step} asks for {asked})"


def _ahead(situation: Situation) -> str:
    """Where the step that begins now leads; scaling may have brought the rollout that far, or further, already."""
    if situation.weight is None and stands_by(situation.workload):
        return "all requests at once"
    asked = percent(situation.weight) if situation.weight is not None else "100%"
    there = situation.weight is not None and weight_reached(situation.workload) > situation.weight
    return f"step {situation.record.state.progress.step + 1}, which asks for {asked}" if there else asked


def _promote(situation: Situation, state: RolloutState, passed: str) -> Decision:
    return promote(situation, state, "AllRulesPassed", f"promoted: {passed}")


def promote(situation: Situation, state: RolloutState, reason: str, message: str) -> Decision:
    """The candidate is the stable one from now on; alerts and crashes still undo it for a while."""
    state = replace(
        state,
        phase=Phase.PROMOTED,
        ending=replace(state.ending, promoted_at=situation.now),
        weight=1.0,
        reason="Promoted",
        message=message,
    )
    promoted = replace(situation, record=situation.record.with_state(state))
    return Decision(
        state,
        requeue_at=later(situation, situation.now + situation.policy.strategy.guard),
        action=Action.PROMOTE,
        reason=reason,
        message=message,
        change=finishing(promoted),
        numbers=_numbers(situation.verdicts),
        verdicts=situation.verdicts,
    )


def finishing(situation: Situation) -> Change | None:
    """What gives back all that was asked for on the candidate's behalf, once it is the stable one, and long enough."""
    touch = situation.mode is Mode.ENFORCE and not situation.workload.held_by_label
    due = kept_until(situation.record, situation.policy) <= situation.now
    return left_over(situation.workload) if touch and due else None


def kept_until(record: Record, policy: Policy) -> datetime:
    """Until when what a rollout that is over has replaced, or has left behind, is kept to take over again."""
    ending, pairing = record.state.ending, policy.strategy.pairing
    promoted = record.state.phase is Phase.PROMOTED
    over = (ending.promoted_at if promoted else ending.ended_at) or record.started_at
    return over + (pairing.kept if pairing is not None else timedelta(0))


def _numbers(verdicts: tuple[RuleVerdict, ...]) -> dict[str, int | float | str]:
    """All rules' numbers in one mapping, each named by its rule."""
    return {f"{v.rule}.{name}": value for v in verdicts for name, value in v.numbers.items()}


def keep_guard(situation: Situation) -> Decision:
    state = situation.record.state
    ends = (state.ending.promoted_at or situation.now) + situation.policy.strategy.guard
    change = finishing(situation)
    if situation.now < ends or change is not None:
        kept = kept_until(situation.record, situation.policy)
        due = later(situation, kept if situation.now < kept < ends else ends)
        return Decision(state, requeue_at=due, change=change, verdicts=situation.verdicts)
    message = "the guard window is over"
    return Decision(
        state.ended(situation.now), requeue_at=None, action=Action.CLOSE, reason="GuardOver", message=message
    )


def resume(situation: Situation, reason: str, message: str) -> Decision:
    """Carry on where it stood; the time held counts neither against the deadline nor as bake.

    What expired gets its whole time again, or it would expire at once.
    """
    state = without_gates(without_hold(situation.record.state, situation.now))
    if situation.deadline <= situation.now:
        elapsed = (situation.now - situation.record.started_at).total_seconds()
        state = replace(state, waits=replace(state.waits, stood=elapsed, stopped_since=None))
    state = replace(
        state,
        phase=Phase.BAKING if state.progress.reached_at is not None else Phase.PROGRESSING,
        reason=reason,
        message=message,
    )
    ahead = replace(situation, record=situation.record.with_state(state))
    return Decision(
        state,
        requeue_at=ahead.deadline,
        action=Action.RESUME,
        reason=reason,
        message=message,
        change=steered(ahead),
        verdicts=situation.verdicts,
    )


def _wait(situation: Situation, state: RolloutState, change: Change | None) -> Decision:
    worst = _worst(situation.verdicts)
    if worst is not None and state.waits.approval_since is None:
        state = replace(state, verdict=worst.kind.value, reason=worst.reason, message=worst.message)
    wait = situation.cluster_wait
    if wait is not None and state.waits.approval_since is None:
        state = showing(state, wait)
    due = [situation.deadline] if state.waits.stopped_since is None else []
    if state.progress.reached_at is not None:
        baked = state.progress.reached_at + situation.bake
        settled = baked + situation.settle
        # A source that tells how far it has come is behind the clock a little more each time, until it tells again.
        due += [baked, max(settled, situation.now + LOOKED_AGAIN) if settled > situation.now else settled]
    ahead = [at for at in due if at > situation.now]
    return Decision(state, requeue_at=min(ahead, default=None), change=change, verdicts=situation.verdicts)


def _worst(verdicts: tuple[RuleVerdict, ...]) -> RuleVerdict | None:
    return min(verdicts, key=lambda v: _ORDER.index(v.kind), default=None)


def steered(situation: Situation) -> Change | None:
    """The change towards the present weight; a rollout without steps is let go of a pause it may have inherited."""
    if situation.mode is Mode.OBSERVE or situation.workload.own_steps is not None:
        return None
    mark = brake_mark(situation.record, situation.policy, situation.now)
    return steer(situation.weight, situation.workload, mark)


def later(situation: Situation, at: datetime) -> datetime | None:
    """A time to look again, None where it is past: the reconcile that follows a decision looks anyway."""
    return at if at > situation.now else None
