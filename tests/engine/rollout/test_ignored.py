"""A change beside the template that the workload's own controller does not take up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import OwnSteps
from sentinel.engine.reconciling.memory import Memory
from sentinel.engine.rollout.ignored import change_ignored
from tests.engine.builders import entry, in_state, rollout, situation
from tests.engine.snapshots import at

PROMOTED = in_state(Phase.PROMOTED, promoted_at=at(-100))
UNSEEN = rollout(10, generation=3, observed_generation=2, own_steps=OwnSteps(1, 1))
SEEN = rollout(10, generation=3, observed_generation=3, own_steps=OwnSteps(1, 1))


def test_people_are_called_once_after_a_minute() -> None:
    """Until then it says when to look again."""
    young = change_ignored(situation(PROMOTED, UNSEEN), at(30))
    assert young is not None
    assert (young.action, young.requeue_at) == (None, at(90))
    due = change_ignored(situation(PROMOTED, UNSEEN, now=90), at(30))
    assert due is not None
    assert (due.action, due.reason, due.escalate) == (Action.ESCALATE, "ControllerDown", True)
    assert "has observed no change since 12:00:30 UTC: is it down?" in due.message
    told = PROMOTED.with_decision(entry(Action.ESCALATE, "ControllerDown", 90))
    assert change_ignored(situation(told, UNSEEN, now=200), at(30)) is None


@pytest.mark.parametrize("restarted_after", [60, 3000])
def test_a_restart_of_the_sentinel_does_not_say_it_again(restarted_after: float) -> None:
    """Within an hour it is the same silence."""
    told = PROMOTED.with_decision(entry(Action.ESCALATE, "ControllerDown", 90))
    since = at(90 + restarted_after)
    assert change_ignored(situation(told, UNSEEN, now=since + timedelta(minutes=2)), since) is None


def test_a_rollout_in_flight_is_held_instead() -> None:
    """There the judgement says it."""
    assert change_ignored(situation(in_state(), UNSEEN, now=200), at(30)) is None


def test_the_silence_begins_when_it_is_seen_and_ends_with_it() -> None:
    """Of a workload without a controller of its own nothing is kept."""
    memory = Memory()
    assert memory.ignored_since(UNSEEN, at(10)) == at(10)
    assert memory.ignored_since(UNSEEN, at(20)) == at(10)
    assert memory.ignored_since(SEEN, at(30)) is None
    assert memory.ignored_since(UNSEEN, at(40)) == at(40)
    assert memory.ignored_since(rollout(10, generation=3, observed_generation=2), at(50)) is None
