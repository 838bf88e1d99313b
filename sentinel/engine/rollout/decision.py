"""The decision of one reconcile: obey people, condemn on proof, hold on doubt, expire, or proceed, in this order.

Each question is one function that answers with a Decision or with None, "not mine"; the first answer counts.
"""

from collections.abc import Callable
from datetime import timedelta

from sentinel.domain.decision import Decision
from sentinel.domain.figures import duration
from sentinel.domain.policy.rules import MetricRule
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.policy.strategy import OnDeadline
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldEnd, HoldReason, hold_kind
from sentinel.domain.record.state import Hold, Phase, RolloutState
from sentinel.domain.verdict import DecisionCause, RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import Ability
from sentinel.engine.exposure.own import UNSEEN_FOR, down_sentence, held_down_at
from sentinel.engine.pods.cluster_wait import TOLD_AFTER, showing
from sentinel.engine.rollout.config import note_config, restart_for_config
from sentinel.engine.rollout.holding import QUIET_FOR, damage_limiting_pause, escalate, hold
from sentinel.engine.rollout.noting import noted, settled
from sentinel.engine.rollout.overrides import beside_changed, obey, paused_by_hand, release
from sentinel.engine.rollout.progress import keep_guard, proceed, resume, stand_still
from sentinel.engine.rollout.situation import JudgedAlert, Situation
from sentinel.engine.rollout.undo.restoring import watch_restore
from sentinel.engine.rollout.undo.undoing import condemn
from sentinel.values import replace

CALM_FOR = timedelta(minutes=1)
"""An outage or an alert storm may pause: it is over once its signs have stayed away for this long."""

MISSING_FOR = timedelta(minutes=1)
"""One lost scrape is not an outage: people are notified once evidence has been missing for this long."""


def decide(situation: Situation) -> Decision:
    """What to do now about a rollout that has a record.

    The answer always carries the next state and, unless the rollout is over, when to look again at the latest.
    """
    situation = noted(situation)
    situation = situation.in_state(_note_missing(situation.record.state, situation))
    return settled(_decide(situation), situation)


def _decide(situation: Situation) -> Decision:
    phase = situation.record.state.phase
    if phase is Phase.UNDOING:
        return watch_restore(situation)
    if phase is Phase.PROMOTED:
        guarded = (_condemn_guarded, _tell, note_config, restart_for_config)
        return _first(situation, *guarded) or keep_guard(situation)
    earlier = _first(
        situation, _obey, _condemn, _tell, note_config, release, _stay_held, _suspend, stand_still
    )
    return earlier or _first(situation, _tell_wait, _expire) or _watched(proceed(situation), situation)


def _first(situation: Situation, *questions: Callable[[Situation], Decision | None]) -> Decision | None:
    for question in questions:
        answer = question(situation)
        if answer is not None:
            return answer
    return None


def _obey(situation: Situation) -> Decision | None:
    answer = obey(situation)
    quiet = answer is not None and answer.action is None
    return (_tell(situation) or answer) if quiet else answer


# Proof.


def _condemn(situation: Situation) -> Decision | None:
    held = situation.record.state.hold
    if held is not None and held.sticky and not hold_kind(held.reason).judged:
        return None
    return condemn(situation, situation.verdicts)


def _condemn_guarded(situation: Situation) -> Decision | None:
    """In the guard window after promotion only alerts and crashes undo; the caller passes no other verdicts."""
    found = condemn(situation, situation.verdicts) if not situation.workload.held_by_label else None
    if found is None or not paused_by_hand(situation):
        return found
    if any(entry.reason == HoldReason.PAUSED_BY_HAND for entry in situation.record.decisions):
        return None
    message = f"{found.message}; not done while the workload is paused by hand"
    return escalate(
        situation,
        HoldReason.PAUSED_BY_HAND,
        message,
        rule=found.rule,
        numbers=found.numbers,
        cause=found.cause,
    )


# Doubt.


def _stay_held(situation: Situation) -> Decision | None:
    """A sticky hold stays until a human lifts it (or a newer revision ends the rollout)."""
    held = situation.record.state.hold
    if held is None or not held.sticky:
        return None
    if _resumed(situation, held):
        found = resume(situation, "ResumedByHuman", f"someone ended the hold ({held.reason})")
        return replace(found, cause=DecisionCause(resumed_at=situation.record.resumed_at))
    # The undo that was refused would have ended the rolling update.
    stop = damage_limiting_pause(situation) if held.reason == HoldReason.REFERENCE_GONE else None
    return Decision(situation.record.state, requeue_at=None, change=stop, verdicts=situation.verdicts)


