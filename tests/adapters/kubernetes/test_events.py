"""Kubernetes Events on a workload."""

import asyncio
from typing import Any

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import EVENTS as STORED
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import EVENTS
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from tests.adapters.kubernetes.worlds import rolled_out


def ours(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    """The Events that the sentinel wrote."""
    return cluster.store.list(
        STORED, "default", lambda raw: raw.get("reportingComponent") == "rollback-sentinel"
    )


async def test_an_event_is_written_on_the_workload(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """An Event names the workload by uid, the reason, the message and us."""
    cluster.deploy("web", "app:v1", 1)
    workload = await rolled_out(gateway)
    await gateway.cluster.announce(workload, "Undone", "12 % errors", warning=True)
    (event,) = ours(cluster)
    assert event["involvedObject"]["uid"] == workload.uid
    assert event["involvedObject"]["kind"] == "Deployment"
    assert (event["reason"], event["message"], event["type"]) == ("Undone", "12 % errors", "Warning")
    assert event["source"]["component"] == "rollback-sentinel"


async def test_the_same_again_is_counted(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Equal Events within ten minutes are one, with a count and the time of the last."""
    cluster.deploy("web", "app:v1", 1)
    workload = await rolled_out(gateway)
    for _ in range(3):
        await gateway.cluster.announce(workload, "Held", "no traffic")
        await asyncio.sleep(60)
    (event,) = ours(cluster)
    assert event["count"] == 3
    assert event["lastTimestamp"] > event["firstTimestamp"]


async def test_other_words_are_another_event(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Another message, or the same after a long time, is an Event of its own."""
    cluster.deploy("web", "app:v1", 1)
    workload = await rolled_out(gateway)
    await gateway.cluster.announce(workload, "Held", "no traffic")
    await gateway.cluster.announce(workload, "Held", "outage")
    first = {event["message"]: event["metadata"]["name"] for event in ours(cluster)}
    assert set(first) == {"no traffic", "outage"}
    await asyncio.sleep(3600)
    await gateway.cluster.announce(workload, "Held", "outage")
    (later,) = ours(cluster)  # the API server keeps the others for an hour
    assert (later["message"], later["count"]) == ("outage", 1)
    assert later["metadata"]["name"] != first["outage"]


async def test_an_event_that_expired_is_written_anew(
    cluster: SimulatedCluster, gateway: KubernetesGateway, client: ApiClient
) -> None:
    """An Event that the server dropped meanwhile cannot be counted up: it is written again."""
    cluster.deploy("web", "app:v1", 1)
    workload = await rolled_out(gateway)
    await gateway.cluster.announce(workload, "Held", "no traffic")
    (event,) = ours(cluster)
    await client.delete(RequestTarget(EVENTS, "default", event["metadata"]["name"]))
    await gateway.cluster.announce(workload, "Held", "no traffic")
    (again,) = ours(cluster)
    assert again["count"] == 1


async def test_a_failure_is_nobodys_problem(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """When Events cannot be written, or the server hangs, announcing returns all the same and soon."""
    cluster.deploy("web", "app:v1", 1)
    workload = await rolled_out(gateway)
    cluster.faults.add(
        InjectedFault(FaultKind.ERROR, verbs=frozenset({"create"}), path="events", status=403, count=1)
    )
    await gateway.cluster.announce(workload, "Held", "refused")
    cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=frozenset({"create"}), path="events"))
    async with asyncio.timeout(10):
        await gateway.cluster.announce(workload, "Held", "hangs")
    assert ours(cluster) == []


async def test_a_long_message_is_cut(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """A message longer than the API allows is cut."""
    cluster.deploy("web", "app:v1", 1)
    workload = await rolled_out(gateway)
    await gateway.cluster.announce(workload, "Held", "x" * 5000)
    (event,) = ours(cluster)
    assert len(event["message"]) == 1024
