"""After an undo: seen through, timed, and escalated when overdue."""

from __future__ import annotations

from typing import Any

from sentinel.domain.decision import Decision, RemovePod, Restore
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.facts import HOLD_LABEL, Workload
from sentinel.engine.rollout.decision import decide
from tests.engine.builders import rollout, situation, undoing
from tests.engine.snapshots import NEW, OLD, at, broken, changed, waiting


def back(available: int, **changes: Any) -> Workload:
    """The workload with OLD in its spec again, so many of its ten pods available."""
    world = rollout(available, candidate=OLD, others=(NEW,), available=available)
    return changed(world, **changes)


def watch(world: Workload, now: float = 90, mode: Mode = Mode.ENFORCE, **undo: Any) -> Decision:
    """The decision of one pass over an undo under way."""
    return decide(situation(undoing(**undo), world, now=now, mode=mode))


def test_a_target_that_is_back_in_full_ends_the_rollout() -> None:
    """Every pod available and no bad one left: undone, with the time it took."""
    found = watch(back(10), now=90)
    assert (found.action, found.state.phase, found.requeue_at) == (Action.RESTORED, Phase.UNDONE, None)
    assert found.numbers == {"restore_seconds": 30.0}
    assert found.state.undo is not None
    assert (found.state.undo.restored_at, found.state.ending.ended_at) == (at(90), at(90))


def test_a_target_on_its_way_is_waited_for() -> None:
    """Until the restore is overdue there is nothing to say."""
    found = watch(back(5))
    assert (found.action, found.change, found.requeue_at) == (None, None, at(360))


def test_the_target_in_the_spec_is_noted() -> None:
    """From then on the candidate's template is someone else's doing."""
    found = watch(back(5))
    assert found.state.undo is not None
    assert found.state.undo.target_seen


def test_a_view_from_before_the_patch_changes_nothing() -> None:
    """The judged template may be shown for a moment after the patch: it is not patched twice."""
    found = watch(rollout(5))
    assert (found.action, found.change) == (None, None)


def test_an_undo_that_came_to_nothing_is_made_again() -> None:
    """A patch that was refused for a passing change left no time: it is sent once more."""
    found = watch(rollout(5), patched_at=None)
    assert found.change == Restore(RevisionRef.of(OLD))
    assert found.state.undo is not None
    assert found.state.undo.patched_at == at(90)


def test_a_target_that_someone_restored_is_not_patched() -> None:
    """The template is back by another hand."""
    assert watch(back(5), patched_at=None).change is None


def test_nothing_is_made_again_in_observe_mode_or_under_the_hold_label() -> None:
    """A freeze in the middle of an undo touches nothing any more."""
    assert watch(rollout(5), patched_at=None, mode=Mode.OBSERVE).change is None
    assert watch(rollout(5, labels={HOLD_LABEL: "true"}), patched_at=None).change is None


def test_a_restore_past_its_time_calls_a_human_once() -> None:
    """With the pods that are there and what may be in the way."""
    found = watch(back(4, on=True), now=360)
    assert (found.action, found.reason, found.escalate) == (Action.ESCALATE, "RestoreOverdue", True)
    assert "4 of 10 pods available, and the workload is paused" in found.message
    again = watch(back(4), now=400, overdue_told=True)
    assert (again.action, again.requeue_at) == (None, None)


def test_an_overdue_restore_names_a_template_that_is_not_the_targets() -> None:
    """Where the bad template is still in the spec, that is what a human must know."""
    assert "the current template is revision 2" in watch(rollout(5), now=360).message


def stuck(**changes: Any) -> Workload:
    """The target is in the spec, and a pod of the undone revision keeps the others from being replaced."""
    pod = broken("api-2", waiting("CrashLoopBackOff"))
    return changed(back(9), **{"pods": (pod,), "in_the_way": pod, **changes})


def test_a_broken_pod_in_the_way_of_the_target_is_removed() -> None:
    """By its name and uid, so that no other one is; the decision was made before, so nothing new is said."""
    found = watch(stuck())
    assert (found.action, found.change) == (None, RemovePod("api-2", "api-2"))


def test_a_broken_pod_is_left_where_the_hands_are_off() -> None:
    """By the label, in observe mode, and before the controller has seen the target."""
    assert watch(stuck(labels={HOLD_LABEL: "true"})).change is None
    assert watch(stuck(), mode=Mode.OBSERVE).change is None
    assert watch(stuck(generation=9, observed_generation=8)).change is None


def test_a_broken_pod_of_a_superseded_revision_is_removed_too() -> None:
    """A bad revision that the undone one had superseded leaves its broken pod in the way as well."""
    third = broken("api-2", waiting("CrashLoopBackOff"), revision="third")
    assert watch(stuck(in_the_way=third)).change == RemovePod("api-2", "api-2")
