"""What is kept of raw objects, by recordings of a real Kubernetes 1.36."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sentinel.adapters.kubernetes.workloads.kinds.deployment import trim_deployment
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import trim_replica_set
from sentinel.adapters.kubernetes.workloads.trim import template_manager, trim_node
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pod, trim_pods_of
from sentinel.domain.workload.facts import COMMITTED, IMAGE_CREATED, IRREVERSIBLE_ANNOTATION
from sentinel.domain.workload.revision import ChangeOrigin, OriginKind
from tests.adapters.kubernetes.recordings import objects


def crashing() -> dict[str, Any]:
    """A recorded pod in CrashLoopBackOff."""
    return next(raw for raw in objects("pods") if "CrashLoopBackOff" in str(raw["status"]))


def test_a_crash_loop_is_seen() -> None:
    """Of a crash-looping container the reason to wait, the restarts and how it ended last are kept."""
    entry = trim_pod(crashing())
    (container,) = entry.pod.containers
    assert container.waiting == "CrashLoopBackOff"
    assert container.restarts >= 1
    assert container.last is not None
    assert container.last.exit_code != 0
    assert not container.ready
    assert not entry.pod.ready
    assert entry.pod.unready_since is not None


def test_a_ready_pod_says_since_when() -> None:
    """A ready pod carries its revision, its node and the times of its conditions."""
    raw = objects("pods")[0]
    pod = trim_pod(raw).pod
    assert pod.ready
    assert pod.ready_since is not None
    assert pod.unready_since is None
    assert pod.scheduled_at is not None
    assert pod.revision == raw["metadata"]["labels"]["pod-template-hash"]
    assert pod.node == raw["spec"].get("nodeName")
    assert pod.containers[0].running_since is not None


def test_a_pod_knows_its_replica_set() -> None:
    """A pod's owner is its controller's uid."""
    raw = crashing()
    assert trim_pod(raw).owner_uid == raw["metadata"]["ownerReferences"][0]["uid"]


def test_nothing_is_kept_of_pods_that_no_watched_workload_owns() -> None:
    """Those of Jobs, those that stand alone, and those of kinds that are not watched."""
    trim, owned = trim_pods_of({"ReplicaSet"}), crashing()
    alone = {**owned, "metadata": {**owned["metadata"], "ownerReferences": []}}
    (owner,) = owned["metadata"]["ownerReferences"]
    of_a_job = {**owned, "metadata": {**owned["metadata"], "ownerReferences": [{**owner, "kind": "Job"}]}}
    assert trim(owned) == trim_pod(owned)
    assert trim(alone) is None
    assert trim(of_a_job) is None


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "status": status}


def test_an_image_that_was_pulled_is_seen() -> None:
    """A status with an image ID says that the image is on the node."""
    statuses = [{"name": "a", "imageID": "sha256:1"}, {"name": "b", "imageID": ""}]
    trimmed = trim_pod(pod(containerStatuses=statuses)).pod
    assert [container.pulled for container in trimmed.containers] == [True, False]


def test_an_unschedulable_pod_says_why() -> None:
    """The scheduler's message is kept; a pod that it has not looked at yet is not unschedulable."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no cpu"}
    assert trim_pod(pod(conditions=[condition])).pod.unschedulable == "no cpu"
    assert trim_pod(pod(conditions=[{"type": "PodScheduled", "status": "False"}])).pod.unschedulable is None
    assert trim_pod(pod()).pod.unschedulable is None


def test_init_containers_are_told_apart() -> None:
    """Statuses of init containers come first and are marked."""
    trimmed = trim_pod(
        pod(initContainerStatuses=[{"name": "setup"}], containerStatuses=[{"name": "main"}])
    ).pod
    assert [(c.name, c.init) for c in trimmed.containers] == [("setup", True), ("main", False)]


