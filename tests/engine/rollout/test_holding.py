"""Holds: entered once, paused where that limits the damage, and their time taken off the clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.decision import Stop
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Hold, Phase
from sentinel.domain.workload.facts import HOLD_LABEL, Mark, Workload
from sentinel.engine.rollout.holding import damage_limiting_pause, hold, undo_failed, without_hold
from tests.engine.builders import (
    FAIL,
    PLAIN,
    entry,
    held,
    in_state,
    paused,
    rollout,
    situation,
    state,
    undoing,
    with_strategy,
)
from tests.engine.snapshots import STEPS_NEED_ROLLING, at
from tests.support.states import changed_state

STICKY, SOFT = HoldReason.FIRST_DEPLOYMENT, HoldReason.ENVIRONMENT_OUTAGE
BAKING = in_state(Phase.BAKING, reached_at=at(60))


def test_a_hold_says_why_and_calls_a_human() -> None:
    """With the rule and the numbers where one is behind it."""
    found = hold(situation(BAKING, rollout(1)), STICKY, "because", because=FAIL)
    assert (found.action, found.rule, found.numbers, found.escalate) == (Action.HOLD, "r", {"n": 1}, True)
    assert found.state.verdict == "fail"
    assert found.change == Stop(Mark("api-new", at(3600)))


def test_the_same_reason_is_no_news() -> None:
    """Said once, however often it is seen."""
    found = hold(situation(held(SOFT, sticky=False), paused(1)), SOFT, "because")
    assert (found.action, found.change) == (None, None)


def test_what_is_in_the_way_now_is_recorded_without_another_notice() -> None:
    """One obstacle of the cluster follows another; figures that a measurement changes at each tick are kept out."""
    unable = HoldReason.CANNOT_STEP
    found = hold(situation(held(unable, sticky=False), paused(1)), unable, "the route names no canary")
    assert (found.action, found.state.message) == (None, "the route names no canary")
    assert found.state.hold == changed(held(unable, sticky=False), "the route names no canary")
    measured = hold(situation(held(SOFT, sticky=False), paused(1)), SOFT, "12.3% of 400 requests")
    assert measured.state.message != "12.3% of 400 requests"


def changed(record: Record, message: str) -> Hold:
    assert record.state.hold is not None
    return replace(record.state.hold, message=message)


def test_another_reason_is_news() -> None:
    """A soft hold may become another, or one that only a human ends."""
    soft = held("Before", sticky=False)
    assert hold(situation(soft, paused(1)), SOFT, "because").action is Action.HOLD
    assert hold(situation(soft, paused(1)), STICKY, "because").action is Action.HOLD


def test_a_sticky_hold_is_told_however_lately_it_was_told_before() -> None:
    """Only causes that take turns are quiet."""
    soft = held("Before", sticky=False)
    soft = soft.with_decision(entry(Action.HOLD, STICKY, 60)).with_decision(entry(Action.HOLD, SOFT, 60))
    assert hold(situation(soft, paused(1)), STICKY, "because").action is Action.HOLD
    assert hold(situation(soft, paused(1)), SOFT, "because").action is None
    assert hold(situation(soft, paused(1), now=661), SOFT, "because").action is Action.HOLD


@pytest.mark.parametrize(
    ("world", "mode"),
    [
        (rollout(1), Mode.OBSERVE),
        (rollout(1, labels={HOLD_LABEL: "true"}), Mode.ENFORCE),
        (paused(1), Mode.ENFORCE),
        (rollout(1, abilities=STEPS_NEED_ROLLING), Mode.ENFORCE),
        (rollout(10), Mode.ENFORCE),
        (rollout(10, available=3), Mode.ENFORCE),
    ],
)
def test_no_pause_where_it_must_not_or_need_not_be(world: Workload, mode: Mode) -> None:
    """Observed, labelled, paused already, not pausable, over, or with no old pod left to keep."""
    assert damage_limiting_pause(situation(BAKING, world, mode=mode)) is None


def test_no_pause_where_the_policy_never_pauses() -> None:
    """`strategy.pause: never`: others wait for the workload, so a hold must not stop it."""
    never = with_strategy(PLAIN, pauses=False)
    assert damage_limiting_pause(situation(BAKING, rollout(3))) is not None
    assert damage_limiting_pause(situation(BAKING, rollout(3), policy=never)) is None


def test_no_pause_after_a_human_lifted_ours() -> None:
    """Never fight."""
    assert damage_limiting_pause(situation(in_state(released_by_person=True), rollout(1))) is None


def test_a_hold_takes_its_time_out_of_the_bake() -> None:
    """What was baked before still counts; before the weight is reached there is no bake to move."""
    before = held("Why", since=60, reached_at=at(30)).state
    after = without_hold(before, at(100))
    assert (after.hold, after.progress.reached_at) == (None, at(70))
    assert without_hold(changed_state(before, reached_at=None), at(100)).progress.reached_at is None
    assert without_hold(state(), at(100)) == state()


def test_an_undo_that_the_server_refuses_is_a_humans() -> None:
    """Held, with the server's own words, and no undo pretended."""
    found = undo_failed(undoing().state, "the template is gone", at(90))
    assert (found.phase, found.undo) == (Phase.HELD, None)
    assert found.hold is not None
    assert (found.hold.reason, found.hold.sticky, found.hold.since) == ("UndoFailed", True, at(90))
    assert found.message == "the undo failed: the template is gone"
    assert replace(found, hold=None).reason == "UndoFailed"
