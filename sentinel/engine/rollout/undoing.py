"""From proof against the candidate to an undo, or to a hold where an undo must not or cannot be made."""

from dataclasses import replace

from sentinel.domain.decision import Change, Decision, Restore
from sentinel.domain.policy.policy import Mode
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import Hold, Phase, RevisionRef, UndoState
from sentinel.domain.verdict import DecisionCause, RuleVerdict, VerdictKind
from sentinel.engine.exposure.brakes import brake_mark
from sentinel.engine.exposure.switching import brought_back
from sentinel.engine.exposure.traffic import withdrawn
from sentinel.engine.rollout.config import changed_since_stable, in_vain, returns, said_of_undo
from sentinel.engine.rollout.guards import permitted
from sentinel.engine.rollout.holding import hold
from sentinel.engine.rollout.situation import JudgedAlert, Situation
from sentinel.engine.rollout.target import NoTarget, choose_target


def condemn(situation: Situation, verdicts: tuple[RuleVerdict, ...]) -> Decision | None:
    """The undo (or the hold in its place) that an alert or a rule's fail asks for; None without either."""
    alert = next((a for a in situation.alerts if a.attribution.effect is AlertAction.UNDO), None)
    fail = next((v for v in verdicts if v.kind is VerdictKind.FAIL), None)
    if alert is not None:
        return undo(situation, _fail_of(alert))
    return undo(situation, fail) if fail is not None else None


def _fail_of(alert: JudgedAlert) -> RuleVerdict:
    """The verdict that an alert of the candidate comes to."""
    entry = alert.entry
    cause = DecisionCause(alert=entry.fingerprint, first_bad_at=entry.starts_at)
    message = alert.attribution.message
    return RuleVerdict(f"alert {entry.name}", VerdictKind.FAIL, "Alert", message, cause=cause)


def undo(situation: Situation, because: RuleVerdict) -> Decision:
    """Undo for this fail if the guards permit it and there is a target that is known to be good."""
    guard = permitted(
        Action.UNDO,
        situation.policy,
        situation.workload,
        situation.record,
        situation.records,
        situation.cluster_records,
        cluster_budget=situation.cluster_budget,
        now=situation.now,
    )
    if guard.reason is not None:
        return _held_instead(situation, guard.reason, f"{because.message}; {guard.message}", because)
    target = choose_target(
        situation.record,
        situation.records,
        situation.workload,
        situation.policy.undo.max_target_age,
        situation.now,
    )
    if isinstance(target, NoTarget):
        return _held_instead(situation, target.reason, f"{because.message}; {target.message}", because)
    changes = changed_since_stable(situation, target.revision)
    back = returns(situation, changes)
    if vain := in_vain(situation, changes, back):
        return _held_instead(situation, HoldReason.CONFIG_ALONE, f"{because.message}; {vain}", because)
    if situation.mode is Mode.OBSERVE:
        return _observed(situation, because, f"would undo: {because.message}; back to {target.revision}")
    return undo_to(situation, because, target.revision)


def undo_to(situation: Situation, because: RuleVerdict, target: RevisionRef) -> Decision:
    """The undo itself: the template of the target is put back, and a rollout that was over is under way again."""
    changes = changed_since_stable(situation, target)
    back = returns(situation, changes)
    message = f"{because.message}; back to {target}{said_of_undo(changes, back)}"
    undo_state = UndoState(target, situation.now, fault_at=because.cause.first_bad_at, config=back)
    state = replace(
        situation.record.state,
        phase=Phase.UNDOING,
        hold=None,
        ending=replace(situation.record.state.ending, ended_at=None),
        undo=undo_state,
        verdict=VerdictKind.FAIL.value,
        reason=because.reason,
        message=message,
    )
    return Decision(
        state,
        requeue_at=situation.now + situation.policy.undo.restore_within,
        action=Action.UNDO,
        reason=because.reason,
        message=message,
        rule=because.rule,
        numbers=because.numbers,
        cause=because.cause,
        change=next_of_undo(situation, undo_state),
        verdicts=situation.verdicts,
    )


def next_of_undo(situation: Situation, undo_state: UndoState) -> Change:
    """The first of an undo's changes that is not made yet.

    Requests are taken from the candidate before its pods, and given to pods that are there.
    """
    workload, target = situation.workload, undo_state.target
    mark = brake_mark(situation.record, situation.policy, situation.now)
    back = Restore(target, undo_state.config)
    return withdrawn(workload, mark) or brought_back(workload, target) or back


def _held_instead(situation: Situation, reason: HoldReason, message: str, because: RuleVerdict) -> Decision:
    if situation.record.state.phase is Phase.PROMOTED:
        return _told_instead(situation, reason, message, because)
    return hold(situation, reason, message, because=because)


def _told_instead(situation: Situation, reason: str, message: str, because: RuleVerdict) -> Decision:
    """A promoted revision that must not be undone: there is nothing to hold, so people are notified, once."""
    state = replace(situation.record.state.ended(situation.now), reason=reason, message=message)
    return Decision(
        state,
        requeue_at=None,
        action=Action.ESCALATE,
        reason=reason,
        message=message,
        rule=because.rule,
        numbers=because.numbers,
        cause=because.cause,
        escalate=True,
        verdicts=situation.verdicts,
    )


def _observed(situation: Situation, because: RuleVerdict, message: str) -> Decision:
    """In observe mode the decision is entered and told, and the rollout (or its guard) is left to people."""
    state = replace(
        situation.record.state, verdict=VerdictKind.FAIL.value, reason=because.reason, message=message
    )
    if state.phase is Phase.PROMOTED:
        state = state.ended(situation.now)
    else:
        held = Hold(HoldReason.WOULD_UNDO, situation.now, message, observed=True)
        state = replace(state, phase=Phase.HELD, hold=held)
    return Decision(
        state,
        requeue_at=None,
        action=Action.UNDO,
        reason=because.reason,
        message=message,
        rule=because.rule,
        numbers=because.numbers,
        cause=because.cause,
        escalate=True,
        verdicts=situation.verdicts,
    )
