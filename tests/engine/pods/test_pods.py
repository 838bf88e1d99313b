"""Verdicts from pod statuses: crash loops and health."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.policy.rules import CrashLoopRule, HealthRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.domain.workload.revision import Revision
from sentinel.engine.rules.pod_rules import judge_crash_loop, judge_health, wake_at
from tests.engine.snapshots import NEW, OLD, at, broken, crashed, pod, revision, waiting, workload

CRASHES = CrashLoopRule("crash-loop")
HEALTH = HealthRule("health")
FAIL, PASS = VerdictKind.FAIL, VerdictKind.PASS
PENDING, INCONCLUSIVE = VerdictKind.PENDING, VerdictKind.INCONCLUSIVE


def loops(
    *pods: Pod, baseline: Revision | None = OLD, rule: CrashLoopRule = CRASHES, now: float = 1
) -> RuleVerdict:
    """The crash-loop verdict of these pods."""
    return judge_crash_loop(rule, workload(*pods), NEW, baseline, at(now))


def health(
    *pods: Pod, now: float = 1, ever_pulled: bool = False, baseline: Revision | None = OLD, **changes: Any
) -> RuleVerdict:
    """The health verdict of these pods, seconds after they were scheduled."""
    return judge_health(HEALTH, workload(*pods, **changes), NEW, baseline, at(now), ever_pulled=ever_pulled)


def stable(count: int = 3) -> tuple[Pod, ...]:
    """Healthy stable pods."""
    return tuple(pod(f"old-{n}", OLD) for n in range(count))


# Crash loops.


def test_a_crash_loop_fails_with_pod_container_and_exit_code() -> None:
    """A container in CrashLoopBackOff fails, and the sentence names it."""
    verdict = loops(broken("new-1", crashed(restarts=4, code=3)), *stable())
    assert (verdict.kind, verdict.reason) == (FAIL, "CrashLoop")
    assert verdict.message == (
        "1 of 1 candidate pods crashing: pod new-1 on node n1, container app is in CrashLoopBackOff, 4 restarts, "
        "last exit code 3 (Error)"
    )
    assert verdict.numbers == {
        "pods": 1,
        "ready": 0,
        "failing": 1,
        "nodes": 1,
        "restarts": 4,
    }
    assert verdict.cause.first_bad_at == at(-10)


@pytest.mark.parametrize(("restarts", "kind"), [(2, PASS), (3, FAIL), (4, FAIL)])
def test_three_restarts_are_a_crash_loop(restarts: int, kind: VerdictKind) -> None:
    """A container that comes up again each time counts by its restarts."""
    again = pod("new-1", containers=(Container("app", ready=True, restarts=restarts, running_since=at(0)),))
    assert loops(again).kind is kind


def test_running_out_of_memory_is_named() -> None:
    """OOMKilled is the verdict's reason."""
    verdict = loops(broken("new-1", crashed(reason="OOMKilled", code=137)))
    assert verdict.reason == "OOMKilled"
    assert "last exit code 137 (OOMKilled)" in verdict.message


def test_the_first_crash_that_is_still_shown_dates_the_fault() -> None:
    """Of several ends the earliest is when it went bad."""
    twice = Container(
        "app",
        restarts=3,
        terminated=Termination("Error", 1, at(20), at(25)),
        last=Termination("", 1, at(5), at(9)),
    )
    verdict = loops(broken("new-1", twice), broken("new-2", crashed(finished=30)))
    assert verdict.cause.first_bad_at == at(9)


def test_a_crash_without_an_end_is_undated() -> None:
    """A status without terminations gives a verdict without a date."""
    verdict = loops(broken("new-1", waiting("CrashLoopBackOff", restarts=2)))
    assert verdict.kind is FAIL
    assert verdict.cause.first_bad_at is None
    assert verdict.message.endswith("2 restarts")


@pytest.mark.parametrize("init", [True, False])
def test_init_containers_and_sidecars_count(init: bool) -> None:
    """A crash of any container of the pod is a crash of the pod."""
    side = waiting("CrashLoopBackOff", name="migrate", init=init)
    verdict = loops(broken("new-1", side, containers=(side, waiting("PodInitializing"))))
    assert verdict.kind is FAIL
    assert "container migrate" in verdict.message


