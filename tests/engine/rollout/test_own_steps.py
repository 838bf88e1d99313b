"""Workloads whose own controller makes the steps: followed, judged where it waits, promoted, restored at once."""

from __future__ import annotations

from typing import Any

from sentinel.domain.decision import Promote, Restore
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import HOLD_LABEL, Abilities, OwnSteps, Stepping, Workload
from sentinel.engine.exposure.own import UNSEEN_FOR, held_down_at
from sentinel.engine.rollout.decision import decide
from tests.engine.builders import FAIL, PASS, in_state, rollout, situation, undoing
from tests.engine.snapshots import NEW, OLD, at

LABELLED = {HOLD_LABEL: "true"}
OWN = Abilities(Stepping.OWN, stops=False)


def stepping(updated: int, stage: int, *, waits: bool = False, **changes: Any) -> Workload:
    """A workload of two stages (10 %, 50 %) and its controller at one of them."""
    steps = {name: changes.pop(name) for name in ("full", "aborted") if name in changes}
    own = OwnSteps(stage, 2, (0.1, 0.5, 1.0)[stage], waits, **steps)
    return rollout(updated, **{"abilities": OWN, "own_steps": own, **changes})


def test_nothing_bakes_while_its_controller_goes_on_by_itself() -> None:
    """Whatever the pods do, its step is not over, and no change is asked for."""
    found = decide(situation(in_state(), stepping(1, 0), PASS))
    assert (found.action, found.change, found.state.progress.reached_at) == (None, None, None)


def test_a_step_bakes_where_its_controller_waits() -> None:
    """From the moment that it waits with its pods ready, for the policy's bake."""
    found = decide(situation(in_state(), stepping(1, 0, waits=True), PASS))
    assert (found.state.phase, found.state.progress.reached_at, found.requeue_at) == (
        Phase.BAKING,
        at(70),
        at(190),
    )
    unready = decide(situation(in_state(), stepping(1, 0, waits=True, ready=0), PASS))
    assert unready.state.progress.reached_at is None


def test_a_step_that_passed_is_promoted() -> None:
    """Its controller decides what comes next: the step itself is followed, not set."""
    record = in_state(Phase.BAKING, reached_at=at(0))
    found = decide(situation(record, stepping(1, 0, waits=True), PASS, now=at(130)))
    assert (found.action, found.change, found.state.progress.step) == (Action.ADVANCE, Promote(), 0)
    assert found.message == "10% passed, promoted to the workload's next step: r says pass"


def test_its_steps_are_followed() -> None:
    """Onward, and back to the first when its controller starts over: each begins without evidence of the other."""
    record = in_state(Phase.BAKING, reached_at=at(0), step=1)
    onward = decide(situation(record, stepping(10, 2, old=0), PASS))
    assert (onward.state.progress.step, onward.state.progress.reached_at) == (2, at(70))
    again = decide(situation(record, stepping(1, 0), PASS))
    assert (again.state.progress.step, again.state.progress.reached_at) == (0, None)


def test_at_its_end_it_bakes_and_is_promoted_like_any_other() -> None:
    """Without a write: its controller made it stable."""
    record = in_state(Phase.BAKING, reached_at=at(0), step=2)
    found = decide(situation(record, stepping(10, 2, old=0), PASS, now=at(130)))
    assert (found.action, found.change, found.state.phase) == (Action.PROMOTE, None, Phase.PROMOTED)


def test_in_observe_mode_it_is_left_to_its_controller() -> None:
    """Nothing is promoted; the whole workload is judged at the end."""
    found = decide(situation(in_state(), stepping(1, 0, waits=True), PASS, mode=Mode.OBSERVE, now=at(130)))
    assert (found.action, found.change, found.state.progress.reached_at) == (None, None, None)


def test_a_fail_undoes_at_any_of_its_steps() -> None:
    """Also while its controller goes on by itself."""
    found = decide(situation(in_state(), stepping(1, 0), FAIL))
    assert (found.action, found.change) == (Action.UNDO, Restore(found.state.undo.target))  # type: ignore[union-attr]


def test_an_undo_is_restored_without_its_steps() -> None:
    """Once the target is in force, its controller is asked to skip what is left, until it says that it does."""
    back = {"candidate": OLD, "others": (NEW,)}
    found = decide(situation(undoing(), stepping(1, 0, waits=True, **back)))
    assert found.change == Promote(full=True)
    assert decide(situation(undoing(), stepping(1, 0, full=True, **back))).change is None
    assert decide(situation(undoing(), stepping(1, 0, labels=LABELLED, **back))).change is None
    assert decide(situation(undoing(), stepping(1, 0, waits=True))).change is None


def test_what_its_controller_aborted_is_held() -> None:
    """The bad template is still there: a human is called, and it goes on by itself when it is tried again."""
    found = decide(situation(in_state(), stepping(0, 0, aborted="the analysis failed"), PASS))
    assert (found.action, found.reason, found.escalate) == (Action.HOLD, "AbortedByController", True)
    assert "the analysis failed" in found.message
    held = situation(in_state().with_state(found.state), stepping(1, 0), PASS)
    assert decide(held).action is Action.RESUME


def test_what_waits_for_its_controller_stays_held_however_young_the_process_is() -> None:
    """A restart forgets since when; the controller is no less down."""
    waits = stepping(1, 0, generation=2, observed_generation=1, essence="new")
    record = in_state(unseen_since=at(60))
    found = decide(situation(record, waits, PASS, now=at(61)))
    assert (found.action, found.reason) == (Action.HOLD, "ControllerDown")


def test_a_controller_that_is_down_is_held() -> None:
    """A minute after the write that it did not take up, with the time in the sentence."""
    ignored = stepping(1, 0, generation=2, observed_generation=1)
    first = decide(situation(in_state(), ignored, PASS, now=at(60)))
    assert (first.action, first.state.waits.unseen_since) == (None, at(60))
    record = in_state(unseen_since=at(60))
    assert decide(situation(record, ignored, PASS, now=at(119))).action is None
    found = decide(situation(record, ignored, PASS, now=at(120)))
    assert (found.action, found.reason) == (Action.HOLD, "ControllerDown")
    assert "no change since 12:01:00 UTC" in found.message
    assert held_down_at(record.state) == at(60) + UNSEEN_FOR
    again = decide(situation(record.with_state(found.state), stepping(1, 0), PASS, now=at(130)))
    assert (again.action, again.state.waits.unseen_since) == (Action.RESUME, None)
