"""Discovery, OpenAPI and Tables against what a real 1.36 says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clustersim.api.tables.ages import duration
from clustersim.api.types.discovery import AGGREGATED
from clustersim.storage.resources import DEPLOYMENTS, PODS
from clustersim.storage.store import Store
from tests.clustersim.apiserver.conftest import Client
from tests.clustersim.apiserver.test_recorded_answers import RECORDED

DISCOVERY: dict[str, Any] = json.loads((RECORDED / "discovery.json").read_text())
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def by_name(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Resources by name, without the hashes of the real storage."""
    return {r["name"]: {k: v for k, v in r.items() if k != "storageVersionHash"} for r in resources}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("api-v1", "/api/v1"),
        ("apps-v1", "/apis/apps/v1"),
        ("coordination-v1", "/apis/coordination.k8s.io/v1"),
        ("events-v1", "/apis/events.k8s.io/v1"),
        ("apiextensions-v1", "/apis/apiextensions.k8s.io/v1"),
        ("authorization-v1", "/apis/authorization.k8s.io/v1"),
    ],
)
async def test_each_resource_is_described_as_recorded(client: Client, document: str, path: str) -> None:
    """Names, verbs, short names and categories agree, subresources included."""
    ours = by_name((await client.get(path)).body["resources"])
    real = by_name(DISCOVERY[document]["resources"])
    assert ours == {name: real[name] for name in ours}
    if path != "/api/v1":
        assert ours.keys() == real.keys()


async def test_groups_are_listed_as_recorded(client: Client) -> None:
    """Each served group has the recorded shape, and the ones the daemon needs are there."""
    ours = {g["name"]: g for g in (await client.get("/apis")).body["groups"]}
    real = {g["name"]: g for g in DISCOVERY["apis"]["groups"]}
    assert {"apps", "coordination.k8s.io", "apiextensions.k8s.io", "authorization.k8s.io"} <= ours.keys()
    assert {n: g for n, g in ours.items() if n != "autoscaling"} == {
        n: real[n] for n in ours if n != "autoscaling"
    }


async def test_aggregated_discovery_is_as_recorded(client: Client) -> None:
    """The form that kubectl asks for first, with its content type."""
    reply = await client.request("GET", "/apis", headers={"Accept": f"{AGGREGATED},application/json"})
    assert reply.headers["Content-Type"] == DISCOVERY["aggregated-apis"]["content-type"]
    ours = {item["metadata"]["name"]: item for item in reply.body["items"]}
    real = {item["metadata"]["name"]: item for item in DISCOVERY["aggregated-apis"]["body"]["items"]}
    assert ours["apps"] == real["apps"]
    assert ours["coordination.k8s.io"] == real["coordination.k8s.io"]


async def test_the_version_is_that_of_the_recordings(client: Client) -> None:
    """1.36, with its emulation fields."""
    ours = (await client.get("/version")).body
    assert ours.keys() == DISCOVERY["version"].keys()
    assert (ours["major"], ours["minor"]) == ("1", "36")


async def test_the_openapi_index_leads_to_documents(client: Client) -> None:
    """Each entry's URL answers, and a patch of a Deployment knows fieldValidation."""
    index = (await client.get("/openapi/v3")).body["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1"} <= index.keys()
    document = (await client.get(index["apis/apps/v1"]["serverRelativeURL"])).body
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in {p["name"] for p in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("table-deployments", "/apis/apps/v1/namespaces/rec/deployments"),
        ("table-pods", "/api/v1/namespaces/rec/pods"),
    ],
)
async def test_tables_have_the_recorded_columns(client: Client, name: str, path: str) -> None:
    """Names, types, formats and which are for the wide form only."""
    ours = (await client.request("GET", path, headers=TABLE)).body["columnDefinitions"]
    real = DISCOVERY[name]["columnDefinitions"]
    fields = ("name", "type", "format", "priority")
    assert [[c[f] for f in fields] for c in ours] == [[c[f] for f in fields] for c in real]


async def test_a_deployment_fills_its_row_as_recorded(client: Client, store: Store) -> None:
    """The recorded cells, for a Deployment in the recorded state; only the age is ours."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:v1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    store.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "rec"}, "spec": spec})
    status = {"readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    store.mutate(DEPLOYMENTS, "rec", "web", lambda d: d.update(status=status), subresource="status")
    table = (await client.request("GET", "/apis/apps/v1/namespaces/rec/deployments", headers=TABLE)).body
    real = DISCOVERY["table-deployments"]["rows"][0]["cells"]
    assert table["rows"][0]["cells"] == ["0s" if cell == "3s" else cell for cell in real]


@pytest.mark.parametrize(
    ("statuses", "cells"),
    [
        ([{"state": {"running": {}}, "ready": True, "restartCount": 0}], ["1/1", "Running", "0"]),
        (
            [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "ready": False, "restartCount": 3}],
            ["0/1", "CrashLoopBackOff", "3"],
        ),
        (
            [{"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "restartCount": 0}],
            ["0/1", "OOMKilled", "0"],
        ),
        ([{"state": {"terminated": {"exitCode": 2}}, "restartCount": 0}], ["0/1", "ExitCode:2", "0"]),
    ],
)
async def test_a_pod_is_summed_up_in_a_word(
    client: Client, store: Store, statuses: list[dict[str, Any]], cells: list[str]
) -> None:
    """Ready containers, state and restarts as kubectl shows them."""
    spec = {"containers": [{"name": "c", "image": "i:1"}]}
    store.create(PODS, {"metadata": {"name": "p", "namespace": "rec"}, "spec": spec})
    status = {"phase": "Running", "containerStatuses": statuses}
    store.mutate(PODS, "rec", "p", lambda pod: pod.update(status=status), subresource="status")
    table = (await client.request("GET", "/api/v1/namespaces/rec/pods", headers=TABLE)).body
    assert table["rows"][0]["cells"][1:4] == cells


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (700, "11m"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (50 * 3600, "2d2h"),
        (30 * 86400, "30d"),
        (800 * 86400, "2y"),
    ],
)
def test_ages_are_short(seconds: int, text: str) -> None:
    """Two units at most, fewer the older."""
    assert duration(seconds) == text
