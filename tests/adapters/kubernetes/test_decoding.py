"""What is decoded of the answers about a resource whose shape is known."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from sentinel.adapters.kubernetes.watch.decoding import Decoding
from sentinel.adapters.kubernetes.workloads.kinds.deployment import DEPLOYMENT
from sentinel.adapters.kubernetes.workloads.kinds.statefulset import STATEFUL_SET
from sentinel.adapters.kubernetes.workloads.shapes import ApiWorkloadShape, PodShape
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pod
from sentinel.domain.errors import ClusterUnavailableError
from tests.adapters.kubernetes.recordings import CRASH, STATEFUL, events

STATUS = {
    "name": "a",
    "ready": False,
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
    "lastState": {
        "terminated": {
            "reason": "Error",
            "exitCode": 1,
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:00:01Z",
            "message": "no database",
        }
    },
    "image": "app:2",
    "imageID": "sha256:1",
    "started": False,
}
FULL = {
    "metadata": {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionTimestamp": "2026-01-01T00:00:05Z",
        "labels": {"pod-template-hash": "h"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "uid": "o", "controller": True}],
        "managedFields": [{"manager": "kubelet"}],
    },
    "spec": {
        "nodeName": "node-1",
        "containers": [{"name": "a"}],
        "initContainers": [{"name": "i", "restartPolicy": "Always"}],
    },
    "status": {
        "phase": "Running",
        "reason": "Evicted",
        "conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:02Z"},
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"},
            {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": None},
        ],
        "containerStatuses": [
            STATUS,
            {**STATUS, "state": {"running": {"startedAt": "2026-01-01T00:00:03Z"}}},
        ],
        "initContainerStatuses": [{**STATUS, "name": "i"}],
    },
}
RECORDED = [
    event["object"] for name in (CRASH, STATEFUL) for event in events(name) if event["watch"] == "pods"
]


def page(*items: Any) -> bytes:
    return orjson.dumps({"metadata": {"resourceVersion": "9", "continue": "next"}, "items": list(items)})


@pytest.mark.parametrize("raw", [FULL, *RECORDED[::5]])
def test_of_a_pod_everything_that_is_read_is_decoded(raw: dict[str, Any]) -> None:
    """A pod that was decoded by its shape is trimmed to what the whole one is."""
    (thin,) = Decoding(PodShape).page(page(raw), "list pods")["items"]
    assert trim_pod(thin) == trim_pod(raw)
    assert "managedFields" not in thin["metadata"]


CLAIM = {
    "manager": "helm",
    "subresource": "",
    "time": "2026-01-01T00:00:00Z",
    "fieldsV1": {
        "f:spec": {
            "f:template": {"f:spec": {}},
            "f:updateStrategy": {"f:rollingUpdate": {"f:maxUnavailable": {}}},
        }
    },
}
TRIMS = {
    "deployments": DEPLOYMENT.trim,
    "replicasets": DEPLOYMENT.trim_revision,
    "statefulsets": STATEFUL_SET.trim,
    "controllerrevisions": STATEFUL_SET.trim_revision,
}
OWNED = [
    pytest.param(TRIMS[event["watch"]], event["object"], id=f"{event['watch']}-{index}")
    for name in (CRASH, STATEFUL)
    for index, event in enumerate(events(name))
    if event["watch"] in TRIMS and index % 5 == 0
]


@pytest.mark.parametrize(("trim", "raw"), OWNED)
def test_of_a_workload_everything_that_is_read_is_decoded(
    trim: Callable[[dict[str, Any]], object], raw: dict[str, Any]
) -> None:
    """A workload, or a stored revision, that was decoded by its shape is trimmed to what the whole one is."""
    raw = {**raw, "metadata": {**raw["metadata"], "managedFields": [CLAIM]}}
    (thin,) = Decoding(ApiWorkloadShape).page(page(raw), "list")["items"]
    assert trim(thin) == trim(raw)


@pytest.mark.parametrize("raw", [{"metadata": {"labels": {"a": 7}}}, {"status": "x"}, {"spec": []}, 7])
def test_a_page_with_an_odd_object_is_decoded_as_a_whole(raw: object) -> None:
    """One object of another shape costs the others nothing of what they hold."""
    assert Decoding(PodShape).page(page(raw, FULL), "list pods")["items"] == [raw, FULL]


def test_a_page_says_where_it_goes_on() -> None:
    """The list's own version and the next page's token are kept, and a null for no items is."""
    found = Decoding(PodShape).page(page(), "list pods")
    assert found == {"metadata": {"resourceVersion": "9", "continue": "next"}, "items": []}
    assert Decoding(PodShape).page(b'{"items": null}', "list pods") == {"items": None}


def test_a_page_that_is_no_object_is_refused_by_name() -> None:
    """What is not JSON, and what is no object, is a bad answer of the API server."""
    for answer in (b"<html>", b"[1]"):
        with pytest.raises(ClusterUnavailableError, match="not a JSON object"):
            Decoding(PodShape).page(answer, "list pods")


def test_events_that_are_about_no_pod_are_decoded_as_a_whole() -> None:
    """A bookmark's annotations and an error's code are no fields of a pod."""
    for kind in ("BOOKMARK", "ERROR"):
        event = {"type": kind, "object": {"code": 410, "metadata": {"annotations": {"a": "b"}}}}
        assert Decoding(PodShape).event(orjson.dumps(event)) == event


def test_an_event_about_a_pod_is_decoded_by_its_shape() -> None:
    """A change brings what is read of the pod and nothing else."""
    event = Decoding(PodShape).event(orjson.dumps({"type": "MODIFIED", "object": FULL}))
    assert event["type"] == "MODIFIED"
    assert trim_pod(event["object"]) == trim_pod(FULL)
    assert "containers" not in event["object"]["spec"]
