"""Evictions, bindings, scales, events of two groups, defaults of several kinds, Tables of several kinds."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.storage.resources import EVENTS, PDBS, PODS
from clustersim.storage.store import Store
from tests.clustersim.apiserver.conftest import Client

REC = "/api/v1/namespaces/rec"
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "rec", "labels": {"app": "a"}},
    "spec": {"containers": [{"name": "c", "image": "i:1"}]},
}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": POD["spec"]}
WORKLOAD = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}
JOB = {
    **WORKLOAD,
    "manualSelector": True,
    "template": {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}},
}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


async def test_an_eviction_deletes_the_pod(client: Client, store: Store) -> None:
    """201, and the pod is gone."""
    store.create(PODS, POD)
    reply = await client.request("POST", f"{REC}/pods/p/eviction", {"metadata": {"name": "p"}})
    assert reply.status == 201
    assert store.find(PODS, "rec", "p") is None


async def test_a_disruption_budget_forbids_an_eviction(client: Client, store: Store) -> None:
    """429, and the pod stays, until the budget allows it."""
    store.create(PODS, POD)
    spec = {"selector": {"matchLabels": {"app": "a"}}, "minAvailable": 1}
    store.create(PDBS, {"metadata": {"name": "b", "namespace": "rec"}, "spec": spec})
    path = f"{REC}/pods/p/eviction"
    assert (await client.request("POST", path, {})).status == 429
    allowed = {"disruptionsAllowed": 1}
    store.mutate(PDBS, "rec", "b", lambda b: b.update(status=allowed), subresource="status")
    assert (await client.request("POST", path, {})).status == 201


async def test_a_binding_puts_a_pod_on_a_node(client: Client, store: Store) -> None:
    """spec.nodeName is set; a binding without a target is 400."""
    store.create(PODS, POD)
    path = f"{REC}/pods/p/binding"
    assert (await client.request("POST", path, {})).status == 400
    assert (await client.request("POST", path, {"target": {"name": "n"}})).status == 201
    assert store.get(PODS, "rec", "p")["spec"]["nodeName"] == "n"


async def test_a_bound_pod_is_answered_while_it_ends(client: Client, store: Store) -> None:
    """The delete answers the pod with its deletionTimestamp; gracePeriodSeconds=0 ends it."""
    store.create(PODS, {**POD, "spec": {**POD["spec"], "nodeName": "n"}})
    reply = await client.request("DELETE", f"{REC}/pods/p")
    assert reply.body["metadata"]["deletionGracePeriodSeconds"] == 30
    await client.request("DELETE", f"{REC}/pods/p", {"gracePeriodSeconds": 0})
    assert store.find(PODS, "rec", "p") is None


async def test_an_event_of_the_new_group_is_a_core_event(client: Client, store: Store) -> None:
    """What is created through events.k8s.io is stored with the core field names."""
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "p", "namespace": "rec"},
        "note": "said",
        "reason": "R",
        "type": "Normal",
        "action": "A",
        "reportingController": "c",
        "reportingInstance": "i",
        "eventTime": "2026-01-01T00:00:00.000000Z",
    }
    created = await client.request("POST", "/apis/events.k8s.io/v1/namespaces/rec/events", event)
    assert created.body["note"] == "said"
    stored = store.get(EVENTS, "rec", "e")
    assert (stored["message"], stored["involvedObject"]["name"]) == ("said", "p")
    assert stored["reportingComponent"] == "c"


KINDS: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    ("apps/v1", "replicasets", {"spec": WORKLOAD}, ["x", 1, 0, 0, "0s", "c", "i:1", "app=a"]),
    ("apps/v1", "statefulsets", {"spec": WORKLOAD}, ["x", "0/1", "0s", "c", "i:1"]),
    (
        "apps/v1",
        "daemonsets",
        {"spec": WORKLOAD},
        ["x", 0, 0, 0, 0, 0, "<none>", "0s", "c", "i:1", "app=a"],
    ),
    ("batch/v1", "jobs", {"spec": JOB}, ["x", "Running", "0/1", "", "0s", "c", "i:1", "app=a"]),
    ("coordination.k8s.io/v1", "leases", {"spec": {"holderIdentity": "h"}}, ["x", "h", "0s"]),
    ("v1", "configmaps", {"data": {"a": "1"}}, ["x", 1, "0s"]),
    ("v1", "secrets", {"stringData": {"a": "1"}}, ["x", "Opaque", 1, "0s"]),
    ("v1", "serviceaccounts", {}, ["x", "0s"]),
    (
        "v1",
        "services",
        {"spec": {"ports": [{"port": 80}], "selector": {"app": "a"}}},
        ["x", "ClusterIP", "<none>", "<none>", "80/TCP", "0s", "app=a"],
    ),
]


@pytest.mark.parametrize(("version", "plural", "fields", "cells"), KINDS)
async def test_kinds_fill_their_rows(
    client: Client, version: str, plural: str, fields: dict[str, Any], cells: list[Any]
) -> None:
    """A new object of each kind in its Table."""
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path = f"{root}/namespaces/rec/{plural}"
    created = await client.request("POST", path, {"metadata": {"name": "x"}, **fields})
    assert created.status == 201, created.body
    table = (await client.request("GET", path, headers=TABLE)).body
    assert table["rows"][0]["cells"] == cells


async def test_nodes_show_their_state(client: Client) -> None:
    """Ready, cordoned, with its roles and version."""
    node = {
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.0"},
        },
    }
    await client.request("POST", "/api/v1/nodes", node)
    table = (await client.request("GET", "/api/v1/nodes", headers=TABLE)).body
    assert table["rows"][0]["cells"] == ["n", "Ready,SchedulingDisabled", "worker", "0s", "v1.36.0"]


async def test_events_are_told_in_a_row(client: Client, store: Store) -> None:
    """Last seen, type, reason, object and message in the narrow form."""
    about = {"kind": "Pod", "name": "p", "namespace": "rec"}
    event = {"involvedObject": about, "reason": "R", "type": "Normal", "message": "m", "count": 4}
    times = {"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"}
    store.create(EVENTS, {"metadata": {"name": "e", "namespace": "rec"}, **event, **times})
    table = (await client.request("GET", f"{REC}/events", headers=TABLE)).body
    shown = [
        cell
        for cell, column in zip(table["rows"][0]["cells"], table["columnDefinitions"], strict=True)
        if column["priority"] == 0
    ]
    assert shown == ["0s", "Normal", "R", "pod/p", "m"]


async def test_metadata_alone_can_be_asked_for(client: Client, store: Store) -> None:
    """PartialObjectMetadata has no spec, alone and in a list."""
    store.create(PODS, POD)
    one = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
    many = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    single = (await client.request("GET", f"{REC}/pods/p", headers=one)).body
    listed = (await client.request("GET", f"{REC}/pods", headers=many)).body["items"][0]
    assert single.keys() == listed.keys() == {"kind", "apiVersion", "metadata"}
    assert single["metadata"]["labels"] == {"app": "a"}


async def test_a_namespace_ends_when_its_last_pod_has(client: Client, store: Store) -> None:
    """It is Terminating while a pod has its grace period, and gone after."""
    store.create(PODS, {**POD, "spec": {**POD["spec"], "nodeName": "n"}})
    await client.request("DELETE", "/api/v1/namespaces/rec")
    assert (await client.get("/api/v1/namespaces/rec")).body["status"]["phase"] == "Terminating"
    refused = await client.request("POST", f"{REC}/configmaps", {"metadata": {"name": "c"}})
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    store.delete(PODS, "rec", "p", grace_period=0)
    assert (await client.get("/api/v1/namespaces/rec")).status == 404


POD_DEFAULTS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"image": "app"}, "", {"imagePullPolicy": "Always"}),
    ({"image": "host:5000/app"}, "", {"imagePullPolicy": "Always"}),
    ({"image": "app@sha256:0"}, "", {"imagePullPolicy": "IfNotPresent"}),
    (
        {"readinessProbe": {"httpGet": {"port": 80}}},
        "readinessProbe",
        {"periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3},
    ),
]


@pytest.mark.parametrize(("given", "field", "completed"), POD_DEFAULTS)
def test_containers_are_completed(
    store: Store, given: dict[str, Any], field: str, completed: dict[str, Any]
) -> None:
    """Pull policy by tag, probe times, and the rest."""
    container = {**POD["spec"]["containers"][0], **given}
    pod = store.create(PODS, {**POD, "spec": {"containers": [container]}})
    made = pod["spec"]["containers"][0]
    shown = made[field] if field else made
    assert {key: shown[key] for key in completed} == completed


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}, "Burstable"),
    ],
)
def test_pods_have_a_quality_of_service(store: Store, resources: dict[str, Any], quality: str) -> None:
    """From requests and limits."""
    container = {**POD["spec"]["containers"][0], "resources": resources}
    pod = store.create(PODS, {**POD, "spec": {"containers": [container]}})
    assert pod["status"]["qosClass"] == quality
