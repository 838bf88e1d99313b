"""What the candidate waits for the cluster to do, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import TrafficShare, Workload
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.engine.pods.cluster_wait import ClusterWait, cluster_wait, turns_at
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rules.pod_rules import judge_health
from tests.engine import builders
from tests.engine.builders import PLAIN, entry, in_state
from tests.engine.pods.test_pods import HEALTH
from tests.engine.pods.test_setting_up import NATIVE, PULLING
from tests.engine.snapshots import NEW, OLD, at, broken, pod, waiting, workload

RUNNING_APP = Container("app", running_since=at(3), pulled=True)
SAID = "0/3 nodes are available: 3 Insufficient cpu."
UNPLACED: dict[str, Any] = {"unschedulable": SAID, "node": None, "scheduled_at": None, "containers": ()}
QUOTA = 'pods "api-x" is forbidden: exceeded quota: compute'
FIRST_WAIT = 45
NO_SERIES = RuleVerdict("errors", VerdictKind.INCONCLUSIVE, "NoSeries", "the source has no series for it")


def unplaced(name: str = "new-1", created: float = 0) -> Pod:
    """A pod that finds no node."""
    return broken(name, PULLING, **{**UNPLACED, "created_at": at(created)})


def wait(*pods: Pod, now: float = 100, **changes: Any) -> ClusterWait | None:
    """What these candidate pods wait for."""
    return cluster_wait(workload(*pods, **changes), at(now))


def reason(*pods: Pod, now: float = 100, **changes: Any) -> str | None:
    """For which reason they wait."""
    found = wait(*pods, now=now, **changes)
    return found.reason if found else None


def test_a_gateway_that_says_nothing_is_waited_for_once_the_pods_are_there() -> None:
    """Until then the pods are the longer wait."""
    traffic = TrafficShare(awaited="HTTPRoute web sends 10% to the canary")
    exposure = replace(workload(pod("new-1")).exposure, traffic=traffic)
    assert wait(pod("new-1"), exposure=exposure) == ClusterWait("NotInForce", traffic.awaited, None)
    assert reason(unplaced(), exposure=exposure) == "Unschedulable"


def test_a_broken_pod_of_an_earlier_revision_is_named_where_no_other_is_replaced_before_it() -> None:
    """A fix applied after a crash loop would wait for it in silence; people learn which pod to delete."""
    first = broken("db-4", RUNNING_APP, OLD, unready_since=at(7))
    found = wait(unplaced(), in_the_way=first)
    assert found is not None
    assert (found.reason, found.since) == ("BrokenPodBefore", at(7))
    assert "db-4" in found.message


def test_a_pod_that_finds_no_node_says_what_the_scheduler_says() -> None:
    """At once, with how many of how many pods."""
    found = wait(unplaced(), pod("new-2"), now=1)
    assert found == ClusterWait(
        "Unschedulable", f"1 of 2 candidate pods held up: pod new-1 cannot be scheduled: {SAID}", at(0)
    )
    assert str(found).startswith("waiting for the cluster: 1 of 2")


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([broken("new-1", RUNNING_APP, node_ready=False)], "NodeNotReady"),
        ([broken("new-1", PULLING)], "ContainerCreating"),
        ([broken("new-1", PULLING, containers=(NATIVE, PULLING))], "ContainerCreating"),
        ([broken("new-1", PULLING, containers=(), scheduled_at=None)], "NotScheduled"),
        ([broken("new-1", RUNNING_APP, reason="Evicted", phase="Failed")], "Evicted"),
        ([broken("new-1", waiting("ImagePullBackOff")), pod("new-2")], "RegistryOutage"),
        ([broken("new-1", waiting("ImagePullBackOff"))], None),
        ([broken("new-1", RUNNING_APP)], None),
        ([pod("new-1")], None),
        ([], None),
    ],
    ids=lambda value: str(value) if isinstance(value, str | None) else "",
)
def test_what_the_cluster_has_yet_to_do_is_a_wait(pods: list[Pod], expected: str | None) -> None:
    """Its nodes, volumes, images and its scheduler; not a first pull that fails, nor a probe."""
    assert reason(*pods) == expected


@pytest.mark.parametrize("changes", [{}, {"scheduled_at": None, "containers": ()}], ids=["node", "scheduler"])
def test_a_prompt_cluster_is_not_waited_for(changes: dict[str, Any]) -> None:
    """Half a minute of pulling, or of scheduling, is what every pod takes."""
    assert reason(broken("new-1", PULLING, **changes), now=29) is None
    assert reason(broken("new-1", PULLING, **changes), now=30) is not None


def test_a_wait_begins_where_the_revisions_own_time_ends() -> None:
    """A pull that begins after a long migration is slow 30 s later."""
    migrated = replace(
        NATIVE, sidecar=False, running_since=None, terminated=Termination("Completed", 0, at(1), at(90))
    )
    late = broken("new-1", PULLING, containers=(migrated, waiting("PodInitializing")))
    assert reason(late, now=119) is None
    found = wait(late, now=120)
    assert found is not None
    assert found.since == at(90)


def test_pods_that_cannot_be_created_are_a_wait() -> None:
    """A quota that is used up is named in the API server's words, whether some pods are there or none."""
    refused = {"create_failure": QUOTA, "create_failure_since": at(5), "wanted": 3}
    for pods in ((), (pod("new-1"),)):
        found = wait(*pods, **refused)
        assert found == ClusterWait("FailedCreate", f"pods cannot be created: {QUOTA}", at(5))


