"""The lives of pods, as their statuses tell them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.controllers.common.pod_state import condition
from clustersim.node import behaviour as lives
from clustersim.node.behaviour import ANNOTATION, Behaviour
from clustersim.storage.resources import EVENTS, PODS

Json = dict[str, Any]


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    async with SimulatedCluster(options=ClusterOptions(serve=False)) as running:
        yield running


def run_pod(cluster: SimulatedCluster, behaviour: Behaviour, *, annotations: Json | None = None) -> None:
    """One bare pod named `p` whose image behaves so."""
    cluster.behave("app:v1", behaviour)
    cluster.store.create(
        PODS,
        {
            "metadata": {"name": "p", "namespace": "default", "annotations": annotations or {}},
            "spec": {"containers": [{"name": "main", "image": "app:v1"}]},
        },
    )


def status(cluster: SimulatedCluster) -> Json:
    found: Json = cluster.store.get(PODS, "default", "p")["status"]
    return found


def container(cluster: SimulatedCluster) -> Json:
    entry: Json = status(cluster)["containerStatuses"][0]
    return entry


def ready(cluster: SimulatedCluster) -> Json:
    found = condition(cluster.store.get(PODS, "default", "p"), "Ready")
    assert found is not None
    return found


def reasons(cluster: SimulatedCluster) -> set[str]:
    return {event["reason"] for event in cluster.store.list(EVENTS)}


async def test_a_healthy_pod_becomes_ready(cluster: SimulatedCluster) -> None:
    """Scheduled, then waiting for its container, then running, then ready; with addresses."""
    run_pod(cluster, Behaviour(start_after=2, ready_after=3))
    await asyncio.sleep(1)
    assert container(cluster)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert (status(cluster)["phase"], ready(cluster)["reason"]) == ("Pending", "ContainersNotReady")
    await asyncio.sleep(2)
    assert "running" in container(cluster)["state"]
    assert (status(cluster)["phase"], ready(cluster)["status"]) == ("Running", "False")
    await asyncio.sleep(3)
    assert ready(cluster)["status"] == "True"
    assert status(cluster)["podIP"].startswith("10.244.")
    assert {"Scheduled", "Pulled", "Created", "Started"} <= reasons(cluster)


async def test_other_containers_run_while_a_slow_image_is_pulled(cluster: SimulatedCluster) -> None:
    """Sidecars of both kinds run, init containers have ended, and the pod is furnished but pending."""
    cluster.behave("app:v1", lives.slow_pull(60))
    containers = [{"name": "main", "image": "app:v1"}, {"name": "proxy", "image": "proxy:1"}]
    first = [
        {"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"},
        {"name": "setup", "image": "setup:1"},
    ]
    cluster.store.create(
        PODS,
        {
            "metadata": {"name": "p", "namespace": "default"},
            "spec": {"containers": containers, "initContainers": first},
        },
    )
    await asyncio.sleep(30)
    found = status(cluster)
    states = {s["name"]: set(s["state"]) for s in found["initContainerStatuses"] + found["containerStatuses"]}
    assert states == {"mesh": {"running"}, "setup": {"terminated"}, "main": {"waiting"}, "proxy": {"running"}}
    told = {c["type"]: c["status"] for c in found["conditions"]}
    assert (told["PodReadyToStartContainers"], found["phase"]) == ("True", "Pending")


async def test_a_crash_loop_restarts_once_at_once_then_backs_off(cluster: SimulatedCluster) -> None:
    """The first restart comes at once; after the second crash the pod waits in CrashLoopBackOff."""
    run_pod(cluster, lives.crash_loop(after=1, exit_code=3))
    await asyncio.sleep(3.5)
    assert container(cluster)["restartCount"] == 1
    await asyncio.sleep(3)
    entry = container(cluster)
    assert entry["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert entry["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=main pod=p_default("
    )
    assert entry["lastState"]["terminated"]["exitCode"] == 3
    assert entry["lastState"]["terminated"]["reason"] == "Error"
    assert (status(cluster)["phase"], ready(cluster)["status"]) == ("Running", "False")
    assert "BackOff" in reasons(cluster)


async def test_the_back_off_doubles_up_to_five_minutes(cluster: SimulatedCluster) -> None:
    """The waits shown are 10, 20, 40, 80, 160 and then 300 seconds."""
    shown: list[str] = []

    def note(event: Any) -> None:
        for entry in event.object.get("status", {}).get("containerStatuses") or ():
            text = entry["state"].get("waiting", {}).get("message", "")
            if text.startswith("back-off") and text.split()[1] not in shown[-1:]:
                shown.append(text.split()[1])

    cluster.store.subscribe(note)
    run_pod(cluster, lives.crash_loop(after=1))
    await asyncio.sleep(1800)
    assert shown == ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s"]


async def test_a_container_that_stops_crashing_recovers(cluster: SimulatedCluster) -> None:
    """After its one crash the pod is ready again, with one restart on record."""
    run_pod(cluster, lives.crashes_after(10, times=1))
    await asyncio.sleep(60)
    assert container(cluster)["restartCount"] == 1
    assert ready(cluster)["status"] == "True"


async def test_an_out_of_memory_kill_is_named(cluster: SimulatedCluster) -> None:
    """The last state says OOMKilled with exit code 137."""
    run_pod(cluster, lives.out_of_memory(after=5))
    await asyncio.sleep(20)
    ended = container(cluster)["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (lives.image_not_found(), "not found"),
        (lives.registry_error(), "500 Internal Server Error"),
        (lives.registry_timeout(), "i/o timeout"),
    ],
)
async def test_a_failing_pull_alternates_error_and_back_off(
    cluster: SimulatedCluster, behaviour: Behaviour, words: str
) -> None:
    """ErrImagePull with the registry's words, then ImagePullBackOff; the pod stays Pending."""
    run_pod(cluster, behaviour)
    await asyncio.sleep(1.5)
    assert container(cluster)["state"]["waiting"]["reason"] == "ErrImagePull"
    assert words in container(cluster)["state"]["waiting"]["message"]
    await asyncio.sleep(1.5)
    assert container(cluster)["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert status(cluster)["phase"] == "Pending"


async def test_a_registry_that_comes_back_lets_the_pod_start(cluster: SimulatedCluster) -> None:
    """The next attempt after the outage pulls the image."""
    run_pod(cluster, lives.registry_timeout())
    await asyncio.sleep(60)
    cluster.behave("app:v1", Behaviour())
    await asyncio.sleep(10)
    assert ready(cluster)["status"] == "True"


async def test_a_missing_config_is_named(cluster: SimulatedCluster) -> None:
    """The container waits with CreateContainerConfigError."""
    run_pod(cluster, lives.config_error('secret "db" not found'))
    await asyncio.sleep(5)
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "db" not found'}
    assert container(cluster)["state"]["waiting"] == waiting


async def test_a_volume_that_does_not_attach_leaves_the_pod_creating(cluster: SimulatedCluster) -> None:
    """ContainerCreating for ever, with an event that says why."""
    run_pod(cluster, lives.volume_stuck())
    await asyncio.sleep(3600)
    assert container(cluster)["state"]["waiting"]["reason"] == "ContainerCreating"
    assert "FailedAttachVolume" in reasons(cluster)


async def test_a_probe_that_never_passes_leaves_the_pod_unready(cluster: SimulatedCluster) -> None:
    """It runs, without restarts, and is not ready."""
    run_pod(cluster, lives.never_ready())
    await asyncio.sleep(3600)
    assert "running" in container(cluster)["state"]
    assert (container(cluster)["restartCount"], ready(cluster)["status"]) == (0, "False")


async def test_a_pod_can_turn_unready_later(cluster: SimulatedCluster) -> None:
    """Ready for 30 s, then failing its probe, with the event for it."""
    run_pod(cluster, lives.becomes_unready(30))
    await asyncio.sleep(20)
    assert ready(cluster)["status"] == "True"
    await asyncio.sleep(20)
    assert ready(cluster)["status"] == "False"
    assert "Unhealthy" in reasons(cluster)


async def test_a_failing_liveness_probe_restarts_the_container(cluster: SimulatedCluster) -> None:
    """Killed with 137 and restarted."""
    run_pod(cluster, lives.liveness_failing(30))
    await asyncio.sleep(40)
    assert container(cluster)["restartCount"] == 1
    assert container(cluster)["lastState"]["terminated"]["exitCode"] == 137
    assert "Killing" in reasons(cluster)


async def test_an_evicted_pod_has_failed(cluster: SimulatedCluster) -> None:
    """Phase Failed with the reason Evicted, and nothing happens to it after that."""
    run_pod(cluster, lives.evicted(10))
    await asyncio.sleep(600)
    assert (status(cluster)["phase"], status(cluster)["reason"]) == ("Failed", "Evicted")
    assert ready(cluster)["status"] == "False"


async def test_a_fault_can_be_limited_to_a_node(cluster: SimulatedCluster) -> None:
    """Only the pods on that node crash."""
    cluster.behave("app:v1", lives.crash_loop().on("node-2"))
    cluster.deploy("api", "app:v1", 6)
    await asyncio.sleep(60)
    crashing = {
        pod["spec"]["nodeName"]
        for pod in cluster.pods("api")
        if pod["status"]["containerStatuses"][0]["restartCount"]
    }
    assert crashing == {"node-2"}


async def test_an_annotation_overrides_the_image(cluster: SimulatedCluster) -> None:
    """A pod can name a preset for itself."""
    run_pod(cluster, Behaviour(), annotations={ANNOTATION: "never-ready"})
    await asyncio.sleep(60)
    assert ready(cluster)["status"] == "False"


async def test_a_fault_can_strike_pods_that_run_already(cluster: SimulatedCluster) -> None:
    """Changing the table changes the lives of running pods."""
    run_pod(cluster, Behaviour())
    await asyncio.sleep(60)
    assert ready(cluster)["status"] == "True"
    cluster.behave("app:v1", lives.crash_loop())
    await asyncio.sleep(10)
    assert container(cluster)["state"]["waiting"]["reason"] == "CrashLoopBackOff"


async def test_a_deleted_pod_terminates_gracefully(cluster: SimulatedCluster) -> None:
    """It stays, marked, until its container has stopped; then it is gone."""
    run_pod(cluster, Behaviour(stop_after=5))
    await asyncio.sleep(10)
    cluster.store.delete(PODS, "default", "p")
    await asyncio.sleep(4)
    assert "deletionTimestamp" in cluster.store.get(PODS, "default", "p")["metadata"]
    await asyncio.sleep(2)
    assert cluster.store.find(PODS, "default", "p") is None


async def test_a_grace_period_bounds_the_stop(cluster: SimulatedCluster) -> None:
    """A container that takes an hour to stop is killed when the grace period ends."""
    run_pod(cluster, Behaviour(stop_after=3600))
    await asyncio.sleep(10)
    cluster.store.delete(PODS, "default", "p", grace_period=20)
    await asyncio.sleep(21)
    assert cluster.store.find(PODS, "default", "p") is None
