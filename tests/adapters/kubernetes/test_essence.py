"""A pod template is the same with and without what the API server and the Argo controller write into it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from clustersim.replay.recorded import RECORDINGS, RecordedEvent, story
from sentinel.adapters.kubernetes.workloads.essence import essence_of
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template

Json = dict[str, Any]

WRITTEN: Json = {
    "metadata": {"labels": {"app": "web"}, "annotations": {}},
    "spec": {
        "serviceAccountName": "web",
        "containers": [
            {
                "name": "web",
                "image": "registry.example/web:1",
                "ports": [{"containerPort": 8080}],
                "env": [
                    {"name": "EMPTY", "value": ""},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                ],
                "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}},
                "readinessProbe": {"httpGet": {"port": 8080}},
                "lifecycle": {"preStop": {"httpGet": {"port": 8080, "path": "/drain"}}},
            },
            {"name": "proxy", "image": "proxy"},
        ],
        "volumes": [
            {"name": "c", "configMap": {"name": "c"}},
            {"name": "t", "emptyDir": {"sizeLimit": "1024Mi"}},
            {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ],
    },
}
STORED: Json = {
    "metadata": {
        "creationTimestamp": None,
        "labels": {"app": "web", "rollouts-pod-template-hash": "85c95dffd9"},
    },
    "spec": {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "serviceAccount": "web",
        "serviceAccountName": "web",
        "containers": [
            {
                "name": "web",
                "image": "registry.example/web:1",
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "env": [
                    {"name": "EMPTY"},
                    {
                        "name": "POD",
                        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
                    },
                    {
                        "name": "CPU",
                        "valueFrom": {"resourceFieldRef": {"divisor": "0", "resource": "limits.cpu"}},
                    },
                ],
                "resources": {
                    "limits": {"cpu": "500m", "memory": "1Gi"},
                    "requests": {"cpu": "500m", "memory": "1Gi"},
                },
                "readinessProbe": {
                    "failureThreshold": 3,
                    "httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "timeoutSeconds": 1,
                },
                "lifecycle": {"preStop": {"httpGet": {"port": 8080, "path": "/drain", "scheme": "HTTP"}}},
            },
            {
                "name": "proxy",
                "image": "proxy",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            },
        ],
        "volumes": [
            {"name": "c", "configMap": {"defaultMode": 420, "name": "c"}},
            {"name": "t", "emptyDir": {"sizeLimit": "1Gi"}},
            {
                "name": "p",
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"expirationSeconds": 3600, "path": "token"}}],
                },
            },
        ],
    },
}


def test_defaults_and_other_spellings_are_the_same_template() -> None:
    """As an API server of Kubernetes 1.36 stored what is written here in a ReplicaSet."""
    assert essence_of(WRITTEN) == essence_of(STORED)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", "registry.example/web:2"),
        ("imagePullPolicy", "Always"),
        ("terminationMessagePolicy", "FallbackToLogsOnError"),
        ("resources", {"limits": {"cpu": "501m", "memory": "1Gi"}}),
        ("ports", [{"containerPort": 8080, "protocol": "UDP"}]),
        ("env", [{"name": "EMPTY", "value": "TCP"}]),
        ("args", ["--verbose"]),
        ("readinessProbe", {"httpGet": {"port": 8080}, "periodSeconds": 5}),
    ],
)
def test_whatever_is_not_a_default_is_another_template(field: str, value: object) -> None:
    """One field of a container is enough."""
    other = deepcopy(WRITTEN)
    other["spec"]["containers"][0][field] = value
    assert essence_of(other) not in (essence_of(WRITTEN), essence_of(STORED))


def test_labels_are_never_taken_for_defaults() -> None:
    """Nor is an annotation, whatever it is called."""
    other = deepcopy(WRITTEN)
    other["metadata"]["annotations"] = {"protocol": "TCP"}
    assert essence_of(other) != essence_of(WRITTEN)


def test_a_template_that_stands_elsewhere_has_none() -> None:
    """A Rollout with a workloadRef has no template of its own."""
    assert essence_of(None) == ""


@pytest.mark.parametrize("name", sorted(file.stem for file in (RECORDINGS / "argo").glob("*.jsonl")))
def test_a_real_rollout_is_the_same_as_its_replica_set(name: str) -> None:
    """In every recording, for every revision that the real controller made."""
    asked: dict[str, set[str]] = {}
    made: dict[str, set[str]] = {}
    for line in story("argo", name):
        if not isinstance(line, RecordedEvent):
            continue
        metadata, spec, status = (line.object.get(part) or {} for part in ("metadata", "spec", "status"))
        if "template" not in spec:
            continue
        if line.watch == "rollouts" and status.get("observedGeneration") == str(metadata.get("generation")):
            asked.setdefault(status.get("currentPodHash", ""), set()).add(essence_of(spec.get("template")))
        elif line.watch == "replicasets":
            stored = stored_template(line.object)
            made.setdefault(metadata["labels"].get("rollouts-pod-template-hash"), set()).add(
                essence_of(stored)
            )
    assert all(made[named] == essences for named, essences in asked.items())
