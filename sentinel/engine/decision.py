"""The decision of one pass: obey people, condemn on proof, hold on doubt, expire, or proceed, in this order.

Each question is one function that answers with a Decision or with None, "not mine"; the first answer counts.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from sentinel.domain.decision import Change, Decision
from sentinel.domain.policy import AlertAction, OnDeadline, OnLowTraffic
from sentinel.domain.record import Action, Hold, Phase, RolloutState
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.condemn import condemn
from sentinel.engine.holding import hold
from sentinel.engine.restoring import watch_restore
from sentinel.engine.situation import Situation
from sentinel.engine.steering import pause_mark, steer, step_reached, weight_reached

JUDGED_ON = frozenset({"DeadlineExceeded"})
"""Sticky holds under which proof still undoes: nobody asked for the candidate to be kept."""

SET_BY_PEOPLE = frozenset({"HoldLabel", "PausedByHand", "RecreateWithSteps"})
CALM_FOR = timedelta(minutes=1)
"""An outage or an alert storm that pauses for breath is not over: so long must its signs stay away."""


def decide(situation: Situation) -> Decision:
    """What to do now about a rollout that has a record.

    The answer always carries the next state and, unless the rollout is over, when to look again at the latest.
    """
    phase = situation.record.state.phase
    if phase is Phase.UNDOING:
        return watch_restore(situation)
    if phase is Phase.PROMOTED:
        return _first(situation, _condemn_guarded, _tell, _keep_guard)
    return _first(situation, _obey, _condemn, _stay_held, _tell, _suspend, _expire, _proceed)


def _first(situation: Situation, *questions: Callable[[Situation], Decision | None]) -> Decision:
    for question in questions:
        answer = question(situation)
        if answer is not None:
            return answer
    raise AssertionError("the last question always answers")


# People first: what a human stopped by hand is theirs.


def _obey(situation: Situation) -> Decision | None:
    """A pause that is not ours, or the hold label: nothing is touched while it lasts."""
    workload = situation.workload
    if workload.held_by_label:
        return hold(situation, "HoldLabel", "held by the label rollback-sentinel.dev/hold", sticky=False)
    if workload.paused and workload.pause_mark is None:
        message = "paused by hand; the sentinel leaves a pause that is not its own alone"
        return hold(situation, "PausedByHand", message, sticky=False)
    return None


# Proof.


def _condemn(situation: Situation) -> Decision | None:
    held = situation.record.state.hold
    if held is not None and held.sticky and held.reason not in JUDGED_ON and not _resumed(situation, held):
        return None
    return condemn(situation, situation.verdicts)


def _condemn_guarded(situation: Situation) -> Decision | None:
    """In the guard window after promotion only alerts and crashes undo; the caller passes no other verdicts."""
    return None if situation.workload.held_by_label else condemn(situation, situation.verdicts)


# Doubt.


def _stay_held(situation: Situation) -> Decision | None:
    """A sticky hold stays until a human lifts it (or a newer revision ends the rollout)."""
    held = situation.record.state.hold
    if held is None or not held.sticky:
        return None
    if _resumed(situation, held):
        return _resume(situation, "ResumedByHuman", f"a human ended the hold ({held.reason})")
    return Decision(situation.record.state, wake=None, verdicts=situation.verdicts)


def _suspend(situation: Situation) -> Decision | None:
    """Nobody's fault, or not attributable: hold while it lasts, resume when it is over."""
    alert = next((a for a in situation.alerts if a.attribution.effect is AlertAction.HOLD), None)
    if alert is not None:
        return hold(situation, alert.attribution.reason, alert.attribution.message, sticky=False)
    outage = next((v for v in situation.verdicts if v.everywhere), None)
    if outage is not None:
        return hold(situation, "EnvironmentOutage", outage.message, sticky=False, because=outage)
    if situation.workload.recreate and situation.policy.strategy.steps:
        message = (
            "canary steps need the RollingUpdate strategy, and this Deployment has Recreate: "
            "set spec.strategy.type to RollingUpdate or take the steps out of the policy"
        )
        return hold(situation, "RecreateWithSteps", message, sticky=False)
    missing = next((v for v in situation.verdicts if v.kind is VerdictKind.INCONCLUSIVE), None)
    if missing is not None and _bake_is_over(situation):
        return hold(situation, "EvidenceMissing", missing.message, sticky=False, because=missing)
    held = situation.record.state.hold
    return _let_go(situation, held) if held is not None else None


