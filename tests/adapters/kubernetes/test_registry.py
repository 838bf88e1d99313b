"""The kinds that there are drivers for."""

from sentinel.adapters.kubernetes.workloads.registry import DRIVERS, PAIRS, owners_of_pods, verbs_of
from sentinel.domain.workload.kinds import GUARDED_KINDS, LIFTED, PAIRED, WorkloadKind


def test_every_kind_that_can_be_guarded_has_a_driver() -> None:
    """And people can take our brake off each object by hand; a pair has none."""
    assert set(DRIVERS) == set(WorkloadKind) - PAIRED
    assert set(PAIRS) <= PAIRED
    assert {*DRIVERS, *PAIRS} == set(GUARDED_KINDS)
    assert {*LIFTED, WorkloadKind.ROLLOUT} == set(DRIVERS)
    assert all(driver.kind is kind for kind, driver in {**DRIVERS, **PAIRS}.items())


def test_pods_name_their_revision_by_their_controllers_label() -> None:
    """Those of Deployments and pairs have one label, those of Rollouts another, the others a third."""
    labels = {kind: driver.revision_label for kind, driver in {**DRIVERS, **PAIRS}.items()}
    assert labels.pop(WorkloadKind.ROLLOUT) == "rollouts-pod-template-hash"
    assert {labels.pop(kind) for kind in (WorkloadKind.DEPLOYMENT, *PAIRS)} == {"pod-template-hash"}
    assert set(labels.values()) == {"controller-revision-hash"}


def test_a_verb_that_two_kinds_need_is_asked_for_once() -> None:
    """StatefulSets and DaemonSets share their ControllerRevisions."""
    needed = verbs_of(GUARDED_KINDS)
    assert len(needed) == len(set(needed))
    assert set(needed) == {verb for one in (*DRIVERS.values(), *PAIRS.values()) for verb in one.verbs}


def test_pods_are_kept_by_what_owns_them() -> None:
    """Deployments, Rollouts and pairs own theirs through ReplicaSets, the others by themselves."""
    assert owners_of_pods([WorkloadKind.DEPLOYMENT]) == {"ReplicaSet"}
    assert owners_of_pods([WorkloadKind.ROLLOUT]) == {"ReplicaSet"}
    assert all(owners_of_pods([pair]) == {"ReplicaSet"} for pair in PAIRS)
    assert owners_of_pods(GUARDED_KINDS) == {"ReplicaSet", "StatefulSet", "DaemonSet"}
