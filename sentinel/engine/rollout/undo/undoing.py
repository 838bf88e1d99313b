"""From proof against the candidate to an undo, or to a hold where an undo must not or cannot be made."""

from sentinel.domain.decision import Change, Decision, Restore
from sentinel.domain.policy.policy import Mode
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import Hold, Phase, RevisionRef, UndoState
from sentinel.domain.verdict import DecisionCause, RuleVerdict, VerdictKind
from sentinel.domain.workload.keeper import Keeper, KeeperHold
from sentinel.engine.exposure.brakes import brake_mark
from sentinel.engine.exposure.switching import brought_back
from sentinel.engine.exposure.traffic import withdrawn
from sentinel.engine.keepers.claiming import claim, refusal
from sentinel.engine.rollout.config import changed_since_stable, in_vain, returns, said_of_undo
from sentinel.engine.rollout.guards import BUDGETS, permitted
from sentinel.engine.rollout.holding import hold
from sentinel.engine.rollout.situation import JudgedAlert, Situation
from sentinel.engine.rollout.undo.target import NoTarget, choose_target
from sentinel.values import replace


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


def undo(situation: Situation, because: RuleVerdict, *, again: bool = False) -> Decision:
    """Undo for this fail if the guards permit it, there is a target that is known to be good, and it would last.

    `again`: our release of a hold let the candidate come back. The budget does not count, and only a person releases
    the next hold.
    """
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
    if guard.reason is not None and not (again and guard.reason in BUDGETS):
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
    if vain := in_vain(situation, target.revision, changes, back):
        return _held_instead(situation, HoldReason.CONFIG_ALONE, f"{because.message}; {vain}", because)
    taken_back = keeper_refusal(situation)
    if taken_back:
        message = f"{because.message}; {taken_back}"
        return _held_instead(situation, HoldReason.KEEPER_REVERTS, message, because)
    if situation.mode is Mode.OBSERVE:
        return _observed(situation, because, f"would undo: {because.message}; back to {target.revision}")
    return undo_to(situation, because, target.revision, again=again)


def keeper_refusal(situation: Situation) -> str:
    """Why an undo would not last: who deploys the workload would take it back. Empty where it would."""
    keeper = situation.workload.keeper
    return refusal(keeper, situation.cluster_records, situation.now) if keeper is not None else ""


def undo_to(
    situation: Situation, because: RuleVerdict, target: RevisionRef, *, again: bool = False
) -> Decision:
    """The undo itself: the template of the target is put back, and a rollout that was over is under way again.

    Who would take it back is held first.
    """
    changes = changed_since_stable(situation, target)
    back = returns(situation, changes)
    message = f"{because.message}; back to {target}{said_of_undo(changes, back)}"
    undo_state = UndoState(target, situation.now, fault_at=because.cause.first_bad_at, config=back)
    held = _held_first(situation, because, by_people=again)
    message += _said_of_keeper(situation.workload.keeper, held)
    state = replace(
        situation.record.state,
        phase=Phase.UNDOING,
        hold=None,
        ending=replace(situation.record.state.ending, ended_at=None),
        undo=undo_state,
        keeper_hold=held,
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
        escalate=again,
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


def _held_first(situation: Situation, because: RuleVerdict, *, by_people: bool) -> KeeperHold | None:
    """The hold on who would take the undo back, None where nobody would."""
    keeper, records = situation.workload.keeper, situation.cluster_records
    if keeper is None:
        return None
    lasts = situation.keeper_hold_for
    return claim(keeper, records, because.reason, situation.now, lasts, by_people=by_people)


def _said_of_keeper(keeper: Keeper | None, held: KeeperHold | None) -> str:
    """The end of a sentence on an undo: who is held, or what must be done elsewhere."""
    if held is not None:
        return f"; {held.keeper} is held until {held.ends_by}"
    return f"; {keeper.note}" if keeper is not None and keeper.note else ""


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
