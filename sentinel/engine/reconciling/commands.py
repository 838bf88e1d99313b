"""The outcome of a person's command: a decision that names them, or a refusal that says why.

People overrule what the sentinel waits for, not what it knows: it refuses to go back to a revision that is known bad
or lies beyond an irreversible one, to promote what a rule proves bad, and to carry out a command that was meant for
another rollout or is too old.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from sentinel.domain.command import Command, CommandAction, CommandPhase, Refusal
from sentinel.domain.decision import Decision
from sentinel.domain.figures import duration
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, DecisionEntry, OutcomeKind
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RolloutState
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import HOLD_LABEL, Workload
from sentinel.engine.exposure.own import STEPS_SKIPPED, promotion
from sentinel.engine.rollout.badness import forgivable
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.holding import hold, without_hold
from sentinel.engine.rollout.noting import noted, settled
from sentinel.engine.rollout.overrides import paused_by_hand
from sentinel.engine.rollout.progress import promote, steered
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rollout.undo.target import NoTarget, choose_target, numbered_target
from sentinel.engine.rollout.undo.undoing import keeper_refusal, undo_to
from sentinel.values import dataclass, replace

VALID_FOR = timedelta(minutes=10)
"""A command that no sentinel saw for so long was meant for another moment."""


@dataclass(frozen=True, slots=True)
class Obeyed:
    """The decision that makes the command real, and the record that it is entered in."""

    record: Record
    decision: Decision


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of a command."""

    phase: CommandPhase
    message: str
    refusal: str = ""


Answer = Obeyed | Answered


def obey(command: Command, situation: Situation) -> Answer:
    """What to do about a command; `situation.record` is the workload's newest.

    A command whose decision is already in a record is answered with its outcome and never carried out again.
    """
    entry = _entry_of(command, situation.records)
    if entry is not None:
        return _outcome(entry)
    refusal = _not_meant(command, situation)
    if refusal is not None:
        return _refused(refusal)
    situation = noted(situation)
    answer = _ACTIONS[command.action](command, situation)
    if isinstance(answer, Answered):
        return answer
    named = replace(
        settled(answer.decision, situation), command=command.uid, requested_by=command.requested_by
    )
    return replace(answer, decision=named)


def _entry_of(command: Command, records: Sequence[Record]) -> DecisionEntry | None:
    entries = (entry for record in records for entry in record.decisions)
    return next((entry for entry in entries if entry.command == command.uid), None)


def _outcome(entry: DecisionEntry) -> Answered:
    outcome = entry.outcome
    if outcome is not None and outcome.kind is not OutcomeKind.DONE:
        return _refused(f"{entry.message}; {outcome.detail or outcome.kind}")
    return Answered(CommandPhase.DONE, entry.message)


def _refused(why: str, refusal: str = "") -> Answered:
    return Answered(CommandPhase.REFUSED, why, refusal)


def _not_meant(command: Command, situation: Situation) -> str | None:
    """Why the command was meant for another moment or another rollout, None when it was meant for this one."""
    record = situation.record
    if situation.now - command.created_at > VALID_FOR:
        return f"no sentinel acted on it within {duration(VALID_FOR)}, and the situation may have changed: ask again"
    if command.action is CommandAction.FORGIVE:
        return None
    if command.record and command.record != record.name:
        return f"the newest rollout is {record.name}, not {command.record}"
    if not command.record and record.started_at.replace(microsecond=0) > command.created_at:
        return f"the rollout {record.name} began after the command was made: ask again"
    return None


def _said(command: Command, what: str) -> str:
    return f"{command.requested_by} {what}" + (f": {command.reason}" if command.reason else "")


def _over(situation: Situation) -> str | None:
    """Why nothing can be asked of the rollout's progress, None while it is under way."""
    phase = situation.record.state.phase
    if phase is Phase.UNDOING:
        return "an undo is under way"
    return None if situation.record.in_flight else f"no rollout is under way, the newest one is {phase}"


# One function for each action.


def _approve(command: Command, situation: Situation) -> Answer:
    over = _over(situation)
    if over is not None:
        return _refused(over)
    record = situation.record
    present = record.state.progress.step + 1
    step = command.step or present
    steps = situation.policy.strategy.steps
    if step in record.approvals:
        return Answered(CommandPhase.DONE, f"step {step} is already approved")
    if step < present:
        return _refused(f"step {step} is over, the current step is {present}")
    if not situation.stepped or step > len(steps) or not steps[step - 1].approval:
        return _refused(f"step {step} does not require an approval")
    message = _said(command, f"approved step {step}")
    decision = Decision(record.state, None, action=Action.APPROVE, reason="Approved", message=message)
    return Obeyed(replace(record, approvals=record.approvals | {step}), decision)


def _hold(command: Command, situation: Situation) -> Answer:
    over = _over(situation)
    if over is not None:
        return _refused(over)
    message = _said(command, "put the rollout on hold")
    decision = hold(situation, HoldReason.HELD_BY_HUMAN, message)
    if decision.action is None:
        return Answered(CommandPhase.DONE, "it is already held")
    return Obeyed(situation.record, decision)


