"""Canary steps by pausing: where a Deployment should stand, and the change that brings it nearer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.decision import Release, Stop
from sentinel.domain.policy.policy import Mode
from sentinel.domain.workload.facts import Mark
from sentinel.engine.exposure.brakes import brake_mark, lifted_by_human, note_lifted, note_pause
from sentinel.engine.exposure.steering import steer
from sentinel.engine.exposure.weights import step_reached, steps_apply, wanted_pods, weight_reached
from tests.engine.builders import CANARY, PLAIN, in_state, paused, rollout, with_strategy
from tests.engine.snapshots import STEPS_NEED_ROLLING, at, changed, record

MARK = Mark("api-new", at(3600))


def test_steps_are_made_for_a_rolling_deployment_only() -> None:
    """Not without steps, not in observe mode, not under Recreate, not for other kinds."""
    world = rollout(1)
    assert steps_apply(CANARY, world, Mode.ENFORCE)
    assert not steps_apply(PLAIN, world, Mode.ENFORCE)
    assert not steps_apply(CANARY, world, Mode.OBSERVE)
    assert not steps_apply(CANARY, replace(world, abilities=STEPS_NEED_ROLLING), Mode.ENFORCE)


@pytest.mark.parametrize(
    ("weight", "desired", "pods"),
    [(0.07, 100, 7), (0.14, 50, 7), (0.1, 10, 1), (0.1, 11, 2), (0.5, 1, 1), (1, 7, 7), (0.5, 0, 0)],
)
def test_a_weight_asks_for_whole_pods_rounded_up(weight: float, desired: int, pods: int) -> None:
    """At least one, none of none; and what is exact in decimal stays exact."""
    assert wanted_pods(weight, desired) == pods


@given(st.integers(1, 1000), st.integers(1, 10_000))
def test_a_weight_in_tenths_of_a_percent_is_exact(tenths: int, desired: int) -> None:
    """As whole numbers have it, however floats round: never a pod more than asked for."""
    assert wanted_pods(tenths / 1000, desired) == -(-tenths * desired // 1000)


@given(st.floats(0.001, 1), st.integers(1, 10_000))
def test_wanted_pods_are_within_the_replicas(weight: float, desired: int) -> None:
    """Never none and never more than there are."""
    assert 1 <= wanted_pods(weight, desired) <= desired


def test_the_weight_reached_is_of_the_candidate() -> None:
    """Updated pods of those wanted, at most all."""
    assert weight_reached(rollout(3)) == 0.3
    assert weight_reached(changed(rollout(3), candidate_pods=12)) == 1.0
    assert weight_reached(rollout(0, 0)) == 0.0


def test_counts_of_an_unobserved_spec_are_not_the_candidates() -> None:
    """Right after a template change the status still counts the old pods as updated."""
    assert weight_reached(changed(rollout(0), generation=2)) == 0.0


def test_a_step_is_reached_by_ready_candidate_pods() -> None:
    """Pods that are updated and not ready do not bake."""
    world = rollout(1)
    assert step_reached(0.1, world)
    assert not step_reached(0.5, world)
    assert not step_reached(0.1, changed(world, ready=0))


def test_no_step_is_reached_by_old_counts() -> None:
    """Before the controller has seen the spec nothing is reached."""
    assert not step_reached(0.1, rollout(5, generation=2))


def test_all_is_reached_when_it_is_rolled_out() -> None:
    """100 % is every pod available and no other left."""
    assert step_reached(None, rollout(10))
    assert not step_reached(None, rollout(9))


def test_the_mark_lasts_until_the_deadline() -> None:
    """Waits push it back, in whole seconds; and it never ends in the past."""
    waited = in_state(stood=60.5)
    assert brake_mark(waited, CANARY, at(70)) == Mark("api-new", at(3660))
    assert brake_mark(record(), CANARY, at(7200)).until == at(7200)


def test_a_rollout_below_its_weight_is_let_go_and_at_it_stopped() -> None:
    """Resume until there are as many candidate pods as the step asks for, then pause."""
    assert steer(0.5, paused(1), MARK) == Release()
    assert steer(0.5, rollout(1), MARK) is None
    assert steer(0.5, rollout(5), MARK) == Stop(MARK)
    assert steer(0.5, paused(5), MARK) is None


def test_a_mark_without_a_pause_is_no_pause_to_lift() -> None:
    """Below its weight a rollout that a human let go is on its way already, whatever mark is left on it."""
    assert steer(0.5, rollout(1, mark=MARK), MARK) is None


def test_without_a_mark_to_sign_with_nothing_is_stopped() -> None:
    """Who only wants the pods to come makes no pause."""
    assert steer(0.5, rollout(5)) is None


def test_a_rollout_that_is_over_is_not_paused() -> None:
    """Where nothing is left to stop, nothing is stopped."""
    assert steer(0.5, rollout(10), MARK) is None


def test_no_change_is_made_on_old_counts() -> None:
    """Counts from before the newest spec say nothing."""
    assert steer(0.1, rollout(5, generation=2), MARK) is None


def test_one_pod_of_one_is_stopped_beside_the_old_one() -> None:
    """With one replica the surge pod is the canary."""
    world = rollout(1, 1, old=1)
    assert steer(0.1, world, MARK) == Stop(MARK)


def test_scaling_up_while_paused_lets_more_pods_come() -> None:
    """An HPA that raises the replicas lowers the weight: the pause is lifted until it is reached again."""
    assert steer(0.1, paused(1, 20), MARK) == Release()


def test_scaling_to_nothing_while_paused_changes_nothing() -> None:
    """Of no pods, none are wanted."""
    assert steer(0.1, paused(0, 0), MARK) is None


def test_without_a_weight_everything_is_let_go() -> None:
    """Our pause ends at 100 %, and a mark that a human's resume left behind goes too."""
    assert steer(None, paused(5)) == Release()
    assert steer(None, rollout(5, mark=MARK)) == Release()
    assert steer(None, rollout(5)) is None