def test_a_finished_rollout_waits_for_nothing() -> None:
    """What is left of a condition says nothing once all pods are there."""
    done = {"candidate_pods": 1, "old": 0, "available": 1}
    assert wait(pod("new-1"), create_failure=QUOTA, **done) is None


def test_the_longest_wait_is_named() -> None:
    """Of several pods the one that waits for longest speaks."""
    found = wait(broken("new-1", PULLING, scheduled_at=at(50), unready_since=at(50)), unplaced("new-2", 20))
    assert found is not None
    assert (found.reason, found.since) == ("Unschedulable", at(20))
    assert found.message.startswith("2 of 2 candidate pods held up: pod new-2")


def test_a_pod_that_was_evicted_and_replaced_no_longer_counts() -> None:
    """Neither is it waited for, nor does it keep the others from passing."""
    evicted = broken("new-1", RUNNING_APP, reason="Evicted", phase="Failed")
    assert wait(evicted, pod("new-2")) is None
    world = workload(evicted, pod("new-2"))
    verdict = judge_health(HEALTH, world, NEW, OLD, at(9999), ever_pulled=False)
    assert verdict.kind is VerdictKind.PASS


@pytest.mark.parametrize("ready", [1, 3])
def test_pods_that_are_evicted_one_after_the_other_count_for_ten_minutes(ready: int) -> None:
    """A candidate that is evicted again and again does not pass, and people are told; once it has ended, it may."""
    ended = [
        broken(f"new-{n}", RUNNING_APP, reason="Evicted", phase="Failed", unready_since=at(60 * n))
        for n in (1, 2)
    ]
    world = workload(*ended, *(pod(f"well-{n}") for n in range(ready)))

    def kind(now: float) -> VerdictKind:
        return judge_health(HEALTH, world, NEW, OLD, at(now), ever_pulled=False).kind

    assert reason(*world.pods, now=130) == "Evicted"
    assert [kind(now) for now in (130, 659, 660)] == [
        VerdictKind.INCONCLUSIVE,
        VerdictKind.INCONCLUSIVE,
        VerdictKind.PASS,
    ]
    assert turns_at(world, at(130)) == at(660)


def test_other_revisions_pods_are_not_waited_for() -> None:
    """An old pod that finds no node is no reason why the candidate is not judged."""
    assert wait(replace(unplaced(), revision=OLD.hash), pod("new-1")) is None


# Health.


def test_pods_that_cannot_be_created_are_inconclusive() -> None:
    """Not 'no candidate pod is there yet', and what is there and ready passes."""

    def verdict(*pods: Pod) -> RuleVerdict:
        world = workload(*pods, pod("old-1", OLD), create_failure=QUOTA, progress_deadline_exceeded=True)
        return judge_health(HEALTH, world, NEW, OLD, at(60), ever_pulled=False)

    assert (verdict().kind, verdict().reason) == (VerdictKind.INCONCLUSIVE, "FailedCreate")
    assert QUOTA in verdict().message
    assert verdict(broken("new-1", RUNNING_APP)).reason == "FailedCreate"


# Told.


def situation(world: Workload, record: Record | None = None, *, now: float = FIRST_WAIT) -> Situation:
    """A rollout that has begun, judged by a metric rule that finds nothing."""
    return builders.situation(record or in_state(), world, NO_SERIES, policy=PLAIN, now=now)