def _resume(command: Command, situation: Situation) -> Answer:
    over = _over(situation)
    held = situation.record.state.hold
    if over is not None or held is None:
        return _refused(over or "the rollout is not held")
    record = replace(situation.record, resumed_at=situation.now)
    decision = decide(replace(situation, record=record))
    if decision.action is not Action.RESUME:
        return _refused(f"the cause of the hold persists: {held.message}")
    message = _said(command, f"ended the hold ({held.reason})")
    state = replace(decision.state, message=message)
    return Obeyed(record, replace(decision, state=state, message=message))


def _undo(command: Command, situation: Situation) -> Answer:
    """Budgets and the hold label keep the sentinel from undoing, not people; the message mentions the label."""
    record, workload = situation.record, situation.workload
    if record.state.phase is Phase.UNDOING:
        return _refused("an undo is under way")
    if situation.mode is Mode.OBSERVE:
        return _refused("the sentinel is in observe mode and changes nothing", Refusal.OBSERVES)
    if command.to_revision is not None:
        target = numbered_target(command.to_revision, record, situation.records, workload)
    else:
        oldest = situation.policy.undo.max_target_age
        target = choose_target(record, situation.records, workload, oldest, situation.now)
    if isinstance(target, NoTarget):
        return _refused(target.message)
    message = _said(command, "asked for the undo")
    if workload.held_by_label:
        message += f" (the label {HOLD_LABEL} does not stop people)"
    if taken_back := keeper_refusal(situation):
        message += f" ({taken_back})"
    asked = RuleVerdict("", VerdictKind.FAIL, "UndoneByHuman", message)
    return Obeyed(record, undo_to(situation, asked, target.revision))


def _promote(command: Command, situation: Situation) -> Answer:
    """On to 100 % without the steps between; at 100 % the promotion itself, though rules are pending."""
    refusal = _over(situation) or _untouchable(situation) or _proven_bad(situation)
    if refusal is not None:
        return _refused(refusal)
    workload, record = situation.workload, situation.record
    state = replace(without_hold(record.state, situation.now).approval_over(), phase=Phase.PROGRESSING)
    if state.progress.step >= situation.last_step:
        if not workload.rolled_out:
            return _refused(
                f"{workload.exposure.available} of {workload.exposure.wanted} pods are available at 100%"
            )
        message = _said(command, "promoted it without waiting for pending rules")
        return Obeyed(record, promote(situation, state, "PromotedByHuman", message))
    message = _said(command, "skipped the remaining steps; the rollout is judged at 100%")
    if situation.own_steps is not None:
        return Obeyed(record, _skip_own_steps(workload, state, message))
    state = state.at_step(situation.last_step, situation.now)
    state = replace(state, reason=STEPS_SKIPPED, message=message)
    ahead = replace(situation, record=record.with_state(state))
    change = steered(ahead)
    decision = Decision(
        state, None, action=Action.ADVANCE, reason=STEPS_SKIPPED, message=message, change=change
    )
    return Obeyed(record, decision)


def _skip_own_steps(workload: Workload, state: RolloutState, message: str) -> Decision:
    """The workload's own controller is asked to skip them; the rollout is followed to where it goes."""
    state = replace(state.step_to_reach(), reason=STEPS_SKIPPED, message=message)
    change = promotion(workload, full=True)
    return Decision(state, None, action=Action.ADVANCE, reason=STEPS_SKIPPED, message=message, change=change)


def _untouchable(situation: Situation) -> str | None:
    if situation.workload.held_by_label:
        return f"the workload is labelled {HOLD_LABEL}=true: remove the label first"
    return "the workload is paused by hand: resume it first" if paused_by_hand(situation) else None


def _proven_bad(situation: Situation) -> str | None:
    bad = next((v for v in situation.verdicts if v.kind is VerdictKind.FAIL), None)
    return f"the rule {bad.rule} fails: {bad.message}" if bad is not None else None


def _forgive(command: Command, situation: Situation) -> Answer:
    record = forgivable(situation.records, name=command.record, number=command.to_revision)
    if record is None:
        return _refused("no such revision is known bad")
    message = _said(command, f"forgave {record.candidate}: it is no longer known bad")
    state = replace(record.state, ending=replace(record.state.ending, forgiven_at=situation.now))
    decision = Decision(state, None, action=Action.FORGIVE, reason="Forgiven", message=message)
    return Obeyed(record, decision)


_ACTIONS: Mapping[CommandAction, Callable[[Command, Situation], Answer]] = {
    CommandAction.APPROVE: _approve,
    CommandAction.HOLD: _hold,
    CommandAction.RESUME: _resume,
    CommandAction.UNDO: _undo,
    CommandAction.PROMOTE: _promote,
    CommandAction.FORGIVE: _forgive,
}
