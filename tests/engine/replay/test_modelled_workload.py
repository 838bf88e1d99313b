"""The model of a rolling update keeps the controller's limits and follows the sentinel's changes."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.decision import Release, Restore, Stop
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Mark
from sentinel.engine.replay.modelled_pods import ModelledFate, PodEvent
from sentinel.engine.replay.modelled_workload import ModelledWorkload, WorkloadShape
from tests.engine.snapshots import at

MARK = Mark("r", at(3600))


def settled(world: ModelledWorkload, seconds: float = 0) -> float:
    """Let time pass until nothing changes by itself any more; when that was."""
    while (turn := world.next_change(at(seconds))) is not None:
        seconds = (turn - at(0)).total_seconds()
        world.at(turn)
    return seconds


@settings(max_examples=60, deadline=None)
@given(
    replicas=st.integers(1, 12),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    pause=st.one_of(st.none(), st.integers(1, 60)),
)
def test_a_rollout_keeps_its_limits(replicas: int, surge: int, unavailable: int, pause: int | None) -> None:
    """At no time more pods than maxSurge allows, nor fewer available than maxUnavailable; it ends with all new."""
    surge = surge or int(unavailable == 0)
    unavailable = min(unavailable, replicas)
    world = ModelledWorkload(
        WorkloadShape(at(0), replicas=replicas, max_surge=surge, max_unavailable=unavailable)
    )
    for second in range(400):
        if second == pause:
            world.apply(Stop(MARK), at(second))
        if pause is not None and second == pause + 50:
            world.apply(Release(), at(second))
        seen = world.at(at(second))
        assert seen.exposure.candidate + seen.exposure.old <= replicas + surge
        assert seen.exposure.available >= replicas - unavailable
    assert world.at(at(400)).rolled_out
    assert world.at(at(400)).exposure.candidate == replicas


def test_a_pause_stops_it_where_it_is() -> None:
    """While paused no pod is made or removed, and the mark is shown."""
    world = ModelledWorkload(WorkloadShape(at(0)))
    world.apply(Stop(MARK), at(1))
    settled(world)

    seen = world.at(at(600))

    assert (seen.exposure.candidate, seen.brake.on, seen.brake.mark) == (1, True, MARK)


def test_pods_that_do_not_become_ready_stop_it() -> None:
    """New pods that are not ready leave every old pod in its place."""
    world = ModelledWorkload(
        WorkloadShape(at(0), events={"candidate-1": (PodEvent(ModelledFate.NEVER_READY),)})
    )
    settled(world)

    seen = world.at(at(600))

    assert (seen.exposure.candidate, seen.exposure.available, seen.exposure.old) == (1, 10, 10)


def test_old_pods_that_crash_as_well_are_kept() -> None:
    """Where new and old pods fail alike the controller removes no more than its limits spare."""
    crash = (PodEvent(ModelledFate.CRASH, after=timedelta(0)),)
    events = {f"baseline-{n}": (PodEvent(ModelledFate.CRASH, at=at(2)),) for n in range(1, 11)} | {
        "candidate-1": crash
    }
    world = ModelledWorkload(WorkloadShape(at(0), events=events))
    settled(world)

    seen = world.at(at(600))

    assert len(seen.pods_of(seen.others[0])) == 10


def test_a_restore_brings_the_stable_pods_back() -> None:
    """After a restore the template is the stable one's, unpaused, and all pods are of it again."""
    shape = WorkloadShape(at(0))
    world = ModelledWorkload(shape)
    world.apply(Stop(MARK), at(20))
    assert shape.stable is not None

    world.apply(Restore(RevisionRef.of(shape.stable)), at(30))
    settled(world, 30)

    seen = world.at(at(600))
    assert seen.candidate.digest == "baseline"
    assert seen.rolled_out
    assert not seen.brake.on
