"""What the daemon relies on about routes as custom resources, in the simulation's own definitions of them."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.controllers.routes.definitions import DEFINITIONS
from tests.conformance.api import Api

JsonObject = dict[str, Any]
DEFINED = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "gateway.networking.k8s.io"


@pytest.fixture
async def routes(api: Api, namespace: str) -> str:
    """The path of the HTTPRoutes; the cluster gets their definition if it has none.

    It stays: a real API server removes it over some seconds, in which it refuses the next test's routes.
    """
    made = await api.post(DEFINED, DEFINITIONS["HTTPRoute"])
    assert made.status in (201, 409), made.body
    path = f"/apis/{GROUP}/v1/namespaces/{namespace}/httproutes"
    await api.eventually(path, lambda _: True)
    return path


def route(*names: str, **first: Any) -> JsonObject:
    backends = [{"name": name, "port": 80} for name in names]
    backends[0] |= first
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": backends}]},
    }


def guarded(name: str, weight: int) -> list[JsonObject]:
    """A JSON patch of the second weight that tests whose it is."""
    backend = "/spec/rules/0/backendRefs/1"
    return [
        {"op": "test", "path": f"{backend}/name", "value": name},
        {"op": "replace", "path": f"{backend}/weight", "value": weight},
    ]


async def test_weights_and_matches_are_written_at_admission(api: Api, routes: str) -> None:
    """What Git does not say is in the object all the same."""
    rule = (await api.post(routes, route("stable"))).ok()["spec"]["rules"][0]
    assert rule["backendRefs"][0]["weight"] == 1
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


@pytest.mark.parametrize(("weight", "status"), [(0, 201), (1_000_000, 201), (-1, 422), (1_000_001, 422)])
async def test_weights_have_bounds(api: Api, routes: str, weight: int, status: int) -> None:
    """From 0 to 1,000,000."""
    assert (await api.post(routes, route("stable", weight=weight))).status == status


async def test_a_guarded_patch_changes_one_weight(api: Api, routes: str) -> None:
    """And fails with 422 where another backend is at its place."""
    (await api.post(routes, route("stable", "canary", weight=99))).ok()
    patched = (await api.patch(f"{routes}/web", guarded("canary", 20), "json")).ok()
    assert [b["weight"] for b in patched["spec"]["rules"][0]["backendRefs"]] == [99, 20]
    refused = await api.patch(f"{routes}/web", guarded("stable", 30), "json")
    assert refused.reason() == (422, "Invalid")
    assert (await api.get(f"{routes}/web")).ok() == patched


async def test_a_patched_weight_makes_us_owner_of_all_rules(api: Api, routes: str) -> None:
    """The next apply from Git conflicts; a patch to the weight that is there changes no owner."""
    applied = await api.patch(f"{routes}/web", route("stable", "canary"), "apply", fieldManager="git")
    same = await api.patch(f"{routes}/web", guarded("canary", 1), "json", fieldManager="us")
    assert same.ok()["metadata"]["managedFields"] == applied.ok()["metadata"]["managedFields"]
    (await api.patch(f"{routes}/web", guarded("canary", 5), "json", fieldManager="us")).ok()
    again = await api.patch(f"{routes}/web", route("stable", "canary"), "apply", fieldManager="git")
    assert again.reason() == (409, "Conflict")
    assert again.body["details"]["causes"][0]["field"] == ".spec.rules"


async def test_an_apply_of_one_backend_replaces_the_list(api: Api, routes: str) -> None:
    """The rules are one value: never apply a part of them."""
    (await api.post(routes, route("stable", "canary"))).ok()
    part = await api.patch(f"{routes}/web", route("canary"), "apply", fieldManager="us", force="true")
    assert [b["name"] for b in part.ok()["spec"]["rules"][0]["backendRefs"]] == ["canary"]


async def test_a_status_makes_no_generation(api: Api, routes: str) -> None:
    """The generation that a gateway has observed is that of the spec."""
    created = (await api.post(routes, route("stable"))).ok()
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    name = "conformance.example.dev/gateway"
    parent = {"parentRef": {"name": "public"}, "controllerName": name, "conditions": [condition]}
    body = {"status": {"parents": [parent]}}
    written = (await api.patch(f"{routes}/web/status", body)).ok()
    assert written["metadata"]["generation"] == created["metadata"]["generation"] == 1
    moved = (await api.patch(f"{routes}/web", {"spec": {"hostnames": ["shop.example.com"]}})).ok()
    assert moved["metadata"]["generation"] == 2
