"""People first: what a human stopped by hand is theirs, and what a human let go stays let go."""

from sentinel.domain.decision import Decision
from sentinel.domain.figures import percent
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.revision import Revision
from sentinel.engine.exposure.brakes import lifted_by_human
from sentinel.engine.exposure.steering import steer
from sentinel.engine.rollout.holding import hold
from sentinel.engine.rollout.progress import later
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rollout.undo.target import stable_changed
from sentinel.values import replace


def obey(situation: Situation) -> Decision | None:
    """A pause that is not ours, or the hold label: nothing is touched while it lasts."""
    if situation.workload.held_by_label:
        message = "held by the label rollback-sentinel.dev/hold"
        return hold(situation, HoldReason.HOLD_LABEL, message)
    if paused_by_hand(situation):
        brake = situation.workload.brake
        message = f"{brake.why or 'stopped by hand'}; the sentinel does not change a {brake.name} that it did not set"
        if not brake.why:
            message = f"stopped by hand; the sentinel does not lift a {brake.name} that it did not make"
        return hold(situation, HoldReason.PAUSED_BY_HAND, message)
    return None


def paused_by_hand(situation: Situation) -> bool:
    return situation.workload.brake.foreign


def beside_changed(situation: Situation) -> Decision | None:
    """Someone changed what serves beside the candidate: a promotion would overwrite it, so a person must want that."""
    record = situation.record
    changed = stable_changed(record, situation.records, situation.workload)
    if changed is None or _overwritten_knowingly(changed, situation):
        return None
    message = (
        f"what serves beside {record.candidate} was given another template by hand ({changed}), and a promotion would "
        f"overwrite that: put {record.stable} back there, or resume to overwrite it all the same"
    )
    return hold(situation, HoldReason.STABLE_CHANGED, message)


def _overwritten_knowingly(changed: Revision, situation: Situation) -> bool:
    """Whether a person who knew of this change, and not of an earlier one alone, had the rollout go on."""
    resumed = situation.record.resumed_at
    if resumed is None or (changed.created_at is not None and changed.created_at > resumed):
        return False
    return any(
        entry.reason == HoldReason.STABLE_CHANGED and entry.at.replace(microsecond=0) <= resumed
        for entry in situation.record.decisions
    )


def release(situation: Situation) -> Decision | None:
    """A human lifted our pause: said once, and the rollout goes on to 100 % without another one."""
    record, workload = situation.record, situation.workload
    if situation.mode is Mode.OBSERVE or not lifted_by_human(record, workload):
        return None
    brake = replace(record.state.brake, released_by_person=True, seen_generation=0)
    state = replace(record.state, brake=brake)
    message = f"someone lifted the sentinel's {workload.brake.name}; it does not stop this rollout again"
    if state.progress.step < situation.last_step:
        message += f", which is judged at 100% instead of {percent(situation.weight or 1.0)}"
        state = state.at_step(situation.last_step, situation.now)
    if state.hold is None:
        state = replace(state, phase=Phase.PROGRESSING, reason="PauseLifted", message=message)
    return Decision(
        state,
        requeue_at=later(situation, situation.deadline),
        action=Action.RESUME if state.hold is None else Action.ESCALATE,
        reason="PauseLifted",
        message=message,
        change=steer(None, workload),
        verdicts=situation.verdicts,
    )
