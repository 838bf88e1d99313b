"""Stopping, releasing and undoing DaemonSets, against the simulated cluster."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.resources import DAEMONSETS
from sentinel.adapters.kubernetes.api.client import MANAGER
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.adapters.kubernetes.workloads.kinds.daemonset import trim_daemon_set
from sentinel.domain.decision import Change, Release, Restore, SetPartition, Stop
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import PAUSED_ANNOTATION, Ability, Mark, Stepping, Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.worlds import NOW, changed_from, rolled_out, seen, until

AGENT = WorkloadKey(WorkloadKind.DAEMONSET, "default", "agent")
MARK = Mark("agent-2", NOW + timedelta(hours=1))
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    """A cluster of six nodes."""
    async with SimulatedCluster(options=ClusterOptions(history=500, nodes=6)) as running:
        yield running


async def update(cluster: SimulatedCluster, gateway: KubernetesGateway) -> tuple[Workload, RevisionRef]:
    """A DaemonSet whose template has just been changed, and the revision it had before."""
    cluster.deploy_daemon("agent", "agent:v1", updateStrategy=ROLLING)
    await until(lambda: (found := gateway.cluster.workload(AGENT)) is not None and found.exposure.wanted == 6)
    stable = RevisionRef.of((await rolled_out(gateway, AGENT)).candidate)
    cluster.set_image("agent", "agent:v2", resource=DAEMONSETS)
    return await changed_from(gateway, stable.digest, AGENT), stable


def live(cluster: SimulatedCluster) -> dict[str, Any]:
    return cluster.store.get(DAEMONSETS, "default", "agent")


def strategy(cluster: SimulatedCluster) -> dict[str, Any]:
    return dict(live(cluster)["spec"]["updateStrategy"])


def set_type(cluster: SimulatedCluster, name: str) -> None:
    cluster.change("agent", lambda o: o["spec"]["updateStrategy"].update(type=name), resource=DAEMONSETS)


async def test_a_stop_lets_no_further_node_be_updated(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """OnDelete with our mark; the settings of the rolling update stay, and it goes on when released."""
    workload, _ = await update(cluster, gateway)
    assert workload.abilities.stepping is Stepping.PAUSING
    assert await gateway.cluster.apply(workload, Stop(MARK)) == "stopped by OnDelete"
    await asyncio.sleep(60)
    stopped = seen(gateway, AGENT)
    assert strategy(cluster) == {**ROLLING, "type": "OnDelete"}
    assert (stopped.brake.mark, stopped.stopped, stopped.abilities.why_not) == (MARK, True, {})
    assert 1 <= stopped.exposure.ready <= 2
    assert len(stopped.pods_of(stopped.candidate)) == stopped.exposure.candidate
    assert "already" in await gateway.cluster.apply(stopped, Stop(MARK))
    assert await gateway.cluster.apply(stopped, Release()) == "its rolling update goes on"
    assert strategy(cluster) == ROLLING
    assert PAUSED_ANNOTATION not in live(cluster)["metadata"].get("annotations", {})
    assert MANAGER not in {entry["manager"] for entry in live(cluster)["metadata"]["managedFields"]}
    assert (await rolled_out(gateway, AGENT)).candidate.images == ("agent:v2",)


async def test_an_undo_puts_template_and_strategy_back(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """In one patch; its ControllerRevision is numbered anew, and no field stays ours."""
    workload, stable = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Stop(MARK))
    await until(lambda: seen(gateway, AGENT).exposure.ready >= 1)
    await gateway.cluster.apply(workload, Restore(stable))
    assert strategy(cluster) == ROLLING
    back = await rolled_out(gateway, AGENT)
    assert (back.candidate.digest, back.candidate.number) == (stable.digest, 3)
    managers = {entry["manager"] for entry in live(cluster)["metadata"]["managedFields"]}
    assert MANAGER not in managers


@pytest.mark.parametrize("change", [Stop(MARK), Release()])
async def test_on_delete_of_anothers_is_left_alone(
    cluster: SimulatedCluster, gateway: KubernetesGateway, change: Change
) -> None:
    """It is neither signed nor taken away; nothing can be undone under it, which is said."""
    workload, stable = await update(cluster, gateway)
    set_type(cluster, "OnDelete")
    for each in (change, Restore(stable)):
        with pytest.raises(PreconditionError, match="OnDelete, which is not ours"):
            await gateway.cluster.apply(workload, each)
    await until(lambda: Ability.ROLLING in seen(gateway, AGENT).abilities.why_not)
    assert not seen(gateway, AGENT).brake.on
    with pytest.raises(InvalidObjectError):
        await gateway.cluster.apply(workload, SetPartition(1, MARK))


async def test_a_stop_lifted_by_hand_leaves_our_mark(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Which tells that a human lifted it; the next change takes the mark away."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Stop(MARK))
    set_type(cluster, "RollingUpdate")
    await until(lambda: seen(gateway, AGENT).brake.mark == MARK and not seen(gateway, AGENT).brake.on)
    await gateway.cluster.apply(workload, Release())
    assert PAUSED_ANNOTATION not in live(cluster)["metadata"].get("annotations", {})
    assert await gateway.cluster.apply(workload, Release()) == "it is not stopped"


@pytest.mark.parametrize(
    ("rolling", "batch"),
    [({}, 1), ({"maxUnavailable": "30%"}, 2), ({"maxUnavailable": 0, "maxSurge": "50%"}, 3)],
)
def test_the_first_batch_is_what_may_be_missing_and_what_may_surge(rolling: Any, batch: int) -> None:
    """Percentages of both are rounded up."""
    raw = {
        "metadata": {"name": "a"},
        "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}},
        "status": {"desiredNumberScheduled": 6},
    }
    assert trim_daemon_set(raw).abilities.first_batch == batch
