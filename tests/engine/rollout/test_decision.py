"""The order in which a pass decides: people, proof, doubt, expiry, progress."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.domain.decision import Release, Stop
from sentinel.domain.policy.policy import Mode
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.policy.strategy import OnDeadline
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import HOLD_LABEL, Abilities, Ability
from sentinel.engine.rollout.decision import decide
from tests.engine.builders import (
    CANARY,
    FAIL,
    MISSING,
    OUTAGE,
    PASS,
    PENDING,
    PLAIN,
    alert,
    entry,
    held,
    in_state,
    paused,
    rollout,
    situation,
    with_strategy,
)
from tests.engine.snapshots import STEPS_NEED_ROLLING, at, changed

LABELLED = {HOLD_LABEL: "true"}
BAKING = in_state(Phase.BAKING, reached_at=at(60))
BAKED = in_state(Phase.BAKING, reached_at=at(0))
PROMOTED = in_state(Phase.PROMOTED, promoted_at=at(60))


# Proof and people.


def test_proof_undoes_at_once() -> None:
    """A fail does not wait for the bake."""
    assert decide(situation(BAKING, paused(1), PASS, FAIL)).action is Action.UNDO


def test_proof_undoes_a_rollout_held_on_doubt() -> None:
    """What was held for missing evidence is undone when it is proven bad."""
    soft = held("EvidenceMissing", sticky=False, reached_at=at(0))
    assert decide(situation(soft, paused(1), FAIL)).action is Action.UNDO


def test_proof_undoes_what_ran_out_of_time() -> None:
    """A rollout held at its deadline is still judged."""
    assert decide(situation(held("DeadlineExceeded"), paused(1), FAIL)).action is Action.UNDO


@pytest.mark.parametrize("reason", ["RestoredAfterUndo", "FirstDeployment", "UndoFailed", "WouldUndo"])
def test_what_a_human_must_end_is_not_undone(reason: str) -> None:
    """Under a sticky hold nothing is decided any more."""
    found = decide(situation(held(reason), paused(1), FAIL))
    assert (found.action, found.change, found.state.phase) == (None, None, Phase.HELD)


def test_the_hold_label_keeps_even_proof_from_acting() -> None:
    """While the label is there nothing is touched, and that is said once."""
    world = paused(1, labels=LABELLED)
    found = decide(situation(BAKING, world, FAIL))
    assert (found.action, found.reason, found.change) == (Action.HOLD, "HoldLabel", None)
    again = decide(situation(BAKING.with_state(found.state), world, FAIL))
    assert (again.action, again.change) == (None, None)


def test_once_the_hold_label_is_gone_the_rollout_goes_on() -> None:
    """What a human set and took away needs no minute of calm."""
    soft = held("HoldLabel", sticky=False, reached_at=at(30))
    found = decide(situation(soft, paused(1), PENDING))
    assert (found.action, found.reason, found.state.phase) == (Action.RESUME, "HoldOver", Phase.BAKING)


def test_a_pause_by_hand_is_left_alone() -> None:
    """It is not ours to lift, and nothing is added to it."""
    found = decide(situation(BAKING, paused(1, by=""), FAIL))
    assert (found.action, found.reason, found.change) == (Action.HOLD, "PausedByHand", None)


@pytest.mark.parametrize("labels", [LABELLED, {}])
def test_a_label_or_a_pause_by_hand_does_not_soften_a_sticky_hold(labels: dict[str, str]) -> None:
    """When it is gone the sticky hold still stands: nothing was resumed."""
    ours = held("RestoredAfterUndo")
    world = rollout(10, labels=labels) if labels else paused(10, by="")
    found = decide(situation(ours, world, FAIL))
    assert found.state.hold == ours.state.hold
    after = decide(situation(ours.with_state(found.state), rollout(10), FAIL))
    assert (after.action, after.state.phase) == (None, Phase.HELD)


# The guard after promotion.


def test_a_crash_within_the_guard_undoes() -> None:
    """Promoted is not forgotten."""
    assert decide(situation(PROMOTED, rollout(10), FAIL)).action is Action.UNDO


def test_the_guard_waits_and_ends() -> None:
    """Nothing to say until it is over; then the rollout is."""
    running = decide(situation(PROMOTED, rollout(10)))
    assert (running.action, running.requeue_at) == (None, at(60 + 3600))
    over = decide(situation(PROMOTED, rollout(10), now=3660))
    assert (over.action, over.reason, over.state.ending.ended_at) == (Action.CLOSE, "GuardOver", at(3660))


def test_the_hold_label_holds_in_the_guard_as_well() -> None:
    """A labelled workload is not undone after its promotion either."""
    assert decide(situation(PROMOTED, rollout(10, labels=LABELLED), FAIL)).action is None


def test_a_promoted_workload_paused_by_hand_is_not_undone_but_told() -> None:
    """A template put back under a pause would go nowhere; a human is told once."""
    world = paused(10, by="")
    found = decide(situation(PROMOTED, world, FAIL))
    assert (found.action, found.reason, found.escalate) == (Action.ESCALATE, "PausedByHand", True)
    told = PROMOTED.with_decision(entry(Action.ESCALATE, "PausedByHand"))
    assert decide(situation(told, world, FAIL)).action is None


def test_an_alert_that_would_hold_is_told_in_the_guard() -> None:
    """Nothing moves that could be held."""
    found = decide(situation(PROMOTED, rollout(10), alerts=(alert(AlertAction.HOLD),)))
    assert (found.action, found.state.phase) == (Action.ESCALATE, Phase.PROMOTED)


# Alerts.


@pytest.mark.parametrize("ours", [BAKING, held("FirstDeployment"), PROMOTED])
def test_an_alert_for_people_is_passed_on_once(ours: Record) -> None:
    """Whatever the rollout does meanwhile."""
    seen = (alert(AlertAction.ESCALATE),)
    found = decide(situation(ours, paused(1), PENDING, alerts=seen))
    assert (found.action, found.reason, found.state.phase) == (Action.ESCALATE, "Alert", ours.state.phase)
    told = ours.with_decision(entry(Action.ESCALATE, "Alert", cause=found.cause))
    assert decide(situation(told, paused(1), PENDING, alerts=seen)).action is None


def test_an_alert_for_people_is_passed_on_under_the_hold_label() -> None:
    """Holding touches nothing, and telling is no touch."""
    ours = held("HoldLabel", sticky=False)
    world = paused(1, labels=LABELLED)
    found = decide(situation(ours, world, alerts=(alert(AlertAction.ESCALATE),)))
    assert found.action is Action.ESCALATE


def test_an_alert_that_cannot_be_attributed_holds() -> None:
    """Paused where that keeps pods from being replaced."""
    found = decide(situation(BAKING, rollout(1), PASS, alerts=(alert(AlertAction.HOLD),)))
    assert (found.action, found.reason, found.state.phase) == (Action.HOLD, "Alert", Phase.HELD)
    assert isinstance(found.change, Stop)


def test_a_hold_ends_a_minute_after_its_alert_did() -> None:
    """Once nothing fires any more, and that lasts, the rollout goes on."""
    ours = held("Alert", sticky=False, reached_at=at(50))
    calm = decide(situation(ours, paused(1), PENDING, now=100))
    assert (calm.action, calm.requeue_at) == (None, at(160))
    over = decide(situation(ours.with_state(calm.state), paused(1), PENDING, now=160))
    assert (over.action, over.reason) == (Action.RESUME, "HoldOver")


@pytest.mark.parametrize(
    ("reason", "calm"), [("EnvironmentOutage", 600), ("EvidenceMissing", 600), ("Alert", 60)]
)
def test_a_measured_hold_ends_after_two_quiet_ticks_of_the_slowest_rule(reason: str, calm: float) -> None:
    """One tick of a five-minute rule may be quiet by chance; an alert's end is told, not measured."""
    metric = CountQuery("prometheus", "t", "e")
    slow = ErrorRateRule("slow", metric, 0.05, interval=timedelta(minutes=5))
    policy = replace(CANARY, rules=(ErrorRateRule("fast", metric, 0.05), slow))
    ours = held(reason, sticky=False, reached_at=at(50))
    quiet = decide(situation(ours, paused(1), PENDING, policy=policy, now=100))
    assert (quiet.action, quiet.requeue_at) == (None, at(100 + calm))
    early = situation(ours.with_state(quiet.state), paused(1), PENDING, policy=policy, now=99 + calm)
    assert decide(early).action is None
    over = situation(ours.with_state(quiet.state), paused(1), PENDING, policy=policy, now=100 + calm)
    assert decide(over).action is Action.RESUME