def test_sidecars_are_init_containers_that_are_always_restarted() -> None:
    """The spec says which init containers go on running; ephemeral containers are none of the pod's own."""
    raw = pod(
        initContainerStatuses=[{"name": "setup"}, {"name": "mesh", "started": False}],
        containerStatuses=[{"name": "main", "started": True}],
        ephemeralContainerStatuses=[{"name": "debugger"}],
    )
    raw["spec"] = {"initContainers": [{"name": "setup"}, {"name": "mesh", "restartPolicy": "Always"}]}
    found = [(c.name, c.init, c.sidecar, c.started) for c in trim_pod(raw).pod.containers]
    assert found == [
        ("setup", True, False, None),
        ("mesh", True, True, False),
        ("main", False, False, True),
    ]


@pytest.mark.parametrize(("status", "furnished"), [("True", True), ("False", False), ("Unknown", None)])
def test_a_pod_says_whether_its_volumes_and_network_are_there(status: str, furnished: bool | None) -> None:
    """By its condition PodReadyToStartContainers; older clusters write none."""
    ready = {"type": "PodReadyToStartContainers", "status": status}
    assert trim_pod(pod(conditions=[ready])).pod.furnished is furnished
    assert trim_pod(pod()).pod.furnished is None


def test_a_pod_on_its_way_out_is_marked() -> None:
    """A deletion timestamp makes a pod deleting, and an eviction's reason is kept."""
    raw = pod(phase="Failed", reason="Evicted")
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    trimmed = trim_pod(raw).pod
    assert (trimmed.deleting, trimmed.phase, trimmed.reason) == (True, "Failed", "Evicted")


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"metadata": None, "spec": [], "status": "x"},
        {"status": {"conditions": {"a": 1}, "containerStatuses": [None, 7, {"state": []}]}},
        {"metadata": {"labels": {"pod-template-hash": 7}, "ownerReferences": "x"}},
    ],
)
def test_an_odd_shape_is_survived(raw: dict[str, Any]) -> None:
    """Whatever shape an object has, what can be read is, and nothing raises."""
    assert trim_pod(raw).pod.phase == "Pending"
    assert trim_deployment(raw).desired == 1
    assert trim_replica_set(raw).number == 0
    assert trim_node(raw).ready


def test_a_long_message_is_cut() -> None:
    """Messages are kept up to a limit."""
    state = {"terminated": {"exitCode": 1, "message": "x" * 5000}}
    trimmed = trim_pod(pod(containerStatuses=[{"name": "main", "state": state}])).pod
    assert trimmed.containers[0].terminated is not None
    assert len(trimmed.containers[0].terminated.message) == 400


def test_a_deployment_and_its_replica_set_have_one_digest() -> None:
    """The template's digest is the same in the Deployment and in the ReplicaSet made of it."""
    deployments = {trim_deployment(raw).template.digest for raw in objects("deployments")}
    sets = {trim_replica_set(raw).template.digest for raw in objects("replicasets")}
    assert deployments == sets
    assert len(sets) == 2


