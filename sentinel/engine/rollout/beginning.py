"""The first decision of a rollout: its record, what it is compared with, and whether it is judged at all."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sentinel.domain.decision import Change, Decision
from sentinel.domain.figures import percent
from sentinel.domain.policy.policy import Mode, OnKnownBad, Policy
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState, StepProgress, Waits
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.config import ConfigReading
from sentinel.domain.workload.facts import Ability, Workload
from sentinel.domain.workload.keeper import KeeperHoldEnd
from sentinel.engine.exposure.brakes import brake_mark
from sentinel.engine.exposure.own import down_sentence
from sentinel.engine.exposure.steering import first_stop, steer
from sentinel.engine.exposure.traffic import withdrawn
from sentinel.engine.exposure.weights import wanted_pods, weight_reached
from sentinel.engine.rollout.config import started_with
from sentinel.engine.rollout.holding import hold
from sentinel.engine.rollout.lifecycle import REAPPLIED_WITHIN, ROLLED_BACK, Begin
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rollout.undo.undoing import keeper_refusal, undo
from sentinel.values import replace

JUST_AFTER = timedelta(milliseconds=1)
NOTHING_READ = ConfigReading()


def begins_at(records: Iterable[Record], now: datetime) -> datetime:
    """When a rollout begins that comes after these: later than all of them, though the clock was set back.

    The newest record is found by its beginning. If it were not the newest, it would be created again and again.
    """
    return max([now, *(record.started_at + JUST_AFTER for record in records)])


def new_record(begin: Begin, workload: Workload, policy: Policy, mode: Mode, now: datetime) -> Record:
    """The record of a rollout that begins now. Every replica gives it the same name: creating it is the lock."""
    record = Record(
        name=record_name(workload, begin.attempt),
        key=workload.key,
        workload_uid=workload.uid,
        candidate=RevisionRef.of(workload.candidate),
        stable=begin.stable,
        policy=policy.name,
        policy_digest=policy.digest,
        policy_document=policy.document,
        policy_set=policy.set_digest,
        started_at=now,
        mode=mode,
        attempt=begin.attempt,
        trigger=workload.changed_by,
        state=RolloutState(Phase.PROGRESSING, StepProgress(began_at=now), saved_at=now),
    )
    begun = begin.begun
    if begun is None:
        return record
    return replace(
        record,
        name=begun.name,
        attempt=begun.attempt,
        started_at=begun.started_at,
        alerts=begun.alerts,
        alerts_beyond=begun.alerts_beyond,
        decisions=begun.decisions,
        notice=begun.notice,
        notices=begun.notices,
        state=replace(record.state, waits=Waits(stood=(now - begun.started_at).total_seconds())),
        uid=begun.uid,
        version=begun.version,
    )


def record_name(workload: Workload, attempt: int) -> str:
    """`<workload>-<hash>[-<attempt>]`, at most 253 characters, unique to workload, template and attempt.

    Attempts are counted by the controller's names where it names revisions; before, the generation tells them apart.
    """
    identity = f"{workload.key.kind}/{workload.uid}/{workload.candidate.digest}"
    if workload.nameless:
        identity += f"/{workload.generation}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    suffix = f"-{digest}" + (f"-{attempt}" if attempt > 1 else "")
    return workload.key.name[: 253 - len(suffix)].rstrip("-.") + suffix


def first_decision(begin: Begin, situation: Situation, reading: ConfigReading = NOTHING_READ) -> Decision:
    """What is decided at first sight: start judging, or hold, undo or merely note a revision that is known."""
    if situation.workload.nameless:
        since = situation.record.state.waits.unseen_since or situation.now
        return hold(situation, HoldReason.CONTROLLER_DOWN, down_sentence(situation.workload, since))
    if begin.undone is not None and _let_come_back(begin.undone, situation):
        return _undone_again(begin.undone, situation)
    if begin.undone is not None and begin.reapplied:
        return _restored_after_undo(begin.undone, situation)
    if begin.unjudged:
        return _unjudged(situation)
    if begin.undone is not None:
        treated = _applied_again(begin.undone, situation)
        if treated is not None:
            return treated
    workload = situation.workload
    message = (
        f"{workload.candidate} replaces {begin.stable}" if begin.stable else f"first {workload.candidate}"
    )
    if workload.changed_by:
        message += f", written by {workload.changed_by}"
    message += _first_batch(situation) + "".join(f". {remark}" for remark in workload.abilities.remarks)
    message += started_with(situation.record.state.config, reading)
    if would_be_taken_back := keeper_refusal(situation):
        message += f". A bad release will be held for people instead of undone: {would_be_taken_back}"
    state = replace(
        situation.record.state, weight=weight_reached(workload), reason="Started", message=message
    )
    return Decision(
        state,
        requeue_at=situation.deadline,
        action=Action.START,
        reason="NewRevision",
        message=message,
        change=_stop_at_once(situation),
    )


def _stop_at_once(situation: Situation) -> Change | None:
    """A rollout in steps is stopped as soon as it is seen."""
    if not situation.stepped or situation.workload.held_by_label:
        return None
    if Ability.BEGINNING in situation.workload.abilities.why_not:
        return None
    mark = brake_mark(situation.record, situation.policy, situation.now)
    return first_stop(situation.policy.strategy.steps[0].weight, situation.workload, mark)


def _first_batch(situation: Situation) -> str:
    """A warning where the workload's own first batch is larger than the first step asks for."""
    workload, steps = situation.workload, situation.policy.strategy.steps
    if not situation.stepped:
        return ""
    wanted, first = workload.exposure.wanted, steps[0].weight
    batch = min(workload.abilities.first_batch, wanted)
    if not wanted or batch <= wanted_pods(first, wanted):
        return ""
    remedy = workload.abilities.smaller_batch.format(weight=percent(first))
    return f". Its first batch is {batch} of {wanted} pods, more than the first step's {percent(first)}: {remedy}"