def test_an_alert_that_fires_again_within_the_minute_keeps_the_hold() -> None:
    """The calm is counted anew."""
    ours = held("Alert", sticky=False, reached_at=at(50))
    calm = decide(situation(ours, paused(1), PENDING, now=100)).state
    again = decide(situation(ours.with_state(calm), paused(1), now=130, alerts=(alert(AlertAction.HOLD),)))
    assert again.action is None
    assert again.state.hold is not None
    assert again.state.hold.gone_since is None


def test_a_human_ends_an_alerts_hold() -> None:
    """Resumed after the alert came in, it holds no more; the rollout goes on at once."""
    ours = replace(held("Alert", sticky=False, reached_at=at(50)), resumed_at=at(65))
    found = decide(situation(ours, paused(1), PENDING, alerts=(alert(AlertAction.HOLD),)))
    assert (found.action, found.reason) == (Action.RESUME, "HoldOver")


def test_a_later_alert_holds_after_a_resume() -> None:
    """What a human did not know of is not overruled."""
    ours = replace(BAKING, resumed_at=at(25))
    found = decide(situation(ours, paused(1), PENDING, alerts=(alert(AlertAction.HOLD),)))
    assert found.action is Action.HOLD


# Doubt.


def test_an_outage_of_both_arms_holds() -> None:
    """The environment is bad, not the candidate."""
    found = decide(situation(BAKING, rollout(1), OUTAGE))
    assert (found.action, found.reason, found.escalate) == (Action.HOLD, "EnvironmentOutage", True)


