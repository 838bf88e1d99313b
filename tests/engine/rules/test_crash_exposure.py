"""First crashes and the time that pods ran before them, from the watch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.domain.evidence import Counts
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.engine.rules.crash_exposure import SETTLES, crash_tick, ripe_at
from sentinel.engine.rules.crashes import CrashTick
from tests.engine.snapshots import NEW, OLD, at, pod, workload

NO_WARMUP = timedelta(0)


def ran(
    name: str, *, ended: float | None = None, restarts: int = 1, began: float = -50, **changes: object
) -> Pod:
    """A candidate's pod of the minute before `at(0)`; `ended` is when its container crashed last."""
    end = Termination("Error", 1, at(began), at(ended)) if ended is not None else None
    container = Container(
        "app", restarts=restarts if end else 0, running_since=at((ended or began) + 1), last=end
    )
    return replace(pod(name, created_at=at(-60), containers=(container,)), **changes)


def tick(*pods: Pod, since: float = 0, now: float = 65, warmup: timedelta = NO_WARMUP) -> CrashTick | None:
    """The tick from then to `now`, less what it takes to settle: a minute."""
    return crash_tick(workload(*pods), OLD, at(since), at(now), warmup)


def test_pods_that_do_not_crash_are_exposed_all_the_time() -> None:
    """Seconds are summed over the pods of each arm."""
    found = tick(ran("a"), ran("b"), pod("c", OLD))
    assert found == CrashTick(at(0), at(60), Counts(120, 0), Counts(60, 0), frozenset(), 1)


def test_a_first_crash_ends_the_exposure() -> None:
    """The pod counts up to then, and its node is named."""
    found = tick(ran("a", ended=20, node="n7"), ran("b"), pod("c", OLD))
    assert found is not None
    assert (found.candidate, found.crashed_on, found.nodes) == (Counts(80, 1), frozenset({"n7"}), 2)


def test_a_pod_that_crashed_before_is_not_at_risk() -> None:
    """Neither its time nor its next crash counts."""
    found = tick(ran("a", ended=-5), ran("b", ended=20, restarts=4), pod("c", OLD))
    assert found is not None
    assert found.candidate == Counts(0, 0)


def test_a_second_crash_right_after_the_first_hides_nothing() -> None:
    """The last run began when the first one ended."""
    found = tick(ran("a", ended=22, restarts=2, began=20), pod("c", OLD))
    assert found is not None
    assert found.candidate == Counts(20, 1)


def test_the_first_seconds_of_a_pod_are_left_out() -> None:
    """A crash and the time within the warm-up are no evidence."""
    cold = timedelta(seconds=90)
    found = tick(ran("a", ended=20), ran("b"), pod("c", OLD), warmup=cold)
    assert found is not None
    assert found.candidate == Counts(30, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "Evicted"},
        {"node_ready": False},
        {"containers": (Container("app", last=Termination("ContainerStatusUnknown", 137, at(0), at(20))),)},
    ],
)
def test_what_the_cluster_stopped_did_not_crash(change: dict[str, object]) -> None:
    """Evicted, lost with its node, or lost sight of."""
    found = tick(ran("a", ended=20, **change), pod("c", OLD))
    assert found is not None
    assert found.candidate.errors == 0


def test_a_short_time_without_a_crash_makes_no_tick() -> None:
    """It is taken in with what follows; a crash is taken in at once."""
    assert tick(ran("a"), pod("c", OLD), now=15) is None
    assert tick(ran("a", ended=8), pod("c", OLD), now=15) is not None


def test_a_crash_is_waited_for_until_its_status_has_settled() -> None:
    """Then, and only then, the next look takes it in."""
    pods = ran("a", ended=8), pod("c", OLD)
    due = ripe_at(workload(*pods), OLD, at(0), NO_WARMUP)
    assert due == at(9) + SETTLES
    assert tick(*pods, now=10) is None
    assert ripe_at(workload(ran("a")), OLD, at(0), NO_WARMUP) is None
    assert NEW.hash == pods[0].revision