def test_restarts_of_other_revisions_never_count() -> None:
    """Stable pods that crash, and a third revision's, do not fail a candidate that is well."""
    third = revision("third")
    verdict = loops(pod("new-1"), broken("old-1", crashed(99), OLD), broken("third-1", crashed(99), third))
    assert verdict.kind is PASS


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "Evicted", "phase": "Failed"},
        {"reason": "Terminated", "phase": "Failed"},
        {"phase": "Unknown"},
        {"node_ready": False},
        {"unschedulable": "0/3 nodes are available"},
    ],
    ids=str,
)
def test_what_the_cluster_does_to_a_pod_is_no_crash(changes: dict[str, Any]) -> None:
    """Evicted, shut down, lost and displaced pods do not fail their revision."""
    assert loops(broken("new-1", crashed(), **changes)).kind is PENDING


@pytest.mark.parametrize("reason", ["ContainerStatusUnknown", "Unknown"])
def test_a_container_lost_with_its_node_did_not_crash(reason: str) -> None:
    """Ends that kubelet or runtime make up after the node went down are no crash."""
    assert loops(broken("new-1", crashed(reason=reason, code=137))).kind is PENDING


def test_one_pod_of_three_is_no_proof() -> None:
    """With three candidate pods or more the failures must span two."""
    verdict = loops(broken("new-1", crashed()), pod("new-2", node="n2"), pod("new-3", node="n3"))
    assert (verdict.kind, verdict.reason) == (PENDING, "OnePod")


def test_one_pod_of_two_is_proof() -> None:
    """Below three candidate pods one is enough."""
    assert loops(broken("new-1", crashed()), pod("new-2", node="n2")).kind is FAIL


def test_one_node_of_several_is_no_proof() -> None:
    """Where the candidate's pods run on more than one node the failures must too."""
    bad = (broken("new-1", crashed()), broken("new-2", crashed()))
    assert loops(*bad, pod("new-3", node="n2")).reason == "OneNode"
    assert loops(*bad, pod("new-3", node="n1")).kind is FAIL
    assert loops(bad[0], broken("new-2", crashed(), node="n2"), pod("new-3")).kind is FAIL


def test_no_ready_pod_is_proof_on_one_node_and_one_pod() -> None:
    """Unless no candidate pod is ready: then one crash is enough."""
    starting = broken("new-2", waiting("ContainerCreating"), node="n2")
    unplaced = broken("new-3", waiting(""), node=None)
    assert loops(broken("new-1", crashed()), starting, unplaced).kind is FAIL


def test_a_tenth_of_many_pods_must_crash() -> None:
    """Below the rule's share nothing is proven, at it all is."""
    well = tuple(pod(f"well-{n}", node=f"n{n}") for n in range(28))
    bad = tuple(broken(f"new-{n}", crashed(), node=f"n{n}") for n in range(3))
    assert loops(*bad[:2], *well).reason == "TooFewPods"
    assert loops(*bad, *well[:27]).kind is FAIL


def test_a_crash_loop_of_both_revisions_is_everywhere() -> None:
    """When the stable pods crash just so, the environment does it."""
    old = tuple(broken(f"old-{n}", crashed(), OLD, node=f"n{n}") for n in range(3))
    verdict = loops(broken("new-1", crashed()), *old)
    assert (verdict.kind, verdict.everywhere) == (INCONCLUSIVE, True)
    assert loops(broken("new-1", crashed()), *old, baseline=None).kind is FAIL


def test_one_crashing_stable_pod_of_many_excuses_nothing() -> None:
    """The stable must meet the same condition as the candidate."""
    assert loops(broken("new-1", crashed()), broken("old-9", crashed(), OLD), *stable()).kind is FAIL


@pytest.mark.parametrize(("finished", "kind"), [(-1, FAIL), (0, INCONCLUSIVE), (None, FAIL)])
def test_a_stable_pods_old_restarts_excuse_nothing(finished: float | None, kind: VerdictKind) -> None:
    """Only crashes since the first candidate pod was made speak of the environment."""
    last = Termination("Error", 1, None, at(finished)) if finished is not None else None
    veteran = pod("old-1", OLD, containers=(Container("app", ready=True, restarts=9, last=last),))
    assert loops(broken("new-1", crashed()), veteran).kind is kind