@pytest.mark.parametrize("reason", ["NoBaseline", "StableWasBad"])
def test_what_cannot_be_compared_is_no_outage(reason: str) -> None:
    """The hold has the reason that the verdict has."""
    unconfirmed = replace(OUTAGE, reason=reason)
    assert decide(situation(BAKING, rollout(1), unconfirmed)).reason == reason


def test_a_hold_in_observe_mode_holds_nothing() -> None:
    """It says so, in the record as well; one that people made is a hold in any mode."""
    found = decide(situation(BAKING, rollout(1), OUTAGE, mode=Mode.OBSERVE))
    assert found.state.hold is not None
    assert (found.state.hold.observed, found.message) == (True, "would hold: r says inconclusive")
    theirs = decide(situation(BAKING, rollout(1, labels=LABELLED), mode=Mode.OBSERVE))
    assert theirs.state.hold is not None
    assert not theirs.state.hold.observed


def test_evidence_missing_before_the_bake_is_over_waits() -> None:
    """There is still time for it to come."""
    assert decide(situation(BAKING, paused(1), MISSING)).action is None


def test_evidence_missing_after_the_bake_holds() -> None:
    """It never passes; a minute later people are told."""
    first = decide(situation(BAKED, paused(1), MISSING))
    assert first.action is None
    assert first.state.waits.missing_since is not None
    assert first.requeue_at == first.state.waits.missing_since + timedelta(minutes=1)
    found = decide(situation(BAKED.with_state(first.state), paused(1), MISSING, now=130))
    assert (found.action, found.reason) == (Action.HOLD, "EvidenceMissing")


def test_a_hold_for_missing_evidence_outlasts_a_change_of_leader() -> None:
    """Who takes it up has measured nothing at first, and does not resume and hold again, and call people again."""
    ours = held("EvidenceMissing", sticky=False, reached_at=at(0))
    taken_up = decide(situation(ours, paused(1), PENDING, now=1000))
    found = situation(ours.with_state(taken_up.state), paused(1), MISSING, now=1015)
    for now in (1015, 1060, 1075, 1200):
        again = decide(replace(found, now=at(now)))
        assert (again.action, again.state.phase) == (None, Phase.HELD)
        found = found.in_state(again.state)
    there = decide(replace(found, now=at(1300), verdicts=(PENDING,)))
    over = decide(replace(found.in_state(there.state), now=at(1400), verdicts=(PENDING,)))
    assert over.action is Action.RESUME


def test_recreate_with_steps_is_refused() -> None:
    """Held with the line of the manifest to mend, and without a pause that would leave no pods."""
    found = decide(situation(BAKING, rollout(1, abilities=STEPS_NEED_ROLLING), PASS))
    assert (found.action, found.reason, found.change) == (Action.HOLD, "CannotStep", None)


def test_what_steps_are_made_with_is_needed_until_the_last_one() -> None:
    """A canary that does not exist holds a rollout that begins, and not one that is past its steps."""
    missing = Abilities(stops=False, why_not={Ability.BEGINNING: "there is no canary: create it"})
    alone = rollout(1, abilities=missing)
    found = decide(situation(BAKING, alone, PASS))
    assert (found.action, found.reason, found.change) == (Action.HOLD, "CannotStep", None)
    past = BAKING.with_state(BAKING.state.at_step(len(CANARY.strategy.steps), at(60)))
    assert decide(situation(past, alone, PASS)).action is not Action.HOLD


