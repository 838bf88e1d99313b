"""Pods that the cluster is slow to set up, whatever else runs in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from sentinel.domain.policy.rules import CrashLoopRule, HealthRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.engine.pods.setting_up import kept_back
from sentinel.engine.rules.pod_rules import judge_crash_loop, judge_health, wake_at
from tests.engine.snapshots import NEW, OLD, at, broken, pod, waiting, workload

FAIL, PASS = VerdictKind.FAIL, VerdictKind.PASS
PENDING, INCONCLUSIVE = VerdictKind.PENDING, VerdictKind.INCONCLUSIVE
HEALTH = HealthRule("health")

PROXY = Container("proxy", ready=True, running_since=at(2), pulled=True)
UNREADY_PROXY = Container("proxy", running_since=at(2), pulled=True)
NATIVE = Container("mesh", ready=True, running_since=at(2), init=True, sidecar=True, started=True)
MIGRATED = Container("migrate", ready=True, terminated=Termination("Completed", 0, at(2), at(5)), init=True)
PULLING = waiting("ContainerCreating", image="api:new")
INITIALIZING = waiting("PodInitializing", image="api:new")
APP = Container("app", running_since=at(200), pulled=True)


def made_of(*containers: Container, **changes: Any) -> Pod:
    """A pod scheduled at `at(0)` that is not ready."""
    return broken("new-1", containers[0], **{"containers": containers, **changes})


def health(*pods: Pod, now: float, **changes: Any) -> RuleVerdict:
    """The health verdict of these pods beside a healthy stable."""
    world = workload(*pods, pod("old-1", OLD), **changes)
    return judge_health(HEALTH, world, NEW, OLD, at(now), ever_pulled=False)


SLOW = {
    "sidecar first": (PROXY, PULLING),
    "sidecar last": (PULLING, PROXY),
    "sidecar that needs the application": (UNREADY_PROXY, PULLING),
    "native sidecar": (NATIVE, INITIALIZING),
    "init container done": (MIGRATED, INITIALIZING),
    "all of them": (NATIVE, MIGRATED, INITIALIZING, PROXY),
    "sidecar that ended for want of the application": (
        Container("proxy", terminated=Termination("Error", 1, at(2), at(60))),
        PULLING,
    ),
}


@pytest.mark.parametrize("containers", SLOW.values(), ids=SLOW.keys())
def test_a_slow_pull_is_inconclusive_whatever_else_runs(containers: tuple[Container, ...]) -> None:
    """However long it takes, and the sentence names the container and its image."""
    slow = made_of(*containers)
    assert health(slow, now=119).kind is PENDING
    for now in (120, 900):
        verdict = health(slow, now=now)
        assert (verdict.kind, verdict.reason) == (INCONCLUSIVE, "ContainerCreating")
        assert "container app waits for its image api:new on node n1" in verdict.message


def test_a_slow_pull_of_an_init_containers_image_is_inconclusive() -> None:
    """A native sidecar that runs before it changes nothing, and it is the init container that is named."""
    verdict = health(made_of(NATIVE, waiting("PodInitializing", name="migrate", init=True), PULLING), now=500)
    assert verdict.kind is INCONCLUSIVE
    assert "container migrate waits for its image" in verdict.message


@pytest.mark.parametrize(
    ("furnished", "cause"),
    [
        (True, "waits for its image api:new on"),
        (False, "waits for its volumes or network on"),
        (None, "waits for its image api:new, volumes or network on"),
    ],
)
def test_the_cause_is_named_as_far_as_the_status_tells(furnished: bool | None, cause: str) -> None:
    """The node says whether volumes and network are there; what is left is the image."""
    assert cause in health(made_of(PULLING, furnished=furnished), now=120).message


def test_a_pod_of_which_nothing_is_reported_says_so() -> None:
    """A node that never wrote a status."""
    silent = made_of(PULLING, containers=())
    assert "node n1 has not reported any of its containers" in health(silent, now=120).message


def test_a_pod_has_its_time_from_the_end_of_a_slow_pull() -> None:
    """The application that starts after 200 s beside a sidecar of old has two minutes from then on."""
    for others in ([PROXY], [NATIVE], [MIGRATED]):
        late = made_of(*others, APP)
        assert health(late, now=201).kind is PENDING
        assert health(late, now=316).kind is PENDING
        verdict = health(late, now=320)
        assert (verdict.kind, verdict.reason) == (FAIL, "NotReadyInTime")
        assert "container app runs and its probe fails" in verdict.message


def test_a_pull_of_most_of_the_time_leaves_the_application_its_own() -> None:
    """Started after 110 of 120 s, it is not late ten seconds later."""
    late = made_of(PROXY, Container("app", running_since=at(110)))
    assert health(late, now=121).kind is PENDING
    assert health(late, now=228).kind is PENDING
    assert health(late, now=230).kind is FAIL


def test_a_restart_takes_no_time_away() -> None:
    """A container that crashed once after a slow pull is still counted from its first start."""
    last = Termination("Error", 1, at(200), at(205))
    again = Container("app", restarts=1, last=last, running_since=at(206))
    assert health(made_of(PROXY, again), now=300).kind is PENDING
    assert health(made_of(PROXY, again), now=320).kind is FAIL


def test_a_prompt_start_is_counted_from_the_scheduling() -> None:
    """Some seconds of pulling are nothing to speak of."""
    assert health(made_of(Container("app", running_since=at(29))), now=120).kind is FAIL


@pytest.mark.parametrize(
    ("containers", "why"),
    [
        (
            (Container("migrate", running_since=at(2), init=True), INITIALIZING),
            "init container migrate still runs",
        ),
        (
            (
                Container("mesh", running_since=at(2), init=True, sidecar=True, started=False),
                INITIALIZING,
            ),
            "sidecar mesh runs and its startup probe fails",
        ),
        (
            (MIGRATED, PROXY, Container("app", running_since=at(6))),
            "container app runs and its probe fails",
        ),
        (
            (Container("migrate", terminated=Termination("Error", 3), init=True), INITIALIZING),
            "init container migrate ended, last exit code 3 (Error)",
        ),
    ],
    ids=["init runs", "sidecar does not start", "probe", "init failed"],
)
def test_what_the_revision_itself_does_still_fails(containers: tuple[Container, ...], why: str) -> None:
    """Code of the revision that takes its time is its own fault, and is named."""
    verdict = health(made_of(*containers), now=125)
    assert (verdict.kind, verdict.reason) == (FAIL, "NotReadyInTime")
    assert why in verdict.message


def test_the_time_of_init_containers_is_the_revisions() -> None:
    """A migration of 100 s and a pull of 60 s leave the application 20 of its 120 s."""
    migrated = Container("migrate", terminated=Termination("Completed", 0, at(1), at(101)), init=True)
    late = made_of(migrated, Container("app", running_since=at(161)))
    assert health(late, now=180).kind is PENDING
    assert health(late, now=181).kind is FAIL


def test_the_controllers_deadline_says_nothing_of_a_slow_pull() -> None:
    """Neither while it lasts, nor when it is over and the pod has its own time; nor of one that failed before."""
    stopped = {"progress_deadline_exceeded": True}
    assert health(made_of(NATIVE, INITIALIZING), now=60, **stopped).kind is PENDING
    assert health(made_of(PROXY, APP), now=205, **stopped).kind is PENDING
    retried = Container("migrate", restarts=2, terminated=Termination("Completed", 0), init=True)
    assert health(made_of(retried, INITIALIZING), now=60, **stopped).kind is PENDING
    assert health(made_of(PROXY, Container("app", running_since=at(3))), now=60, **stopped).kind is FAIL


def test_a_pod_of_unknown_age_was_not_kept_back() -> None:
    """Without its creation nothing is known of how long it took."""
    assert not kept_back(made_of(PULLING, created_at=None))


def test_a_slow_pull_is_looked_at_again_when_the_pods_time_is_over() -> None:
    """The wake is the pod's own deadline, moved by what the pull took."""

    def wake(*containers: Container, now: float) -> datetime | None:
        return wake_at(HEALTH, workload(made_of(*containers)), NEW, None, at(now))

    assert wake(PROXY, PULLING, now=1) == at(120)
    assert wake(PROXY, APP, now=201) == at(320)


