"""What the daemon relies on about the DaemonSet controller."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conformance.api import Api
from tests.conformance.workloads import Workload

JsonObject = dict[str, Any]
NODES = "/api/v1/nodes"


@pytest.fixture
async def label(api: Api) -> AsyncIterator[dict[str, str]]:
    """A label that two nodes of the test's own carry, and no other."""
    mark = {"conformance": secrets.token_hex(4)}
    names = [f"conformance-{mark['conformance']}-{index}" for index in range(2)]
    for name in names:
        (await api.post(NODES, {"metadata": {"name": name, "labels": mark}})).ok()
    yield mark
    for name in names:
        await api.delete(f"{NODES}/{name}")


@pytest.fixture
async def agent(api: Api, namespace: str, label: dict[str, str]) -> Workload:
    """A DaemonSet on the two nodes, complete."""
    workload = Workload(api, namespace, "DaemonSet", "agent")
    await workload.create(pod={"nodeSelector": label})
    await workload.settle(complete)
    return workload


def complete(workload: JsonObject) -> bool:
    """Whether both nodes have an available pod of the newest revision."""
    status = workload.get("status") or {}
    return status.get("updatedNumberScheduled", 0) == status.get("numberAvailable", 0) == 2


async def test_each_matching_node_gets_one_pod(agent: Workload) -> None:
    """And the status counts them."""
    status = await agent.status()
    assert len(await agent.pods()) == 2
    assert status["desiredNumberScheduled"] == status["currentNumberScheduled"] == status["numberReady"] == 2


async def test_an_update_takes_one_node_after_the_other(agent: Workload) -> None:
    """With maxUnavailable of one it stops at the first pod that is not ready."""
    await agent.set_image("app:v2")
    await agent.until(lambda o: o["status"].get("updatedNumberScheduled") == 1)
    await agent.steady()
    images = sorted(pod["spec"]["containers"][0]["image"] for pod in await agent.pods())
    assert images == ["app:v1", "app:v2"]
    await agent.settle(complete)
    assert len(await agent.pods("app:v2")) == 2


async def test_a_template_put_back_replaces_the_broken_pod(agent: Workload) -> None:
    """Unlike a StatefulSet: no hand is needed."""
    await agent.set_image("app:v2")
    await agent.until(lambda o: o["status"].get("updatedNumberScheduled") == 1)
    await agent.set_image("app:v1")
    await agent.settle(complete, unready="app:v2")
    assert len(await agent.pods("app:v1")) == 2


async def test_pods_carry_the_hash_of_their_revision(agent: Workload) -> None:
    """The label `controller-revision-hash` is the last part of the ControllerRevision's name."""
    (revision,) = await agent.revisions()
    hashes = {pod["metadata"]["labels"]["controller-revision-hash"] for pod in await agent.pods()}
    assert {f"agent-{hashed}" for hashed in hashes} == {revision["metadata"]["name"]}
    assert revision["metadata"]["labels"]["controller-revision-hash"] in hashes


async def test_pods_carry_the_generation_of_their_template(agent: Workload) -> None:
    """The annotation of the DaemonSet counts its templates, and its pods are labelled with the number."""
    annotation = "deprecated.daemonset.template.generation"
    assert (await agent.read())["metadata"]["annotations"][annotation] == "1"
    await agent.set_image("app:v2")
    await agent.settle(complete)
    assert {pod["metadata"]["labels"]["pod-template-generation"] for pod in await agent.pods()} == {"2"}


async def test_a_template_put_back_renumbers_its_revision(agent: Workload) -> None:
    """No ControllerRevision is made: 1 becomes 3."""
    for image in ("app:v2", "app:v1"):
        await agent.set_image(image)
        await agent.settle(complete)
    assert [revision["revision"] for revision in await agent.revisions()] == [2, 3]


async def test_a_surge_puts_the_new_pod_beside_the_old(agent: Workload) -> None:
    """With maxSurge of one, both old pods stay while the first new one is not ready."""
    await agent.change(updateStrategy={"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}})
    await agent.set_image("app:v2")
    await agent.until_seen()
    await agent.steady()
    images = sorted(pod["spec"]["containers"][0]["image"] for pod in await agent.pods())
    assert images == ["app:v1", "app:v1", "app:v2"]
    await agent.settle(complete)
    assert len(await agent.pods("app:v2")) == 2


async def test_a_budget_of_nothing_is_refused(api: Api, namespace: str) -> None:
    """With both at zero no update could go on; with both above zero it is unclear how: 422."""
    workload = Workload(api, namespace, "DaemonSet", "agent")
    for unavailable, surge in ((0, 0), (1, 1)):
        rolling = {"maxUnavailable": unavailable, "maxSurge": surge}
        with pytest.raises(AssertionError, match=r"spec\.updateStrategy\.rollingUpdate"):
            await workload.create(updateStrategy={"rollingUpdate": rolling})


async def test_on_delete_stops_an_update_where_it_is(agent: Workload) -> None:
    """Its settings of the rolling update stay in the spec, and it goes on by them once it is RollingUpdate again."""
    await agent.set_image("app:v2")
    await agent.until(lambda o: o["status"].get("updatedNumberScheduled") == 1)
    stop = [{"op": "add", "path": "/spec/updateStrategy/type", "value": "OnDelete"}]
    (await agent.api.patch(agent.path, stop, "json")).ok()
    stopped = await agent.settle(lambda o: o["status"].get("numberAvailable") == 2)
    await agent.steady()
    assert stopped["spec"]["updateStrategy"] == {
        "type": "OnDelete",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert len(await agent.pods("app:v2")) == 1
    on = [{"op": "add", "path": "/spec/updateStrategy/type", "value": "RollingUpdate"}]
    (await agent.api.patch(agent.path, on, "json")).ok()
    await agent.settle(complete)
    assert len(await agent.pods("app:v2")) == 2


async def test_under_on_delete_a_deleted_pod_comes_back_new(agent: Workload) -> None:
    """A pod that is deleted is made of the newest template."""
    await agent.change(updateStrategy={"type": "OnDelete"})
    await agent.set_image("app:v2")
    await agent.until_seen()
    old = (await agent.pods("app:v1"))[0]["metadata"]["name"]
    (await agent.api.delete(f"/api/v1/namespaces/{agent.namespace}/pods/{old}")).ok()
    await agent.settle(
        lambda o: o["status"].get("updatedNumberScheduled") == 1 and o["status"].get("numberAvailable") == 2
    )
    assert len(await agent.pods("app:v2")) == 1


async def test_the_template_is_stored_as_it_stands(agent: Workload) -> None:
    """Less the directive of the patch that it is, a ControllerRevision's template is the one of the spec."""
    (revision,) = await agent.revisions()
    stored = {k: v for k, v in revision["data"]["spec"]["template"].items() if k != "$patch"}
    assert stored == (await agent.read())["spec"]["template"]