def test_crash_loop_passes_when_every_pod_is_ready() -> None:
    """All candidate pods ready and none crashing is a pass; none there or some starting is not."""
    assert loops(pod("new-1"), pod("new-2")).kind is PASS
    assert loops(pod("new-1"), broken("new-2", waiting("ContainerCreating"))).reason == "NotReadyYet"
    assert loops(*stable()).reason == "NoPods"


# Health: images.


def pull_error(message: str = "", reason: str = "ErrImagePull", **changes: Any) -> Pod:
    """A pod whose image does not pull."""
    return broken("new-1", waiting(reason, waiting_message=message, image="api:new"), **changes)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ErrImagePull", 'failed to resolve reference "api:new": api:new: not found'),
        ("ImagePullBackOff", 'Back-off pulling image "api:new": ErrImagePull: manifest unknown'),
        ("InvalidImageName", 'couldn\'t parse image reference "API"'),
        ("ErrImageNeverPull", "Container image is not present with pull policy of Never"),
    ],
)
def test_an_image_that_does_not_exist_fails_at_once(reason: str, message: str) -> None:
    """'Not found' and its kin need no waiting."""
    verdict = health(pull_error(message, reason), *stable())
    assert (verdict.kind, verdict.reason) == (FAIL, "ImagePull")
    assert verdict.message == (
        f"1 of 1 candidate pods failing: pod new-1 cannot pull api:new for container app ({reason}: {message})"
    )
    assert verdict.cause.first_bad_at == at(0)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "dial tcp: lookup registry.example on 10.0.0.10:53: not found",
        "read tcp: i/o timeout, tag not found",
        "pull access denied, repository does not exist or may require authorization",
        "401 unauthorized",
    ],
)
def test_any_other_pull_error_fails_after_two_minutes(message: str) -> None:
    """Trouble that may pass has the rule's time from PodScheduled."""
    assert health(pull_error(message), now=119).kind is PENDING
    assert health(pull_error(message), now=120).kind is FAIL


def test_a_revision_that_pulled_before_is_not_to_blame() -> None:
    """A registry outage is not a bad release: inconclusive, whatever the registry says."""
    missing = pull_error("not found")
    verdict = health(missing, ever_pulled=True, now=999)
    assert (verdict.kind, verdict.reason) == (INCONCLUSIVE, "RegistryOutage")
    assert "which this revision has pulled before" in verdict.message
    assert health(missing, pod("new-2", node="n2"), now=999).reason == "RegistryOutage"


def test_another_containers_image_is_no_proof_of_a_pull() -> None:
    """That the sidecar's image is there says nothing of the application's."""
    proxy = Container("proxy", running_since=at(1), pulled=True)
    app = waiting("ErrImagePull", waiting_message="not found")
    assert health(broken("new-1", app, containers=(app, proxy))).reason == "ImagePull"


def test_a_pull_that_fails_for_the_stable_too_is_everywhere() -> None:
    """When a stable pod cannot pull its image either, the registry is out, from the first moment on."""
    old = broken("old-9", waiting("ErrImagePull"), OLD)
    verdict = health(pull_error("not found"), old, *stable())
    assert (verdict.kind, verdict.everywhere) == (INCONCLUSIVE, True)


def test_a_stable_pod_that_is_not_ready_does_not_excuse_a_missing_image() -> None:
    """The stable must fail in the same way."""
    old = broken("old-9", Container("app", running_since=at(0)), OLD)
    assert health(pull_error("not found"), old, now=500).kind is FAIL


def test_an_unscheduled_pod_waits_for_its_pull() -> None:
    """Without PodScheduled no time runs."""
    assert health(pull_error(scheduled_at=None), now=9999).kind is PENDING