def _unjudged(situation: Situation) -> Decision:
    message = f"{situation.workload.candidate} was fully rolled out before the sentinel watched it"
    state = replace(
        situation.record.state.ended(situation.now),
        phase=Phase.UNJUDGED,
        weight=1.0,
        reason="NotWatched",
        message=message,
    )
    return Decision(state, requeue_at=None, action=Action.CLOSE, reason="NotWatched", message=message)


def _restored_after_undo(bad: Record, situation: Situation) -> Decision:
    """Someone put an undone revision right back: said once, with the name, and never fought over."""
    who = situation.workload.changed_by or "someone"
    why = f"right after it was undone ({bad.state.reason})"
    message = f"{who} applied {bad.candidate} again {why}; it is not undone twice"
    return hold(situation, HoldReason.RESTORED_AFTER_UNDO, message)


def _let_come_back(bad: Record, situation: Situation) -> bool:
    """Whether our release of a hold, when the source changed, let the undone revision be deployed again."""
    hold = bad.state.keeper_hold
    if hold is None or hold.ending is not KeeperHoldEnd.SOURCE_CHANGED or hold.ended_at is None:
        return False
    return situation.now - hold.ended_at <= REAPPLIED_WITHIN


def _undone_again(bad: Record, situation: Situation) -> Decision:
    """Undone once more, outside the budget, and held until a person releases it."""
    keeper = situation.workload.keeper
    who = situation.workload.changed_by or "someone"
    message = (
        f"{who} deployed {bad.candidate} again, which was undone ({bad.state.reason}), after the source of "
    )
    message += f"{keeper or 'the workload'} changed to something else"
    fail = RuleVerdict("known-bad", VerdictKind.FAIL, HoldReason.KNOWN_BAD, message)
    return undo(situation, fail, again=True)


def _applied_again(bad: Record, situation: Situation) -> Decision | None:
    """A revision that was undone is here again: judged, held or undone, as the policy says."""
    who = situation.workload.changed_by or "someone"
    choice = situation.policy.undo.on_known_bad
    if choice is OnKnownBad.JUDGE:
        return None
    message = f"{bad.candidate} was undone before ({bad.state.reason}) and {who} applied it again"
    if choice is OnKnownBad.HOLD:
        return hold(situation, HoldReason.KNOWN_BAD, message)
    return undo(situation, RuleVerdict("known-bad", VerdictKind.FAIL, HoldReason.KNOWN_BAD, message))


def superseded(record: Record, by: Begin, now: datetime) -> Decision:
    """The end of a rollout that a newer revision cut short."""
    if record.state.phase is Phase.PROMOTED:
        message = "a newer revision ended the guard window"
        return Decision(
            record.state.ended(now),
            requeue_at=None,
            action=Action.CLOSE,
            reason="NewerRevision",
            message=message,
        )
    came_back = by.reapplied and by.undone is not None and by.undone.name == record.name
    phase = Phase.UNDONE if came_back else _end_phase(record)
    undone = phase is Phase.UNDONE
    message = (
        "someone applied it again before the undo was complete"
        if by.reapplied
        else "a newer revision was applied"
    )
    state = replace(
        record.state.ended(now),
        phase=phase,
        hold=None,
        reason=record.state.reason if undone else "NewerRevision",
        message=f"{record.state.message}; {message}" if undone else message,
    )
    return Decision(state, requeue_at=None, action=Action.SUPERSEDE, reason="NewerRevision", message=message)


def _end_phase(record: Record) -> Phase:
    """A rollout that others end is superseded; one whose undo was made is remembered as undone."""
    undo_state = record.state.undo
    made = undo_state is not None and (undo_state.patched_at is not None or undo_state.target_seen)
    return Phase.UNDONE if record.state.phase is Phase.UNDOING and made else Phase.SUPERSEDED


def rolled_back_by_hand(situation: Situation) -> Decision:
    """The stable template was put back by someone else: the rollout is over, and our pause must not stand."""
    workload = situation.workload
    who = workload.changed_by or "someone"
    message = f"{who} reverted to {situation.record.stable}"
    state = replace(
        situation.record.state.ended(situation.now),
        phase=_end_phase(situation.record),
        hold=None,
        reason=ROLLED_BACK,
        message=message,
    )
    touch = situation.mode is Mode.ENFORCE and not workload.held_by_label
    return Decision(
        state,
        requeue_at=None,
        action=Action.SUPERSEDE,
        reason=ROLLED_BACK,
        message=message,
        change=_let_go(situation) if touch else None,
    )


def _let_go(situation: Situation) -> Change | None:
    mark = brake_mark(situation.record, situation.policy, situation.now)
    return withdrawn(situation.workload, mark) or steer(None, situation.workload)


def workload_gone(record: Record, now: datetime, *, disbanded: bool = False) -> Decision:
    """The workload was deleted in the middle of its rollout, or `disbanded`: no policy makes it of its objects now."""
    reason, message = "WorkloadDeleted", "the workload was deleted"
    if disbanded:
        reason = "PolicyRemoved"
        message = (
            f"no policy makes {record.key} now: its objects were left as they are, and requests go where they "
            "went. Put the policy back to go on, or set the weights, the sizes and any pause of the sentinel's by hand"
        )
    state = replace(record.state.ended(now), phase=Phase.FAILED, hold=None, reason=reason, message=message)
    return Decision(state, requeue_at=None, action=Action.CLOSE, reason=reason, message=message)