def test_a_wait_stands_in_the_record_at_once() -> None:
    """As the reason why nothing is judged, before the source's 'no series'; nobody is told of a short one."""
    answer = decide(situation(workload(unplaced()), now=FIRST_WAIT - 1))
    assert answer.action is None
    assert (answer.state.verdict, answer.state.reason) == ("inconclusive", "Unschedulable")
    assert answer.state.message.startswith("waiting for the cluster: 1 of 1 candidate pods held up")
    assert SAID in answer.state.message


def test_a_wait_that_lasts_is_told_and_nobody_is_called() -> None:
    """Within a minute, with the scheduler's words, while the rollout goes on."""
    answer = decide(situation(workload(unplaced())))
    assert (answer.action, answer.reason, answer.escalate) == (Action.WAIT, "Unschedulable", False)
    assert SAID in answer.message
    assert answer.state.phase is Phase.PROGRESSING
    assert answer.change is None


def told(reason: str, seconds: float) -> Record:
    """A record in which a wait was told."""
    return replace(in_state(), decisions=(entry(Action.WAIT, reason, seconds),))


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (told("Unschedulable", FIRST_WAIT), False),
        (told("ContainerCreating", FIRST_WAIT), True),
        (replace(in_state(), decisions=(entry(Action.HOLD, "Unschedulable", FIRST_WAIT),)), True),
    ],
    ids=["told", "another reason", "another decision"],
)
def test_a_wait_is_told_once(before: Record, again: bool) -> None:
    """However long it lasts; another reason is news."""
    for now in (FIRST_WAIT + 1, 3000):
        answer = decide(situation(workload(unplaced()), before, now=now))
        assert (answer.action is Action.WAIT) is again


def test_waits_that_come_and_go_are_not_told_each_time() -> None:
    """Pod by pod on a cluster that grows: the same reason is news again after ten minutes only."""
    for now, news in ((600, False), (FIRST_WAIT + 601, True)):
        world = workload(unplaced(created=now - FIRST_WAIT))
        answer = decide(situation(world, told("Unschedulable", FIRST_WAIT), now=now))
        assert (answer.action is Action.WAIT) is news


def test_a_wait_since_nobody_knows_when_is_shown_and_not_told() -> None:
    """A node that is not ready under a pod that still is: its pod says so soon, or it passes."""
    lost = pod("new-1", node_ready=False)
    answer = decide(situation(workload(lost), now=999))
    assert (answer.action, answer.state.reason) == (None, "NodeNotReady")


def test_the_deadline_names_what_was_waited_for() -> None:
    """And not that the source has no series of pods that never were."""
    answer = decide(situation(workload(unplaced()), told("Unschedulable", 45), now=3600))
    assert (answer.action, answer.reason) == (Action.HOLD, "DeadlineExceeded")
    assert SAID in answer.message
    assert "series" not in answer.message


def test_evidence_that_is_missing_for_want_of_the_cluster_says_so() -> None:
    """A pod of a scale-up that finds no node after the bake: the hold says why, not what."""
    before = replace(in_state(Phase.BAKING, reached_at=at(0), missing_since=at(200)), decisions=())
    before = before.with_decision(entry(Action.WAIT, "Unschedulable", 290))
    answer = decide(situation(workload(unplaced(created=200), pod("new-2")), before, now=300))
    assert (answer.action, answer.reason) == (Action.HOLD, "EvidenceMissing")
    assert SAID in answer.message


def test_a_wait_is_not_told_while_the_rollout_is_held() -> None:
    """People know that it stands still, and why."""
    held = builders.held("DeadlineExceeded")
    assert decide(situation(workload(unplaced()), held, now=100)).action is None


# When to look again.


def test_the_wait_is_looked_at_when_it_begins_and_when_it_is_to_be_told() -> None:
    """30 s after a pod waits for its node, 45 s after the wait began."""

    def turns(*pods: Pod, now: float) -> float | None:
        found = turns_at(workload(*pods), at(now))
        return (found - at(0)).total_seconds() if found is not None else None

    slow = broken("new-1", PULLING)
    assert [turns(slow, now=now) for now in (0, 29, 30, 44, 45)] == [30, 30, 45, 45, None]
    assert [turns(unplaced(), now=now) for now in (0, 44, 45)] == [30, 45, None]
    assert turns(pod("new-1"), now=0) is None
