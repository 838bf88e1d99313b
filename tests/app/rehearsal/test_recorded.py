"""The workload at each moment of a past rollout, from kube-state-metrics' series."""

from datetime import UTC, datetime, timedelta

from sentinel.app.rehearsal.history import RangeSeries
from sentinel.app.rehearsal.model import PastRollout, RevisionFate
from sentinel.app.rehearsal.recorded import BEFORE, STEP, RecordedWorld, Samples, states_of
from sentinel.domain.decision import Restore, Stop
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Mark, Workload

T0 = datetime(2026, 11, 1, tzinfo=UTC)
ROLLOUT = PastRollout(
    "shop", "web", "new1", "old1", T0, T0 + timedelta(hours=1), RevisionFate.KEPT, None, ("new1", "old1")
)
UNTIL = T0 + timedelta(minutes=5)


def series(labels: dict[str, str], since: float, until: float, *values: float) -> RangeSeries:
    """Samples at the steps between two times in seconds; the last value goes on."""
    first = T0 - BEFORE
    points = []
    for index in range(int((BEFORE + timedelta(minutes=10)) / STEP)):
        moment = first + index * STEP
        if since <= (moment - T0).total_seconds() < until:
            points.append((moment, values[min(len(points), len(values) - 1)]))
    return RangeSeries(labels, tuple(points))


def pod(name: str, since: float, until: float, *ready: float) -> dict[str, RangeSeries]:
    """A pod's owner and readiness."""
    owner = name.rpartition("-")[0]
    return {
        "owner": series({"pod": name, "owner_name": owner}, since, until, 1.0),
        "ready": series({"pod": name}, since, until, *(ready or (1.0,))),
    }


def recorded(*parts: dict[str, RangeSeries], desired: float = 1.0) -> RecordedWorld:
    """The world that these series make."""
    kinds: dict[str, list[RangeSeries]] = {}
    for part in parts:
        for kind, one in part.items():
            kinds.setdefault(kind, []).append(one)
    samples = Samples(
        {kind: tuple(found) for kind, found in kinds.items()}, (series({}, -300, 600, desired),)
    )
    return RecordedWorld(states_of(ROLLOUT, samples, {}, UNTIL))


def shown(world: RecordedWorld, seconds: float) -> Workload:
    """The workload so many seconds after the rollout began."""
    workload = world.at(T0 + timedelta(seconds=seconds))
    assert workload is not None
    return workload


def test_pods_of_both_revisions_come_and_go() -> None:
    """The new pod stands beside the old one until that is gone; then the rollout is through."""
    world = recorded(pod("web-old1-a", -300, 60), pod("web-new1-b", 15, 600, 0.0, 1.0))
    assert [one.name for one in shown(world, 0).pods] == ["web-old1-a"]
    assert not shown(world, 45).rolled_out
    assert shown(world, 60).rolled_out
    assert shown(world, 60).candidate.hash == "new1"


def test_readiness_is_dated_by_its_change() -> None:
    """A pod is ready since the step at which it was first seen ready."""
    world = recorded(pod("web-new1-b", 15, 600, 0.0, 0.0, 1.0))
    (ready,) = shown(world, 120).pods
    assert (ready.ready, ready.ready_since) == (True, T0 + timedelta(seconds=45))
    (unready,) = shown(world, 30).pods
    assert (unready.ready_since, unready.unready_since) == (None, T0 + timedelta(seconds=15))


def test_an_exact_time_of_readiness_wins() -> None:
    """kube_pod_status_ready_time is better than the step."""
    exact = {"ready_time": series({"pod": "web-new1-b"}, 15, 600, T0.timestamp() + 21)}
    (one,) = shown(recorded(pod("web-new1-b", 15, 600), exact), 60).pods
    assert one.ready_since == T0 + timedelta(seconds=21)


def test_a_crash_loop_shows_with_its_restarts_and_how_it_ended() -> None:
    """Waiting reason, restarts, the last termination, and about when the container started anew."""
    key = {"pod": "web-new1-b", "container": "app"}
    crash = {
        "restarts": series(key, 15, 600, 0.0, 0.0, 1.0, 2.0),
        "waiting": series({**key, "reason": "CrashLoopBackOff"}, 60, 600, 1.0),
        "ended": series({**key, "reason": "OOMKilled"}, 45, 600, 1.0),
        "exit_code": series(key, 45, 600, 137.0),
    }
    world = recorded(pod("web-new1-b", 15, 600, 0.0), crash)
    (container,) = shown(world, 60).pods[0].containers
    assert (container.waiting, container.restarts) == ("CrashLoopBackOff", 2)
    assert container.last is not None
    assert (container.last.reason, container.last.exit_code) == ("OOMKilled", 137)
    assert container.last.finished_at == T0 + timedelta(seconds=60) - STEP / 2


def pods_of(world: Workload) -> int:
    """How many pods there are of any revision."""
    return world.exposure.candidate + world.exposure.old


def test_a_pod_on_its_way_out_counts_no_more() -> None:
    """A deletion time stamp takes a pod out of the counts."""
    leaving = {"deleted": series({"pod": "web-old1-a"}, 60, 600, 1.0)}
    world = recorded(pod("web-old1-a", -300, 600), pod("web-new1-b", 15, 600), leaving)
    assert pods_of(shown(world, 45)) == 2
    assert pods_of(shown(world, 60)) == 1


def test_nothing_changes_between_changes() -> None:
    """The world says when it changes next, so that nobody has to look at each step."""
    world = recorded(pod("web-old1-a", -300, 600), pod("web-new1-b", 90, 600))
    assert world.next_change(T0) == T0 + timedelta(seconds=90)
    assert world.next_change(T0 + timedelta(seconds=90)) is None


def test_an_undo_is_done_at_once_and_a_pause_not_at_all() -> None:
    """The past cannot be paused; after an undo the stable revision is there in full."""
    world = recorded(pod("web-old1-a", -300, 60), pod("web-new1-b", 15, 600), desired=3.0)
    world.apply(Stop(Mark("record", UNTIL)), T0)
    assert not shown(world, 30).brake.on
    world.apply(Restore(RevisionRef("old1", "old1")), T0 + timedelta(seconds=30))
    restored = shown(world, 30)
    assert restored.candidate.hash == "old1"
    assert restored.rolled_out
    assert restored.exposure.available == 3
