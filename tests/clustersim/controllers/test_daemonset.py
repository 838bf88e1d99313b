"""One pod on every node, updated a few at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.controllers.common.pod_state import is_terminating, ready_since
from clustersim.node.behaviour import never_ready
from clustersim.node.machines import NodeSpec
from clustersim.storage.resources import CONTROLLER_REVISIONS, DAEMONSETS, NODES, PODS

QUIET = ClusterOptions(serve=False, nodes=5)
SURGE = {"maxUnavailable": 0, "maxSurge": 1}


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


async def test_a_surging_update_replaces_every_pod_and_keeps_every_node_served() -> None:
    """With maxSurge 1, the new pod is available before the old one goes."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, updateStrategy={"type": "RollingUpdate", "rollingUpdate": SURGE})
        await asyncio.sleep(10)
        set_image(cluster, "agent:v2")
        fewest, most = 5, 5
        for _ in range(600):
            await asyncio.sleep(0.1)
            standing = [pod for pod in cluster.pods("agent") if not is_terminating(pod)]
            fewest = min(fewest, sum(ready_since(pod) is not None for pod in standing))
            most = max(most, len(standing))
        assert images(cluster) == ["agent:v2"] * 5
        assert (fewest, most) == (5, 6)


async def test_a_bad_surge_leaves_every_old_pod_in_place() -> None:
    """The broken pod stands beside the old one, and goes when the template is put back."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("agent:v2", never_ready())
        create(cluster, updateStrategy={"type": "RollingUpdate", "rollingUpdate": SURGE})
        await asyncio.sleep(10)
        set_image(cluster, "agent:v2")
        await asyncio.sleep(60)
        assert images(cluster) == ["agent:v1"] * 5 + ["agent:v2"]
        set_image(cluster, "agent:v1")
        await asyncio.sleep(30)
        assert images(cluster) == ["agent:v1"] * 5


async def test_on_delete_waits_for_a_human_hand() -> None:
    """A pod that somebody deletes comes back with the new template; the others stay."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, updateStrategy={"type": "OnDelete"})
        await asyncio.sleep(10)
        set_image(cluster, "agent:v2")
        await asyncio.sleep(30)
        assert images(cluster) == ["agent:v1"] * 5
        cluster.store.delete(PODS, "default", cluster.pods("agent")[0]["metadata"]["name"])
        await asyncio.sleep(30)
        assert images(cluster) == ["agent:v1"] * 4 + ["agent:v2"]


async def test_a_tainted_node_gets_no_pod() -> None:
    """Unless the template tolerates the taint; a pod that is there stays under NoSchedule."""
    async with SimulatedCluster(options=QUIET) as cluster:

        def taint(node: dict[str, Any]) -> None:
            node["spec"]["taints"] = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]

        cluster.store.mutate(NODES, None, "node-1", taint)
        create(cluster)
        await asyncio.sleep(10)
        assert len(cluster.pods("agent")) == status(cluster)["desiredNumberScheduled"] == 4
        cluster.store.mutate(NODES, None, "node-2", taint)
        await asyncio.sleep(10)
        assert len(cluster.pods("agent")) == 4
        assert status(cluster)["numberMisscheduled"] == 1


async def test_an_undo_renumbers_the_old_revision() -> None:
    """Revision 1 becomes 3, none is made; the template's generation goes on counting."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster)
        await asyncio.sleep(10)
        (first,) = cluster.store.list(CONTROLLER_REVISIONS)
        for image in ("agent:v2", "agent:v1"):
            set_image(cluster, image)
            await asyncio.sleep(60)
        found = {r["metadata"]["uid"]: r["revision"] for r in cluster.store.list(CONTROLLER_REVISIONS)}
        assert sorted(found.values()) == [2, 3]
        assert found[first["metadata"]["uid"]] == 3
        labels = [pod["metadata"]["labels"] for pod in cluster.pods("agent")]
        assert {entry["pod-template-generation"] for entry in labels} == {"3"}
        hashed = first["metadata"]["labels"]["controller-revision-hash"]
        assert {entry["controller-revision-hash"] for entry in labels} == {hashed}


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
