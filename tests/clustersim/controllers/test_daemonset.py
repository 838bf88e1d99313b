"""One pod on every node, updated a few at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, NodeSpec, SimulatedCluster
from clustersim.node.behaviour import never_ready
from clustersim.storage.resources import DAEMONSETS, NODES

QUIET = ClusterOptions(serve=False, nodes=5)


def create(cluster: SimulatedCluster, *, selector: dict[str, str] | None = None, **spec: Any) -> None:
    labels = {"app": "agent"}
    pod = {"containers": [{"name": "main", "image": "agent:v1"}], "nodeSelector": selector or {}}
    template = {"metadata": {"labels": labels}, "spec": pod}
    wanted = {"selector": {"matchLabels": labels}, "template": template, **spec}
    cluster.store.create(DAEMONSETS, {"metadata": {"name": "agent", "namespace": "default"}, "spec": wanted})


def set_image(cluster: SimulatedCluster, image: str) -> None:
    def apply(obj: dict[str, Any]) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = image

    cluster.store.mutate(DAEMONSETS, "default", "agent", apply)


def images(cluster: SimulatedCluster) -> list[str]:
    return sorted(pod["spec"]["containers"][0]["image"] for pod in cluster.pods("agent"))


def status(cluster: SimulatedCluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.store.get(DAEMONSETS, "default", "agent")["status"]
    return found


async def test_every_node_gets_one_pod() -> None:
    """And the status counts them."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster)
        await asyncio.sleep(10)
        assert sorted(pod["spec"]["nodeName"] for pod in cluster.pods("agent")) == [
            f"node-{number}" for number in range(1, 6)
        ]
        assert status(cluster)["numberAvailable"] == status(cluster)["desiredNumberScheduled"] == 5


async def test_a_node_selector_limits_the_nodes() -> None:
    """Only nodes with the label count."""
    nodes = (NodeSpec("plain"), NodeSpec("fast", labels={"disk": "ssd"}))
    async with SimulatedCluster(options=ClusterOptions(serve=False, nodes=nodes)) as cluster:
        create(cluster, selector={"disk": "ssd"})
        await asyncio.sleep(10)
        assert [pod["spec"]["nodeName"] for pod in cluster.pods("agent")] == ["fast"]


async def test_a_new_node_gets_its_pod() -> None:
    """Whenever it joins."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster)
        await asyncio.sleep(10)
        cluster.store.create(NODES, {"metadata": {"name": "late"}, "spec": {}, "status": {}})
        await asyncio.sleep(10)
        assert len(cluster.pods("agent")) == 6


async def test_an_update_replaces_every_pod() -> None:
    """In the end all are of the new revision."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster)
        await asyncio.sleep(10)
        set_image(cluster, "agent:v2")
        await asyncio.sleep(60)
        assert images(cluster) == ["agent:v2"] * 5
        assert status(cluster)["updatedNumberScheduled"] == 5


async def test_a_surging_update_replaces_every_pod_too() -> None:
    """With maxUnavailable 0 and maxSurge 1."""
    async with SimulatedCluster(options=QUIET) as cluster:
        rolling = {"maxUnavailable": 0, "maxSurge": 1}
        create(cluster, updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
        await asyncio.sleep(10)
        set_image(cluster, "agent:v2")
        await asyncio.sleep(60)
        assert images(cluster) == ["agent:v2"] * 5


async def test_a_bad_update_stops_at_the_first_node() -> None:
    """With maxUnavailable 1, one broken pod is as far as it gets."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("agent:v2", never_ready())
        create(cluster)
        await asyncio.sleep(10)
        set_image(cluster, "agent:v2")
        await asyncio.sleep(600)
        assert images(cluster) == ["agent:v1"] * 4 + ["agent:v2"]
        assert status(cluster)["numberUnavailable"] == 1


async def test_an_undone_update_replaces_the_broken_pod() -> None:
    """The template put back, the broken pod goes at once."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("agent:v2", never_ready())
        create(cluster)
        await asyncio.sleep(10)
        set_image(cluster, "agent:v2")
        await asyncio.sleep(60)
        set_image(cluster, "agent:v1")
        await asyncio.sleep(30)
        assert images(cluster) == ["agent:v1"] * 5
        assert status(cluster)["numberAvailable"] == 5