def _suspend(situation: Situation) -> Decision | None:
    """Nobody's fault, or not attributable: hold while it lasts, resume when it is over."""
    stopped = _stopped_by_controller(situation) or beside_changed(situation)
    if stopped is not None:
        return stopped
    alert = next((a for a in situation.alerts if _holds(a, situation)), None)
    if alert is not None:
        found = alert.attribution
        answer = hold(situation, HoldReason(found.reason), found.message, call=not found.told_elsewhere)
        return replace(answer, cause=DecisionCause(alert=alert.entry.fingerprint))
    outage = next((v for v in situation.verdicts if v.everywhere), None)
    if outage is not None:
        alone = outage.reason in (HoldReason.NO_BASELINE, HoldReason.STABLE_WAS_BAD)
        reason = HoldReason(outage.reason) if alone else HoldReason.ENVIRONMENT_OUTAGE
        return hold(situation, reason, outage.message, because=outage)
    unable = _unable(situation)
    if unable is not None:
        return unable
    held, missing_since = situation.record.state.hold, situation.record.state.waits.missing_since
    # Known already where it is held for that: a replica that took the rollout up has not seen it missing for so long.
    goes_on = held is not None and held.reason == HoldReason.EVIDENCE_MISSING
    if missing_since is not None and (goes_on or situation.now >= missing_since + MISSING_FOR):
        missing = next(v for v in situation.verdicts if v.kind is VerdictKind.INCONCLUSIVE)
        message = str(situation.cluster_wait or missing.message)
        return hold(situation, HoldReason.EVIDENCE_MISSING, message, because=missing)
    return _let_go(situation, held) if held is not None else None


def _stopped_by_controller(situation: Situation) -> Decision | None:
    """The workload's own controller gave the candidate up, or is not there to do anything."""
    workload = situation.workload
    down_at = held_down_at(situation.record.state)
    if down_at is not None and (situation.now >= down_at or workload.nameless):
        sentence = down_sentence(workload, down_at - UNSEEN_FOR)
        return hold(situation, HoldReason.CONTROLLER_DOWN, sentence)
    own = workload.own_steps
    if own is not None and own.aborted:
        message = f"its own controller aborted the rollout ({own.aborted}); the template is still {workload.candidate}"
        return hold(situation, HoldReason.ABORTED_BY_CONTROLLER, message)
    return None


def _unable(situation: Situation) -> Decision | None:
    """The workload's own settings are in the way of what the policy asks for."""
    why_not = situation.workload.abilities.why_not
    if Ability.ROLLING in why_not:
        return hold(situation, HoldReason.CANNOT_ROLL, why_not[Ability.ROLLING])
    if Ability.STEPPING in why_not and situation.policy.strategy.steps:
        return hold(situation, HoldReason.CANNOT_STEP, why_not[Ability.STEPPING])
    if Ability.BEGINNING in why_not and situation.present_step is not None:
        return hold(situation, HoldReason.CANNOT_STEP, why_not[Ability.BEGINNING])
    return None


def _holds(alert: JudgedAlert, situation: Situation) -> bool:
    """Whether the alert asks for a hold that no human has ended since."""
    resumed = situation.record.resumed_at
    overruled = resumed is not None and resumed >= alert.entry.received_at
    return alert.attribution.effect is AlertAction.HOLD and not overruled


def _let_go(situation: Situation, held: Hold) -> Decision:
    """Resume once the cause has stayed away for long enough; what people set and unset ends at once.

    Of a workload scaled to zero the absence of signs says nothing.
    """
    at_once = hold_kind(held.reason).end is HoldEnd.AT_ONCE or _resumed(situation, held)
    if situation.workload.exposure.wanted == 0 and not at_once:
        kept = replace(situation.record.state, hold=replace(held, gone_since=None))
        return Decision(kept, requeue_at=None, verdicts=situation.verdicts)
    gone_since = held.gone_since or situation.now
    over_at = gone_since + (timedelta(0) if at_once else _calm_for(situation, held))
    if situation.now >= over_at:
        return resume(situation, "HoldOver", f"the cause of the hold is over ({held.reason})")
    waiting = replace(situation.record.state, hold=replace(held, gone_since=gone_since))
    return Decision(waiting, requeue_at=over_at, verdicts=situation.verdicts)