def test_a_replica_set_carries_its_revision() -> None:
    """Number, hash, owner and counts of a ReplicaSet are kept."""
    raw = objects("replicasets")[-1]
    entry = trim_replica_set(raw)
    assert entry.number == int(raw["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
    assert entry.hash == raw["metadata"]["labels"]["pod-template-hash"]
    assert entry.owner_uid == raw["metadata"]["ownerReferences"][0]["uid"]
    assert entry.template.images == (raw["spec"]["template"]["spec"]["containers"][0]["image"],)
    assert entry.created_at is not None


def test_pods_that_cannot_be_created_are_seen() -> None:
    """The Deployment's ReplicaFailure says why and since when; one that is about deletion, or over, says nothing."""
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota: compute",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }
    seen = trim_deployment({"status": {"conditions": [failure]}})
    assert seen.create_failure == "exceeded quota: compute"
    assert seen.create_failure_since == datetime(2026, 3, 1, 12, tzinfo=UTC)
    for change in ({"reason": "FailedDelete"}, {"status": "False"}):
        other = trim_deployment({"status": {"conditions": [{**failure, **change}]}})
        assert (other.create_failure, other.create_failure_since) == ("", None)


def test_a_missed_deadline_is_seen() -> None:
    """A recorded ProgressDeadlineExceeded is seen, and not before it happened."""
    told = [trim_deployment(raw).progress_deadline_exceeded for raw in objects("deployments")]
    assert not told[0]
    assert any(told)


def test_the_copy_of_the_manifest_is_not_kept() -> None:
    """Annotations are kept, but not the whole manifest that `kubectl apply` leaves there."""
    notes = {"team": "a", "kubectl.kubernetes.io/last-applied-configuration": "{...}"}
    assert trim_deployment({"metadata": {"annotations": notes}}).annotations == {"team": "a"}


def test_the_irreversible_annotation_of_a_template_is_kept() -> None:
    """A template that says why it cannot be undone keeps that."""
    raw = objects("deployments")[0]
    metadata = {**raw["spec"]["template"]["metadata"], "annotations": {IRREVERSIBLE_ANNOTATION: "schema"}}
    template = {**raw["spec"]["template"], "metadata": metadata}
    entry = trim_deployment({**raw, "spec": {**raw["spec"], "template": template}})
    assert entry.template.irreversible == "schema"


@pytest.mark.parametrize(
    ("marks", "origin"),
    [
        (
            {"annotations": {COMMITTED: "2026-03-01T12:00:00Z", IMAGE_CREATED: "2026-03-01T12:30:00Z"}},
            ChangeOrigin(datetime(2026, 3, 1, 12, tzinfo=UTC), OriginKind.COMMIT),
        ),
        (
            {"annotations": {IMAGE_CREATED: "2026-03-01T13:30:00+01:00"}},
            ChangeOrigin(datetime(2026, 3, 1, 12, 30, tzinfo=UTC), OriginKind.IMAGE),
        ),
        (
            {"labels": {COMMITTED: "1772366400"}},
            ChangeOrigin(datetime(2026, 3, 1, 12, tzinfo=UTC), OriginKind.COMMIT),
        ),
        ({"annotations": {COMMITTED: "yesterday"}, "labels": {COMMITTED: "99999999999999"}}, None),
        ({}, None),
    ],
)
def test_when_a_template_was_committed_is_kept(marks: dict[str, Any], origin: ChangeOrigin | None) -> None:
    """By annotation or label, of the commit rather than of the image; what is no time is ignored."""
    raw = objects("deployments")[0]
    metadata = {**raw["spec"]["template"]["metadata"], **marks}
    template = {**raw["spec"]["template"], "metadata": metadata}
    entry = trim_deployment({**raw, "spec": {**raw["spec"], "template": template}})
    assert entry.template.origin == origin


def manager(name: str, time: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": name, "time": time, "fieldsV1": {"f:spec": fields}, **more}


def test_who_wrote_the_template_last_is_known() -> None:
    """Of the managers that own a part of the template the newest counts; who scaled or wrote status does not."""
    entries = [
        manager("helm", "2026-01-01T00:00:00Z", {"f:template": {}}),
        manager("kubectl", "2026-01-02T00:00:00Z", {"f:template": {}}),
        manager("hpa", "2026-01-03T00:00:00Z", {"f:replicas": {}}, subresource="scale"),
        manager("odd", "2026-01-04T00:00:00Z", {"f:template": {}}, subresource="status"),
    ]
    assert template_manager({"managedFields": entries}) == "kubectl"
    assert template_manager({}) == ""


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False)])
def test_a_node_is_ready_by_its_condition(status: str, ready: bool) -> None:
    """Only a Ready condition that is True makes a node ready."""
    raw = {"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": status}]}}
    assert trim_node(raw).ready is ready


def test_times_are_read_as_utc() -> None:
    """A stamp of the API server is a moment in UTC."""
    raw = pod()
    raw["metadata"]["creationTimestamp"] = "2026-11-24T03:04:58Z"
    assert trim_pod(raw).pod.created_at == datetime(2026, 11, 24, 3, 4, 58, tzinfo=UTC)
