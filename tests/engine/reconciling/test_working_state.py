"""What a running process knows beyond the saved records."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Hold, Phase
from sentinel.engine.reconciling.working_state import WorkingState
from tests.engine.builders import alert, in_state, rollout, undone_to
from tests.engine.snapshots import at, pod, waiting
from tests.support.states import changed_state


def saved(seconds: float = 0, **changes: Any) -> Record:
    """A record as it was saved at a time."""
    return in_state(Phase.BAKING, saved_at=at(seconds), **changes)


def test_the_newest_analysis_is_in_memory() -> None:
    """Between two checkpoints the store holds an older one."""
    working = WorkingState()
    working.remember(saved(analysis={"r": {"n": 2}}, measured_until={"r": at(30)}))
    found = working.apply(saved(analysis={"r": {"n": 1}})).state
    assert (found.analysis, found.measured_until) == ({"r": {"n": 2}}, {"r": at(30)})


def test_a_record_that_is_new_to_the_process_stands_as_it_is() -> None:
    """After a restart the checkpoint counts."""
    ours = saved(analysis={"r": {"n": 1}})
    assert WorkingState().apply(ours) == ours


def test_an_analysis_of_another_step_is_not_carried_over() -> None:
    """Each step is judged anew."""
    working = WorkingState()
    working.remember(saved(analysis={"r": {"n": 2}}))
    assert working.apply(saved(step=1)).state.analysis == {}


def test_what_another_process_saved_since_counts() -> None:
    """A former leader goes on from there."""
    working = WorkingState()
    working.remember(saved(0, analysis={"r": {"n": 2}}))
    assert working.apply(saved(60, analysis={"r": {"n": 9}})).state.analysis == {"r": {"n": 9}}


def test_a_rollout_that_is_over_is_forgotten() -> None:
    """Memory holds what is in flight."""
    working = WorkingState()
    working.remember(saved(analysis={"r": {"n": 2}}))
    working.remember(saved(ended_at=at(60)))
    assert working.apply(saved()).state.analysis == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": Phase.HELD},
        {"step": 1},
        {"reached_at": at(1)},
        {"hold": Hold("Why", at(0), "why")},
        {"approval_since": at(1)},
        {"seen_generation": 3},
        {"released_generation": 3},
        {"released_by_person": True},
        {"verdict": "pass"},
        {"undo": undone_to()},
    ],
)
def test_what_a_reader_would_miss_is_saved_at_once(changes: dict[str, Any]) -> None:
    """And so is what a restart must know."""
    working = WorkingState()
    ours = working.apply(saved())
    assert working.worth_saving(ours.with_state(changed_state(ours.state, **changes)), at(1))
    assert not working.worth_saving(ours, at(3600))


def test_what_became_of_an_alert_is_saved_at_once() -> None:
    """Its verdict is what people look for."""
    working = WorkingState()
    entries: tuple[AlertEntry, ...] = (alert(None).entry,)
    ours = working.apply(saved().with_alerts(entries))
    assert working.worth_saving(ours.with_alerts((replace(entries[0], verdict="none: x"),)), at(1))


@pytest.mark.parametrize("changes", [{"analysis": {"r": {"n": 1}}}, {"weight": 0.3}, {"message": "more"}])
def test_what_moves_all_the_time_is_saved_once_a_minute(changes: dict[str, Any]) -> None:
    """Analysis, weight and message."""
    working = WorkingState()
    ours = working.apply(saved())
    moved = ours.with_state(changed_state(ours.state, **changes))
    assert not working.worth_saving(moved, at(59))
    assert working.worth_saving(moved, at(60))


STANDING = {"segment": "100%", "alone": False, "everywhere": False, "rise": 0.0, "bad_since": ""}


def counted(ticks: int, total: int = 0, seconds: int = 0, crashed: int = 0) -> dict[str, Any]:
    """The states of an error rate and of crashes after so many ticks."""
    standing = {**STANDING, "ticks": ticks, "until": f"2026-01-01T00:{ticks:02}:00+00:00"}
    return {
        "errors": {"standing": standing, "candidate": [total, 0], "baseline": [0, 0]},
        "crashes": {
            "standing": standing,
            "candidate": [seconds, crashed],
            "baseline": [seconds, 0],
            "crashed_on": [],
        },
    }


def test_a_state_in_which_nothing_was_counted_is_saved_every_five_minutes() -> None:
    """Ticks without requests, and the time that pods ran, are measured again after a restart."""
    working = WorkingState()
    ours = working.apply(saved(analysis=counted(1, 30), measured_until={"errors": at(0)}))
    idle = ours.with_state(
        replace(ours.state, analysis=counted(9, 30, seconds=240), measured_until={"errors": at(240)})
    )

    assert not working.worth_saving(idle, at(299))
    assert working.worth_saving(idle, at(300))


@pytest.mark.parametrize("news", [{"total": 31}, {"total": 30, "crashed": 1}])
def test_what_was_counted_after_a_while_without_requests_is_saved_at_once(news: dict[str, Any]) -> None:
    """A request or a crash is lost to nobody."""
    working = WorkingState()
    ours = working.apply(saved(analysis=counted(1, 30)))
    busy = ours.with_state(replace(ours.state, analysis=counted(9, **news)))

    assert working.worth_saving(busy, at(61))


def test_a_record_that_was_never_saved_is() -> None:
    """Nothing is known of it."""
    assert WorkingState().worth_saving(saved(), at(0))


def test_a_pull_is_remembered_when_its_pod_is_gone() -> None:
    """Once a pod had its images, a later failure is the registry's."""
    working, ours = WorkingState(), saved()
    stuck = pod("stuck", containers=(waiting("ErrImagePull"),))
    assert not working.ever_pulled(ours, rollout(1, pods=(stuck,)))
    assert working.ever_pulled(ours, rollout(1, pods=(pod("good"),)))
    assert working.ever_pulled(ours, rollout(1, pods=(stuck,)))


def test_what_ended_unseen_is_forgotten() -> None:
    """A rollout that another process ended, or whose record is gone, takes no room."""
    working = WorkingState()
    ours = saved(analysis={"r": {"n": 2}}, measured_until={"r": at(30)})
    working.remember(working.apply(ours))
    working.ever_pulled(ours, rollout(1, pods=(pod("good"),)))
    working.keep_only({ours.name})
    assert working.apply(saved()).state.analysis == {"r": {"n": 2}}
    working.keep_only(set())
    assert working.apply(saved()).state.analysis == {}
    assert not working.ever_pulled(
        ours, rollout(1, pods=(pod("stuck", containers=(waiting("ErrImagePull"),)),))
    )


def test_the_tests_states_are_saved_as_often_as_the_settings_say() -> None:
    """What only moved is worth saving when the time between two checkpoints is over, and not before."""
    working = WorkingState(timedelta(seconds=10))
    before = working.apply(saved())
    moved = before.with_state(replace(before.state, analysis={"rule": {"sum": 1}}))
    assert not working.worth_saving(moved, at(9))
    assert working.worth_saving(moved, at(10))