def _let_go(situation: Situation, held: Hold) -> Decision:
    """Resume once the cause has stayed away for long enough; what people set and unset ends at once."""
    gone_since = held.gone_since or situation.now
    over_at = gone_since + (timedelta(0) if held.reason in SET_BY_PEOPLE else CALM_FOR)
    if situation.now >= over_at:
        return _resume(situation, "HoldOver", f"what it was held for is over ({held.reason})")
    waiting = replace(situation.record.state, hold=replace(held, gone_since=gone_since))
    return Decision(waiting, wake=over_at, verdicts=situation.verdicts)


def _bake_is_over(situation: Situation) -> bool:
    """Whether nothing but evidence keeps this step from passing."""
    return situation.bake_ends is not None and situation.now >= situation.bake_ends


def _expire(situation: Situation) -> Decision | None:
    if situation.now < situation.deadline:
        return None
    waiting = "; ".join(
        f"{v.rule}: {v.message}" for v in situation.verdicts if v.kind is not VerdictKind.PASS
    )
    message = f"could not be judged within {situation.policy.strategy.deadline}" + (
        f" ({waiting})" if waiting else ""
    )
    if situation.policy.strategy.on_deadline is OnDeadline.UNDO:
        late = RuleVerdict("deadline", VerdictKind.FAIL, "DeadlineExceeded", message)
        return condemn(situation, (late,))
    return hold(situation, "DeadlineExceeded", message, sticky=True)


def _tell(situation: Situation) -> Decision | None:
    """An alert that asks for a human and for nothing else: passed on once."""
    alert = next(
        (a for a in situation.alerts if a.attribution.effect is AlertAction.ESCALATE and not a.entry.verdict),
        None,
    )
    if alert is None:
        return None
    return Decision(
        situation.record.state,
        wake=situation.now,
        action=Action.ESCALATE,
        reason=alert.attribution.reason,
        message=alert.attribution.message,
        escalate=True,
        verdicts=situation.verdicts,
    )


# Progress.


def _proceed(situation: Situation) -> Decision:
    """Steer towards the step's weight, let it bake, then advance or promote."""
    state = situation.record.state
    workload = situation.workload
    mark = pause_mark(situation.record, situation.policy, situation.now)
    change = steer(situation.weight, workload, mark) if situation.stepped else None
    state = replace(state, weight=weight_reached(workload))
    if state.reached_at is None:
        if change is not None or not step_reached(situation.weight, workload):
            return _wait(situation, replace(state, phase=Phase.PROGRESSING), change)
        state = replace(state, phase=Phase.BAKING, reached_at=situation.now)
        situation = replace(situation, record=situation.record.with_state(state))
    if situation.bake_ends is not None and situation.now < situation.bake_ends:
        return _wait(situation, state, change)
    open_verdicts = [v for v in situation.verdicts if not _passes(v, situation)]
    if open_verdicts:
        return _wait(situation, state, change)
    return _await_approval(situation, state) or _go_on(situation, state)


def _passes(verdict: RuleVerdict, situation: Situation) -> bool:
    if verdict.kind is VerdictKind.PASS:
        return True
    lenient = situation.policy.strategy.on_low_traffic is OnLowTraffic.ADVANCE
    return lenient and verdict.kind is VerdictKind.PENDING and verdict.reason == "LowTraffic"


def _await_approval(situation: Situation, state: RolloutState) -> Decision | None:
    """Every rule passed and a human must still agree: the clock stands still meanwhile."""
    if state.step >= situation.last_step:
        return None
    step = situation.policy.strategy.steps[state.step]
    if not step.approval or state.step + 1 in situation.record.approvals:
        return None
    if state.waiting_since is not None:
        return _wait(situation, state, None)
    message = f"every rule passed at {step.weight:.0%}; step {state.step + 1} waits for approval"
    waiting = replace(
        state, waiting_since=situation.now, verdict="pass", reason="AwaitingApproval", message=message
    )
    return Decision(
        waiting,
        wake=None,
        action=Action.ESCALATE,
        reason="AwaitingApproval",
        message=message,
        escalate=True,
        verdicts=situation.verdicts,
    )