# Health: containers that cannot be made.


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("CreateContainerConfigError", 'configmap "settings" not found'),
        ("CreateContainerConfigError", "couldn't find key DSN in Secret shop/api"),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
        ("CreateContainerError", "no command specified"),
        ("RunContainerError", 'exec: "serve": executable file not found in $PATH'),
    ],
)
def test_a_template_that_cannot_be_made_fails_at_once(reason: str, message: str) -> None:
    """What no retry can mend needs no waiting."""
    verdict = health(broken("new-1", waiting(reason, waiting_message=message)))
    assert (verdict.kind, verdict.reason) == (FAIL, reason)
    assert message in verdict.message


def test_create_errors_that_may_pass_have_the_pods_time() -> None:
    """A slow kubelet cache is judged by readiness alone."""
    late = broken(
        "new-1", waiting("CreateContainerConfigError", waiting_message="failed to sync configmap cache")
    )
    assert health(late, now=119).kind is PENDING
    verdict = health(late, now=120)
    assert (verdict.kind, verdict.reason) == (FAIL, "NotReadyInTime")
    assert (
        "container app waits (CreateContainerConfigError, failed to sync configmap cache)" in verdict.message
    )


# Health: readiness.

RUNNING = Container("app", running_since=at(3), pulled=True)


@pytest.mark.parametrize(
    ("container", "why"),
    [
        (RUNNING, ": container app runs and its probe fails"),
        (crashed(code=2), ": container app waits (CrashLoopBackOff, last exit code 2 (Error))"),
        (
            Container("app", terminated=Termination("", 1)),
            ": container app ended, last exit code 1 (no reason given)",
        ),
        (Container("app"), ""),
        (Container("app", ready=True, running_since=at(3)), ""),
    ],
)
def test_a_pod_that_never_gets_ready_fails_in_time(container: Container, why: str) -> None:
    """Counted from PodScheduled, with what its container shows."""
    assert health(broken("new-1", container), now=119).kind is PENDING
    verdict = health(broken("new-1", container), now=120)
    assert (verdict.kind, verdict.reason) == (FAIL, "NotReadyInTime")
    assert verdict.message.endswith(f"pod new-1 did not become ready within 2 min{why}")
    assert verdict.cause.first_bad_at == at(0)


def test_a_pod_that_was_ready_has_its_time_again() -> None:
    """A pod ready for an hour is not late the second its probe fails; its time runs from there."""
    lost = broken("new-1", RUNNING, unready_since=at(3600))
    assert health(lost, now=3601).kind is PENDING
    verdict = health(lost, now=3720)
    assert (verdict.kind, verdict.reason) == (FAIL, "NoLongerReady")
    assert verdict.cause.first_bad_at == at(3600)


def test_the_kubelets_first_status_does_not_move_the_start() -> None:
    """Not ready as of a few seconds after PodScheduled is never ready, counted from PodScheduled."""
    for first_status in (at(4), None):
        late = broken("new-1", RUNNING, unready_since=first_status)
        assert health(late, now=120).reason == "NotReadyInTime"


def test_a_pod_set_up_too_late_by_its_node_has_its_time_from_its_start() -> None:
    """Volumes that took three minutes are not held against the container that starts then."""
    late = broken("new-1", Container("app", running_since=at(180)))
    assert health(late, now=181).kind is PENDING
    assert health(late, now=300).kind is FAIL
    just = broken("new-1", Container("app", running_since=at(120)))
    assert health(just, now=121).kind is PENDING
    init = Container("init", terminated=Termination("Completed", 0, at(170), at(175)), init=True)
    assert (
        health(broken("new-1", init, containers=(init, waiting("PodInitializing"))), now=181).kind is PENDING
    )


def test_one_late_pod_of_three_is_no_proof() -> None:
    """The same spread is asked for as of crashes."""
    verdict = health(broken("new-1", RUNNING), pod("new-2", node="n2"), pod("new-3", node="n3"), now=500)
    assert (verdict.kind, verdict.reason) == (PENDING, "OnePod")


def test_pods_that_the_cluster_failed_prove_nothing_of_the_candidate() -> None:
    """One late pod among pods that find no node is inconclusive, not 'no candidate pod is ready'."""
    lost = [broken(f"new-{n}", waiting(""), unschedulable="no nodes") for n in (2, 3)]
    verdict = health(broken("new-1", RUNNING), *lost, now=500)
    assert (verdict.kind, verdict.reason) == (INCONCLUSIVE, "Unschedulable")