def _calm_for(situation: Situation, held: Hold) -> timedelta:
    """How long signs must stay away: where they are measured, two ticks of the slowest rule at the least.

    One tick may be quiet by chance.
    """
    if hold_kind(held.reason).end is not HoldEnd.MEASURED:
        return CALM_FOR
    intervals = (rule.interval for rule in situation.policy.rules if isinstance(rule, MetricRule))
    return max([CALM_FOR, 2 * situation.tick, *(2 * interval for interval in intervals)])


def _note_missing(state: RolloutState, situation: Situation) -> RolloutState:
    """Since when evidence has been missing that nothing but it keeps the step from passing."""
    missing = any(v.kind is VerdictKind.INCONCLUSIVE for v in situation.verdicts) and _bake_is_over(situation)
    since = (state.waits.missing_since or situation.now) if missing else None
    if since == state.waits.missing_since:
        return state
    return replace(state, waits=replace(state.waits, missing_since=since))


def _watched(decision: Decision, situation: Situation) -> Decision:
    """Looked at again when evidence has been missing for so long that it is a hold: no tick may come then."""
    since = decision.state.waits.missing_since
    if decision.action is not None or since is None:
        return decision
    due = since + MISSING_FOR
    return replace(decision, requeue_at=min(due, decision.requeue_at or due))


def _bake_is_over(situation: Situation) -> bool:
    """Whether nothing but evidence keeps this step from passing."""
    return situation.bake_ends is not None and situation.now >= situation.bake_ends


def _expire(situation: Situation) -> Decision | None:
    if situation.now < situation.deadline:
        return None
    wait = situation.cluster_wait
    verdicts = (f"{v.rule}: {v.message}" for v in situation.verdicts if v.kind is not VerdictKind.PASS)
    waiting = str(wait) if wait is not None else "; ".join(verdicts)
    message = f"could not be judged within {duration(situation.policy.strategy.deadline)}" + (
        f" ({waiting})" if waiting else ""
    )
    if situation.policy.strategy.on_deadline is OnDeadline.UNDO:
        late = RuleVerdict("deadline", VerdictKind.FAIL, HoldReason.DEADLINE_EXCEEDED, message)
        return condemn(situation, (late,))
    return hold(situation, HoldReason.DEADLINE_EXCEEDED, message)


def _tell(situation: Situation) -> Decision | None:
    """An alert that asks for a human and for nothing else, or for a hold where nothing moves: passed on once."""
    asks = {AlertAction.ESCALATE}
    if situation.record.state.phase is Phase.PROMOTED:
        asks.add(AlertAction.HOLD)
    told = {entry.cause.alert for entry in situation.record.decisions}
    alert = next(
        (a for a in situation.alerts if a.attribution.effect in asks and a.entry.fingerprint not in told),
        None,
    )
    if alert is None:
        return None
    found = alert.attribution
    cause = DecisionCause(alert=alert.entry.fingerprint)
    return escalate(situation, found.reason, found.message, cause=cause)


def _tell_wait(situation: Situation) -> Decision | None:
    """What the cluster keeps back, told once it has lasted for a while; nobody is called before the deadline."""
    wait = situation.cluster_wait
    if wait is None or wait.since is None or situation.now < wait.since + TOLD_AFTER:
        return None
    since = min(wait.since, situation.now - QUIET_FOR)
    before = (e for e in situation.record.decisions if e.action is Action.WAIT and e.reason == wait.reason)
    if any(entry.at >= since for entry in before):
        return None
    state = showing(situation.record.state, wait)
    return Decision(
        state,
        requeue_at=None,
        action=Action.WAIT,
        reason=wait.reason,
        message=wait.message,
        verdicts=situation.verdicts,
    )


def _resumed(situation: Situation, held: Hold) -> bool:
    """Whether a human asked after the hold began, in whole seconds; one wish ends one hold."""
    resumed = situation.record.resumed_at
    if resumed is None or resumed < held.since.replace(microsecond=0):
        return False
    return all(entry.cause.resumed_at != resumed for entry in situation.record.decisions)