# Crashes of init containers.


def loops(*pods: Pod) -> RuleVerdict:
    """The crash-loop verdict of these pods."""
    return judge_crash_loop(CrashLoopRule("crash-loop"), workload(*pods), NEW, OLD, at(90))


def test_an_init_container_that_failed_and_then_completed_is_no_crash() -> None:
    """A ready pod whose migration waited for its database is well, and so is one that is about to be."""
    retried = Container(
        "migrate",
        ready=True,
        restarts=6,
        terminated=Termination("Completed", 0, at(60), at(61)),
        last=Termination("Error", 1, at(30), at(31)),
        init=True,
    )
    app = Container("app", ready=True, running_since=at(62))
    assert loops(pod("new-1", containers=(retried, app)), pod("new-2")).kind is PASS
    assert loops(made_of(retried, INITIALIZING)).kind is PENDING


@pytest.mark.parametrize("sidecar", [True, False])
def test_an_init_container_that_keeps_failing_is_a_crash(sidecar: bool) -> None:
    """One that has not completed, or is a sidecar, which never does."""
    looping = waiting("CrashLoopBackOff", name="migrate", restarts=4, init=True, sidecar=sidecar)
    assert loops(made_of(looping, INITIALIZING)).kind is FAIL
    runs = Container("migrate", restarts=4, running_since=at(9), init=True, sidecar=sidecar)
    assert loops(made_of(runs, INITIALIZING)).kind is FAIL