def test_pods_of_both_revisions_that_are_late_are_everywhere() -> None:
    """When the stable pods are not ready just so, the environment does it."""
    old = [broken(f"old-{n}", RUNNING, OLD, node=f"n{n}", unready_since=at(100)) for n in range(3)]
    verdict = health(broken("new-1", RUNNING), *old, now=500)
    assert (verdict.kind, verdict.everywhere) == (INCONCLUSIVE, True)
    assert health(broken("new-1", RUNNING), *old, now=500, baseline=None).kind is FAIL


def test_health_passes_when_every_pod_is_ready() -> None:
    """All candidate pods ready is a pass; some starting, or none there, is pending."""
    assert health(pod("new-1"), pod("new-2"), *stable()).kind is PASS
    assert health(pod("new-1"), broken("new-2", RUNNING)).reason == "NotReadyYet"
    assert health(*stable()).reason == "NoPods"


# Health: the cluster's faults.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unschedulable": "0/3 nodes are available", "scheduled_at": None}, "Unschedulable"),
        ({"node_ready": False}, "NodeNotReady"),
        ({"node_ready": False, "ready": True}, "NodeNotReady"),
        ({"phase": "Unknown"}, "NodeNotReady"),
        ({"reason": "Evicted", "phase": "Failed"}, "Evicted"),
        ({"reason": "NodeLost"}, "NodeLost"),
        ({"reason": "Preempting", "phase": "Failed"}, "Preempting"),
    ],
    ids=str,
)
def test_the_clusters_faults_are_inconclusive(changes: dict[str, Any], reason: str) -> None:
    """Whatever time passes, what the cluster does to a pod never fails its revision."""
    verdict = health(broken("new-1", RUNNING, **changes), *stable(), now=9999)
    assert (verdict.kind, verdict.reason, verdict.everywhere) == (INCONCLUSIVE, reason, False)


@pytest.mark.parametrize(
    "containers",
    [
        (waiting("ContainerCreating"), waiting("ContainerCreating", name="proxy")),
        (waiting("PodInitializing", name="init", init=True), waiting("PodInitializing")),
        (Container("init", terminated=Termination("Completed", 0), init=True), waiting("PodInitializing")),
        (),
    ],
    ids=["creating", "initializing", "init done", "no status"],
)
def test_a_pod_that_its_node_does_not_set_up_is_inconclusive(containers: tuple[Container, ...]) -> None:
    """Volumes that do not attach look like containers that are being created for ever."""
    stuck = broken("new-1", RUNNING, containers=containers)
    assert health(stuck, now=119).kind is PENDING
    verdict = health(stuck, now=120)
    assert (verdict.kind, verdict.reason) == (INCONCLUSIVE, "ContainerCreating")


def test_a_failed_init_container_is_the_revisions_fault() -> None:
    """A pod whose init container ended badly is not being set up."""
    init = Container("init", terminated=Termination("Error", 1), init=True)
    assert health(broken("new-1", init, containers=(init, waiting("PodInitializing"))), now=120).kind is FAIL


# Health: the controller's progress deadline.


def test_the_progress_deadline_fails_pods_that_are_not_ready() -> None:
    """The controller's own deadline is believed where candidate pods are not ready."""
    verdict = health(broken("new-1", RUNNING), pod("new-2"), *stable(), progress_deadline_exceeded=True)
    assert (verdict.kind, verdict.reason) == (FAIL, "ProgressDeadlineExceeded")


def test_the_progress_deadline_says_nothing_of_pods_that_the_cluster_kept_back() -> None:
    """A pod that found its node after ten minutes has its own time still before it."""
    late = replace(broken("new-1", RUNNING), created_at=at(-600))
    assert health(late, pod("new-2"), *stable(), progress_deadline_exceeded=True).kind is PENDING


def test_the_progress_deadline_without_unready_pods_is_inconclusive() -> None:
    """Pods that could not be made (a quota, a webhook) are nobody's fault that can be told."""
    assert health(*stable(), progress_deadline_exceeded=True).kind is INCONCLUSIVE
    assert health(pod("new-1"), progress_deadline_exceeded=True).kind is INCONCLUSIVE


