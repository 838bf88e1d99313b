"""Pods that simply run: no rule on pods looks at them, so there must be nothing to see."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.policy.rules import CrashLoopRule, HealthRule
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.engine.pods.cluster_faults import cluster_fault, cluster_keeps, keeping_since
from sentinel.engine.pods.cluster_wait import ENDED
from sentinel.engine.pods.pod_faults import crash_of, deadline, health_fault, settles_at
from sentinel.engine.rules.crash_exposure import crash_tick, ripe_at
from tests.engine.snapshots import NEW, OLD, at, pod, workload

CRASHES = CrashLoopRule("crash-loop")
HEALTH = HealthRule("health")

runs = st.one_of(
    st.none(),
    st.builds(
        Termination,
        st.sampled_from(["Completed", "Error", "OOMKilled", "Unknown"]),
        st.integers(0, 1),
        st.none() | st.just(at(-60)),
        st.none() | st.just(at(-30)),
    ),
)
containers = st.builds(
    Container,
    st.sampled_from(["app", "proxy", "migrate"]),
    ready=st.booleans(),
    restarts=st.integers(0, 1),
    waiting=st.sampled_from([None, None, "CrashLoopBackOff", "ErrImagePull"]),
    running_since=st.none() | st.just(at(-20)),
    terminated=runs,
    last=runs,
    init=st.booleans(),
    sidecar=st.booleans(),
)
pods = st.builds(
    lambda changes: pod("new-1", **changes),
    st.fixed_dictionaries(
        {},
        optional={
            "containers": st.lists(containers, max_size=3).map(tuple),
            "phase": st.sampled_from(["Running", "Pending", "Failed", "Unknown"]),
            "reason": st.sampled_from(["", "Evicted"]),
            "ready": st.booleans(),
            "node_ready": st.booleans(),
            "unschedulable": st.none() | st.just("no room"),
        },
    ),
)
finished = Container("migrate", init=True, terminated=Termination("Completed", 0, at(-60), at(-30)))


@given(pods, st.integers(0, 400))
def test_nothing_is_wrong_with_a_pod_that_is_sound(one: Pod, seconds: int) -> None:
    """Whatever its status holds: no rule finds a fault, no clock runs, and no crash is to be counted."""
    if not one.sound:
        return
    now = at(seconds)
    assert crash_of(one, CRASHES, now) is None
    assert health_fault(one, HEALTH, now, ()) is None
    assert cluster_fault(one) is None
    assert cluster_keeps(one, (), now) is None
    assert one.phase not in ENDED
    assert (deadline(one, HEALTH), keeping_since(one), [*settles_at(one, CRASHES)]) == (None, None, [])


def test_a_pod_whose_init_containers_are_done_is_sound() -> None:
    """As all pods behind a mesh have them, and most with migrations."""
    ready = pod("new-1")
    done = pod("new-2", containers=(finished, *ready.containers))
    assert workload(ready, done).unsound_of(NEW) == ()


def test_one_that_restarted_is_not() -> None:
    """However long ago: the rule on crash loops says when that is over."""
    restarted = pod("new-1", containers=(Container("app", ready=True, restarts=1, running_since=at(0)),))
    seen = workload(restarted, pod("new-2"), pod("old-1", OLD))
    assert seen.unsound_of(NEW) == (restarted,)
    assert seen.unsound_of(OLD) == ()


def test_sound_pods_are_exposed_to_crashes_all_the_time() -> None:
    """Each counts with every second of the tick; none has a crash that ripens."""
    seen = workload(pod("new-1"), pod("old-1", OLD), pod("old-2", OLD))
    tick = crash_tick(seen, OLD, at(0), at(65), timedelta(0))
    assert tick is not None
    assert tick.baseline is not None
    assert (tick.candidate.total, tick.baseline.total) == (60, 120)
    assert (tick.candidate.errors, tick.baseline.errors) == (0, 0)
    assert ripe_at(seen, OLD, at(0), timedelta(0)) is None