def test_causes_that_take_turns_are_told_once_each() -> None:
    """An outage and missing evidence that alternate do not call a human at every tick."""
    ours = held("EvidenceMissing", sticky=False, since=60, reached_at=at(0))
    ours = ours.with_decision(entry(Action.HOLD, "EnvironmentOutage", 30))
    found = decide(situation(ours, paused(1), OUTAGE))
    assert found.action is None
    assert found.state.hold is not None
    assert found.state.hold.reason == "EnvironmentOutage"


# Humans end holds.


def test_a_human_ends_a_sticky_hold() -> None:
    """By the annotation, given after the hold began; judged again from where it stood."""
    ours = replace(held("RestoredAfterUndo", reached_at=at(30)), resumed_at=at(65))
    found = decide(situation(ours, paused(1), FAIL))
    assert (found.action, found.reason, found.state.phase) == (Action.RESUME, "ResumedByHuman", Phase.BAKING)
    after = decide(situation(ours.with_state(found.state), paused(1), FAIL))
    assert after.action is Action.UNDO


def test_an_older_resume_ends_no_newer_hold() -> None:
    """Not even where the sticky hold took the place of a soft one."""
    soft = replace(held("EvidenceMissing", sticky=False, since=10, reached_at=at(0)), resumed_at=at(20))
    soft = replace(soft, stable=None)
    sticky = decide(situation(soft, paused(1), FAIL, now=70))
    assert sticky.action is Action.HOLD
    after = decide(situation(soft.with_state(sticky.state), paused(1), FAIL, now=80))
    assert (after.action, after.state.phase) == (None, Phase.HELD)


def test_a_rollout_resumed_after_its_deadline_gets_its_time_anew() -> None:
    """It would expire again at once otherwise."""
    ours = replace(held("DeadlineExceeded", since=3600, reached_at=at(30)), resumed_at=at(4000))
    found = decide(situation(ours, paused(1), PENDING, now=4001))
    assert found.action is Action.RESUME
    after = situation(ours.with_state(found.state), paused(1), PENDING, now=4002)
    assert decide(after).action is None
    assert after.deadline == at(4001 + 3600)


def test_time_held_counts_neither_as_bake_nor_against_the_deadline() -> None:
    """What was left of both before the hold is left after it."""
    ours = held("HoldLabel", sticky=False, since=60, reached_at=at(30))
    after = decide(situation(ours, paused(1), PENDING, now=1060)).state
    here = situation(ours.with_state(after), paused(1), now=1060)
    assert here.bake_ends == at(30 + 60 + 1000)
    assert here.deadline == at(3600 + 1000)


def test_a_hold_that_takes_the_place_of_another_keeps_the_time_held() -> None:
    """The time of the first is not lost."""
    ours = held("HoldLabel", sticky=False, since=60, reached_at=at(0))
    switched = decide(situation(ours, paused(1), OUTAGE, now=160)).state
    assert (switched.waits.stopped_since, switched.progress.reached_at) == (at(60), at(100))


def test_a_hold_while_an_approval_is_awaited_is_not_counted_twice() -> None:
    """The deadline stood still anyway."""
    ours = held("HoldLabel", sticky=False, since=60, reached_at=at(0), approval_since=at(50))
    after = decide(situation(ours, paused(1), PASS, now=160)).state
    assert after.waits.stood == 0


# Expiry.


def test_a_rollout_that_cannot_be_judged_in_time_is_held() -> None:
    """With what was still open."""
    found = decide(situation(BAKED, paused(1), PASS, PENDING, now=3600))
    assert (found.action, found.reason) == (Action.HOLD, "DeadlineExceeded")
    assert found.message == "could not be judged within 1 h (r: r says pending)"


def test_a_rollout_that_never_got_far_expires_as_well() -> None:
    """Without any open rule there is nothing to list."""
    found = decide(situation(in_state(), rollout(0), now=3600))
    assert found.message == "could not be judged within 1 h"


def test_the_policy_may_ask_for_an_undo_at_the_deadline() -> None:
    """`onDeadline: undo`."""
    policy = with_strategy(CANARY, on_deadline=OnDeadline.UNDO)
    found = decide(situation(BAKED, paused(1), PENDING, policy=policy, now=3600))
    assert (found.action, found.rule) == (Action.UNDO, "deadline")


def test_waits_push_the_deadline_back() -> None:
    """Time that did not count is added."""
    ours = in_state(Phase.BAKING, reached_at=at(0), stood=100.0)
    assert decide(situation(ours, paused(1), PENDING, now=3650)).action is None


