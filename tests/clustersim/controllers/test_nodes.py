"""The pods of a node that falls silent."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.controllers.common.pod_state import condition
from clustersim.storage.resources import NODES

QUIET = ClusterOptions(serve=False)


def ready_by_node(cluster: SimulatedCluster) -> dict[str, set[str]]:
    states: dict[str, set[str]] = {}
    for pod in cluster.pods("api"):
        ready = condition(pod, "Ready")
        states.setdefault(pod["spec"].get("nodeName", ""), set()).add(ready["status"] if ready else "")
    return states


def taints(cluster: SimulatedCluster, node: str) -> list[Any]:
    return [taint["key"] for taint in cluster.store.get(NODES, None, node)["spec"].get("taints") or ()]


async def test_pods_of_a_silent_node_are_marked_unready() -> None:
    """Only those; and the node is tainted."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 6)
        await asyncio.sleep(10)
        cluster.nodes.fail("node-2")
        await asyncio.sleep(10)
        assert ready_by_node(cluster) == {"node-1": {"True"}, "node-2": {"False"}, "node-3": {"True"}}
        assert set(taints(cluster, "node-2")) == {"node.kubernetes.io/unreachable"}


async def test_pods_are_replaced_after_five_minutes() -> None:
    """The tolerated time over, replacements run elsewhere and the old pods hang in Terminating."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 6)
        await asyncio.sleep(10)
        cluster.nodes.fail("node-2")
        await asyncio.sleep(330)
        assert cluster.deployment("api")["status"]["availableReplicas"] == 6
        stuck = [pod for pod in cluster.pods("api") if "deletionTimestamp" in pod["metadata"]]
        assert {pod["spec"]["nodeName"] for pod in stuck} == {"node-2"}


async def test_a_node_that_comes_back_soon_keeps_its_pods() -> None:
    """Its pods are ready again, none was replaced, the taint is gone."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 6)
        await asyncio.sleep(10)
        before = {pod["metadata"]["uid"] for pod in cluster.pods("api")}
        cluster.nodes.fail("node-2")
        await asyncio.sleep(60)
        cluster.nodes.recover("node-2")
        await asyncio.sleep(10)
        assert {pod["metadata"]["uid"] for pod in cluster.pods("api")} == before
        assert ready_by_node(cluster)["node-2"] == {"True"}
        assert taints(cluster, "node-2") == []


async def test_a_dead_node_that_comes_back_late_finishes_its_deletions() -> None:
    """What hung in Terminating goes."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 6)
        await asyncio.sleep(10)
        cluster.nodes.fail("node-2")
        await asyncio.sleep(400)
        cluster.nodes.recover("node-2")
        await asyncio.sleep(10)
        assert len(cluster.pods("api")) == 6
