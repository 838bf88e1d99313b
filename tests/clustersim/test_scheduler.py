"""Which node a pod gets, and what is said when it gets none."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.controllers.common.pod_state import condition
from clustersim.node.machines import NodeSpec
from clustersim.node.scheduler import quantity
from clustersim.storage.resources import PODS


def options(*nodes: NodeSpec) -> ClusterOptions:
    return ClusterOptions(serve=False, nodes=nodes or 3)


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "app", "resources": {"requests": spec.pop("requests", {})}}]
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": containers, **spec}}


def scheduled(cluster: SimulatedCluster) -> dict[str, Any] | None:
    return condition(cluster.store.get(PODS, "default", "p"), "PodScheduled")


async def test_pods_are_spread_over_the_nodes() -> None:
    """Nine pods on three nodes: three each."""
    async with SimulatedCluster(options=options()) as cluster:
        cluster.deploy("api", "app:v1", 9)
        await asyncio.sleep(1)
        spread = Counter(found["spec"]["nodeName"] for found in cluster.pods("api"))
    assert spread == {"node-1": 3, "node-2": 3, "node-3": 3}


async def test_a_pod_that_fits_nowhere_is_unschedulable_and_says_why() -> None:
    """PodScheduled=False, Unschedulable, with the count of nodes by reason."""
    nodes = (NodeSpec("small", cpu="1"), NodeSpec("full", pods=0))
    async with SimulatedCluster(options=options(*nodes)) as cluster:
        cluster.store.create(PODS, pod(requests={"cpu": "1500m"}))
        await asyncio.sleep(1)
        found = scheduled(cluster)
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "Unschedulable")
    assert found["message"] == "0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods."


async def test_a_waiting_pod_is_bound_when_room_is_made() -> None:
    """The pod that goes makes room for the one that waits."""
    async with SimulatedCluster(options=options(NodeSpec("only", cpu="2"))) as cluster:
        cluster.store.create(PODS, pod("first", requests={"cpu": "2"}))
        await asyncio.sleep(5)
        cluster.store.create(PODS, pod(requests={"cpu": "2"}))
        await asyncio.sleep(5)
        assert "nodeName" not in cluster.store.get(PODS, "default", "p")["spec"]
        cluster.store.delete(PODS, "default", "first")
        await asyncio.sleep(5)
        assert cluster.store.get(PODS, "default", "p")["spec"]["nodeName"] == "only"


async def test_a_cordoned_node_gets_no_pods() -> None:
    """They all go to the other one."""
    async with SimulatedCluster(options=options(NodeSpec("a"), NodeSpec("b"))) as cluster:
        cluster.nodes.cordon("a")
        cluster.deploy("api", "app:v1", 4)
        await asyncio.sleep(1)
        assert {found["spec"]["nodeName"] for found in cluster.pods("api")} == {"b"}


async def test_another_schedulers_pods_are_left_alone() -> None:
    """A pod that names another scheduler stays unbound."""
    async with SimulatedCluster(options=options()) as cluster:
        cluster.store.create(PODS, pod(schedulerName="by-hand"))
        await asyncio.sleep(60)
        assert scheduled(cluster) is None


@pytest.mark.parametrize(("text", "value"), [("500m", 0.5), ("2", 2.0), ("64Mi", 64 * 2**20), ("1k", 1000.0)])
def test_quantities_are_understood(text: str, value: float) -> None:
    """Milli-units, binary and decimal suffixes."""
    assert quantity(text) == value