@pytest.mark.parametrize("weight", [None, 0.5])
def test_a_pause_by_hand_is_never_lifted(weight: float | None) -> None:
    """A pause without our mark is someone else's."""
    assert steer(weight, paused(1, by=""), MARK) is None


def test_a_pause_of_ours_that_is_gone_was_lifted_by_a_human() -> None:
    """Seen in force, and not lifted by us."""
    ours = record(state=note_pause(in_state(), paused(1, generation=3, observed_generation=3)))
    assert lifted_by_human(ours, rollout(1))
    assert not lifted_by_human(ours, paused(1))
    assert not lifted_by_human(record(), rollout(1))


def test_a_pause_that_we_lifted_is_not_a_humans_doing() -> None:
    """Not even when an older view of it comes late."""
    world = paused(1, generation=3)
    lifted = note_lifted(note_pause(record(), world), world)
    late = note_pause(record(state=lifted), world)
    assert late.brake.seen_generation == 0
    assert not lifted_by_human(record(state=late), rollout(5))


def test_a_mark_without_a_pause_is_a_humans_resume() -> None:
    """`kubectl rollout resume` leaves the annotation; of another rollout's mark nothing is concluded."""
    assert lifted_by_human(record(), rollout(1, mark=MARK))
    assert not lifted_by_human(record(), rollout(1, mark=replace(MARK, record="other")))


def test_a_release_is_told_once() -> None:
    """Once taken in, it is no news."""
    assert not lifted_by_human(in_state(released_by_person=True), rollout(1, mark=MARK))


def test_only_a_pause_that_this_rollout_signed_is_noted() -> None:
    """Neither a human's nor an older rollout's, nor a mark whose pause is lifted."""
    assert note_pause(record(), rollout(1, mark=MARK)).brake.seen_generation == 0
    assert note_pause(record(), paused(1, by="")).brake.seen_generation == 0
    assert note_pause(record(), paused(1, by="api-older")).brake.seen_generation == 0


def test_the_deadline_of_a_mark_follows_the_policy() -> None:
    """A longer deadline, a longer pause."""
    longer = with_strategy(CANARY, deadline=timedelta(hours=2))
    assert brake_mark(record(), longer, at(70)).until == at(7200)
