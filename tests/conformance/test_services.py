"""What the daemon relies on about Services and their EndpointSlices."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conformance.api import Api
from tests.conformance.workloads import NOBODY

JsonObject = dict[str, Any]
NODES = "/api/v1/nodes"


@pytest.fixture
async def node(api: Api) -> AsyncIterator[str]:
    """A node that the test makes: pods without one never become endpoints."""
    name = f"conformance-{secrets.token_hex(4)}"
    (await api.post(NODES, {"metadata": {"name": name}})).ok()
    yield name
    await api.delete(f"{NODES}/{name}")


@pytest.fixture
async def colours(api: Api, namespace: str, node: str) -> str:
    """A Service that selects the blue pod of two, both ready; the path of its slices."""
    for index, colour in enumerate(("blue", "green"), 1):
        await run(api, namespace, node, colour, f"10.250.0.{index}")
        await say(api, namespace, colour, f"10.250.0.{index}", ready=True)
    spec = {"selector": {"colour": "blue"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    body = {"metadata": {"name": "web"}, "spec": spec}
    (await api.post(f"/api/v1/namespaces/{namespace}/services", body)).ok()
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    await api.eventually(path, lambda found: pods(found["items"]) == ["blue"])
    return path


async def run(api: Api, namespace: str, node: str, colour: str, address: str) -> None:
    """Bind a pod to the node."""
    container = {"name": "main", "image": "app:v1"}
    spec = {"schedulerName": NOBODY, "nodeName": node, "containers": [container]}
    body = {"metadata": {"name": colour, "labels": {"colour": colour}}, "spec": spec}
    (await api.post(f"/api/v1/namespaces/{namespace}/pods", body)).ok()


async def say(api: Api, namespace: str, name: str, address: str, *, ready: bool) -> None:
    """Write the status of a pod as its kubelet would."""
    now = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": now}
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [condition],
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
    (await api.patch(path, {"status": status}, "strategic")).ok()


def pods(slices: list[JsonObject]) -> list[str]:
    """The names of the pods in the slices."""
    return [e["targetRef"]["name"] for s in slices for e in s["endpoints"] or ()]


async def test_a_slice_says_which_pods_answer(api: Api, colours: str, node: str) -> None:
    """With address, port, node and conditions, labelled with the Service's name and owned by it."""
    (found,) = (await api.get(colours)).ok()["items"]
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert [o["kind"] for o in found["metadata"]["ownerReferences"]] == ["Service"]
    assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    (endpoint,) = found["endpoints"]
    assert (endpoint["addresses"], endpoint["nodeName"]) == (["10.250.0.1"], node)
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}


@pytest.mark.parametrize("ready", [True, False])
async def test_a_selector_switch_replaces_all_endpoints_in_one_event(
    api: Api, namespace: str, colours: str, ready: bool
) -> None:
    """The old ones go and the new ones come at once, ready or not."""
    await say(api, namespace, "green", "10.250.0.2", ready=ready)
    listed = (await api.get(colours)).ok()
    async with api.watch(colours, resourceVersion=listed["metadata"]["resourceVersion"]) as watch:
        switch = {"spec": {"selector": {"colour": "green"}}}
        (await api.patch(f"/api/v1/namespaces/{namespace}/services/web", switch)).ok()
        event = await watch.event()
    assert (event["type"], pods([event["object"]])) == ("MODIFIED", ["green"])
    (endpoint,) = event["object"]["endpoints"]
    assert endpoint["conditions"] == {"ready": ready, "serving": ready, "terminating": False}
    assert event["object"]["metadata"]["generation"] == listed["items"][0]["metadata"]["generation"] + 1


async def test_without_pods_an_empty_slice_remains(api: Api, namespace: str, colours: str) -> None:
    """Its endpoints and ports are null."""
    nobody = {"spec": {"selector": {"colour": "red"}}}
    (await api.patch(f"/api/v1/namespaces/{namespace}/services/web", nobody)).ok()
    found = await api.eventually(colours, lambda found: pods(found["items"]) == [])
    (empty,) = found["items"]
    assert (empty["endpoints"], empty["ports"]) == (None, None)