def _go_on(situation: Situation, state: RolloutState) -> Decision:
    state = replace(
        state, waited=situation.waited.total_seconds(), waiting_since=None, hold=None, verdict="pass"
    )
    passed = "; ".join(v.message for v in situation.verdicts if v.numbers) or "every rule passed"
    if state.step >= situation.last_step:
        return _promote(situation, state, passed)
    reached = situation.policy.strategy.steps[state.step].weight
    state = replace(
        state,
        phase=Phase.PROGRESSING,
        step=state.step + 1,
        step_since=situation.now,
        reached_at=None,
        reason="StepPassed",
    )
    ahead = replace(situation, record=situation.record.with_state(state))
    wanted = f"{ahead.weight:.0%}" if ahead.weight is not None else "100%"
    message = f"{reached:.0%} passed, on to {wanted}: {passed}"
    mark = pause_mark(ahead.record, ahead.policy, ahead.now)
    return Decision(
        replace(state, message=message),
        wake=ahead.deadline,
        action=Action.ADVANCE,
        reason="StepPassed",
        message=message,
        change=steer(ahead.weight, ahead.workload, mark),
        numbers=_numbers(situation.verdicts),
        verdicts=situation.verdicts,
    )


def _promote(situation: Situation, state: RolloutState, passed: str) -> Decision:
    message = f"promoted: {passed}"
    state = replace(
        state,
        phase=Phase.PROMOTED,
        promoted_at=situation.now,
        weight=1.0,
        reason="Promoted",
        message=message,
    )
    return Decision(
        state,
        wake=situation.now + situation.policy.strategy.guard,
        action=Action.PROMOTE,
        reason="AllRulesPassed",
        message=message,
        numbers=_numbers(situation.verdicts),
        verdicts=situation.verdicts,
    )


def _numbers(verdicts: tuple[RuleVerdict, ...]) -> dict[str, int | float | str]:
    """All rules' numbers in one mapping, each named by its rule."""
    return {f"{v.rule}.{name}": value for v in verdicts for name, value in v.numbers.items()}


def _keep_guard(situation: Situation) -> Decision:
    state = situation.record.state
    ends = (state.promoted_at or situation.now) + situation.policy.strategy.guard
    if situation.now < ends:
        return Decision(state, wake=ends, verdicts=situation.verdicts)
    message = "the guard window is over"
    ended = replace(state, ended_at=situation.now)
    return Decision(ended, wake=None, action=Action.CLOSE, reason="GuardOver", message=message)


# Building blocks.


def _wait(situation: Situation, state: RolloutState, change: Change | None) -> Decision:
    worst = _worst(situation.verdicts)
    if worst is not None and state.waiting_since is None:
        state = replace(state, verdict=worst.kind.value, reason=worst.reason, message=worst.message)
    due = [situation.deadline] if state.waiting_since is None else []
    ends = state.reached_at + situation.bake if state.reached_at else None
    if ends is not None and ends > situation.now:
        due.append(ends)
    return Decision(state, wake=min(due, default=None), change=change, verdicts=situation.verdicts)


_ORDER = (VerdictKind.FAIL, VerdictKind.INCONCLUSIVE, VerdictKind.PENDING, VerdictKind.PASS)


def _worst(verdicts: tuple[RuleVerdict, ...]) -> RuleVerdict | None:
    return min(verdicts, key=lambda v: _ORDER.index(v.kind), default=None)


def _resumed(situation: Situation, held: Hold) -> bool:
    resumed = situation.record.resumed_at
    return resumed is not None and resumed >= held.since.replace(microsecond=0)


def _resume(situation: Situation, reason: str, message: str) -> Decision:
    """Carry on where it stood; the time held does not count against the deadline."""
    state = situation.record.state
    held = situation.now - state.hold.since if state.hold else timedelta(0)
    phase = Phase.BAKING if state.reached_at is not None else Phase.PROGRESSING
    state = replace(
        state,
        phase=phase,
        hold=None,
        waited=state.waited + held.total_seconds(),
        reason=reason,
        message=message,
    )
    mark = pause_mark(situation.record, situation.policy, situation.now)
    weight = situation.weight if situation.stepped else None
    return Decision(
        state,
        wake=situation.now,
        action=Action.RESUME,
        reason=reason,
        message=message,
        change=steer(weight, situation.workload, mark),
        verdicts=situation.verdicts,
    )