# Pauses.


def test_a_pause_that_a_human_lifts_is_not_made_again() -> None:
    """Said once; the rollout goes on to 100 % and is judged there."""
    ours = in_state(Phase.BAKING, reached_at=at(30), seen_generation=1)
    found = decide(situation(ours, rollout(3), PENDING))
    assert (found.action, found.reason, found.change) == (Action.RESUME, "PauseLifted", None)
    after = decide(situation(ours.with_state(found.state), rollout(6), PENDING))
    assert (after.action, after.change, after.state.progress.step) == (None, None, 2)


def test_the_mark_that_a_human_left_is_taken_away() -> None:
    """A later pause by hand must not look like ours."""
    world = changed(paused(3), on=False)
    assert decide(situation(BAKING, world, PENDING)).change == Release()


def test_a_hold_makes_no_pause_that_a_human_lifted() -> None:
    """An outage after the release holds the verdict, not the pods."""
    ours = in_state(Phase.PROGRESSING, step=2, released_by_person=True)
    found = decide(situation(ours, rollout(5), OUTAGE))
    assert (found.action, found.change) == (Action.HOLD, None)


@pytest.mark.parametrize("sticky", [True, False])
def test_a_pause_lifted_under_a_hold_leaves_the_hold(sticky: bool) -> None:
    """A human who lifts it to roll back by hand did not ask for judging to go on."""
    ours = held("FirstDeployment", sticky=sticky, seen_generation=1)
    found = decide(situation(ours, rollout(3), OUTAGE))
    assert (found.action, found.state.phase, found.state.brake.released_by_person) == (
        Action.ESCALATE,
        Phase.HELD,
        True,
    )


def test_a_lifted_pause_gives_the_awaited_approval() -> None:
    """Nothing is waited for any more."""
    ours = in_state(Phase.BAKING, reached_at=at(0), seen_generation=1, approval_since=at(60))
    found = decide(situation(ours, rollout(3), PASS)).state
    assert (found.waits.approval_since, found.waits.stood, found.progress.step) == (None, 10.0, 2)


def test_a_lifted_pause_at_the_last_step_changes_no_step() -> None:
    """At 100 % only a hold pauses; its lifting is noted."""
    ours = in_state(Phase.PROGRESSING, step=2, seen_generation=1)
    found = decide(situation(ours, rollout(6), PENDING))
    assert (found.reason, found.state.progress.step, found.state.brake.released_by_person) == (
        "PauseLifted",
        2,
        True,
    )


def test_in_observe_mode_a_lifted_pause_says_nothing() -> None:
    """Nothing is steered there."""
    ours = in_state(Phase.BAKING, reached_at=at(30), seen_generation=1)
    assert decide(situation(ours, rollout(3), PENDING, mode=Mode.OBSERVE)).action is None


def test_our_own_resume_is_no_humans() -> None:
    """The pause that we lift to advance is expected to be gone."""
    ours = in_state(Phase.BAKING, reached_at=at(0))
    on = decide(situation(ours, paused(1), PASS))
    assert (on.action, on.change) == (Action.ADVANCE, Release())
    after = decide(situation(ours.with_state(on.state), rollout(3), PENDING))
    assert after.action is None


def test_a_rollout_without_steps_lifts_a_pause_it_inherited() -> None:
    """A held rollout paused by us is superseded by one that has no steps: it must not stand still."""
    found = decide(situation(in_state(), paused(0, by="api-older"), PENDING, policy=PLAIN))
    assert found.change == Release()


def test_observe_mode_lifts_nothing() -> None:
    """Not even a pause of ours from before the mode was changed."""
    soft = held("EnvironmentOutage", sticky=False, since=0, gone=0)
    found = decide(situation(soft, paused(1), PENDING, mode=Mode.OBSERVE))
    assert (found.action, found.change) == (Action.RESUME, None)
    assert decide(situation(in_state(), paused(1), PENDING, mode=Mode.OBSERVE)).change is None


def test_a_guard_of_no_length_ends_at_the_next_pass() -> None:
    """`guard: 0s` promotes and is over."""
    policy = with_strategy(PLAIN, guard=timedelta(0), bake=timedelta(0))
    ours = in_state(Phase.BAKING, reached_at=at(0))
    promoted = decide(situation(ours, rollout(10), PASS, policy=policy))
    assert (promoted.action, promoted.requeue_at) == (Action.PROMOTE, None)
    over = decide(situation(ours.with_state(promoted.state), rollout(10), policy=policy))
    assert over.action is Action.CLOSE