def test_the_progress_deadline_yields_to_the_clusters_faults() -> None:
    """No progress for want of nodes is the cluster's."""
    unplaced = broken("new-1", waiting(""), unschedulable="no nodes")
    assert health(unplaced, progress_deadline_exceeded=True).reason == "Unschedulable"


def test_the_progress_deadline_with_no_stable_pod_ready_is_everywhere() -> None:
    """When the stable has no ready pod either, the environment does it."""
    old = broken("old-1", RUNNING, OLD)
    verdict = health(broken("new-1", RUNNING), old, progress_deadline_exceeded=True)
    assert (verdict.kind, verdict.everywhere) == (INCONCLUSIVE, True)
    assert health(broken("new-1", RUNNING), old, progress_deadline_exceeded=True, baseline=None).kind is FAIL


# When to look again.


def wake(*pods: Pod, now: float, baseline: Revision | None = OLD) -> datetime | None:
    """When the health verdict may change by itself."""
    rule = HealthRule("health", pull_within=timedelta(seconds=60))
    return wake_at(rule, workload(*pods), NEW, baseline, at(now))


def test_wake_is_the_next_deadline_of_any_pod() -> None:
    """The earliest deadline ahead, of both arms; nothing for pods that wait for nothing."""
    late = broken("new-1", RUNNING)
    later = broken("new-2", RUNNING, scheduled_at=at(30), unready_since=at(30))
    lost = broken("old-1", RUNNING, OLD, unready_since=at(50))
    assert wake(late, later, lost, now=1) == at(120)
    assert wake(late, later, lost, now=120) == at(150)
    assert wake(late, later, lost, now=150) == at(170)
    assert wake(late, later, lost, now=150, baseline=None) is None
    assert wake(pod("new-1"), broken("new-2", RUNNING, node_ready=False), now=1) is None
    assert wake(broken("new-1", waiting(""), scheduled_at=None), now=1) is None


def test_wake_for_a_pull_is_its_own_deadline() -> None:
    """A failing pull has the pull's time; before PodScheduled none runs."""
    assert wake(pull_error(), now=1) == at(60)
    assert wake(pull_error(scheduled_at=None), now=1) is None


# Properties.

states = st.sampled_from(
    [
        RUNNING,
        crashed(),
        waiting("ContainerCreating"),
        waiting("ErrImagePull"),
        waiting("CreateContainerError", waiting_message="no command specified"),
    ]
)
pods_of_any_kind = st.lists(
    st.builds(
        lambda n, container, of, node, ready: (
            pod(f"p{n}", of, node=node) if ready else broken(f"p{n}", container, of, node=node)
        ),
        st.integers(0, 10**6),
        states,
        st.sampled_from([NEW, OLD]),
        st.sampled_from(["n1", "n2", "n3"]),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda made: made.name,
)


@given(pods_of_any_kind, st.integers(0, 400))
def test_health_changes_by_time_only_where_a_wake_is_set(pods: list[Pod], now: int) -> None:
    """Between now and the wake the verdict stands still: the caller may sleep until then."""
    snapshot = workload(*pods)
    wakes = wake_at(HEALTH, snapshot, NEW, OLD, at(now))
    before = health(*pods, now=now)
    until = (wakes - at(0)).total_seconds() - 0.001 if wakes is not None else 10_000
    assert until > now
    assert health(*pods, now=until) == before


@given(pods_of_any_kind, st.integers(0, 400))
def test_a_candidate_without_faults_never_fails(pods: list[Pod], now: int) -> None:
    """Only ready candidate pods: neither rule fails, whatever the stable's pods do."""
    well = [p for p in pods if p.revision == OLD.hash or p.ready]
    assert health(*well, now=now).kind is not FAIL
    assert loops(*well).kind is not FAIL


@given(pods_of_any_kind, st.integers(0, 400))
def test_a_pass_needs_every_candidate_pod_ready(pods: list[Pod], now: int) -> None:
    """Neither rule passes without at least one candidate pod, all of them ready."""
    mine = workload(*pods).pods_of(NEW)
    for verdict in (health(*pods, now=now), loops(*pods)):
        if verdict.kind is PASS:
            assert mine
            assert all(p.ready for p in mine)
