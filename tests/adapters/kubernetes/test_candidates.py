"""The pods of candidates are seen without the shared watch of pods, of every kind, as long as they are rolled out."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import PODS
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.gateway import KubernetesGateway, WatchScope
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.worlds import (
    WEB,
    TestClock,
    access_to,
    changed_from,
    record,
    rolled_out,
    seen,
    until,
)
from tests.support.states import state_of

pytestmark = pytest.mark.sockets

Deploy = Callable[[SimulatedCluster], object]
KINDS: dict[WorkloadKind, Deploy] = {
    WorkloadKind.DEPLOYMENT: lambda cluster: cluster.deploy("web", "app:v1", 2),
    WorkloadKind.STATEFULSET: lambda cluster: cluster.deploy_stateful("web", "app:v1", 2),
    WorkloadKind.DAEMONSET: lambda cluster: cluster.deploy_daemon("web", "app:v1"),
}


def selecting(cluster: SimulatedCluster) -> int:
    """How many watches of some pods are open."""
    return sum(watcher.selects for watcher in cluster.api.watches.of(PODS))


def deafen(cluster: SimulatedCluster) -> None:
    """The watches of all pods get no more events."""
    for watcher in cluster.api.watches.of(PODS):
        if not watcher.selects:
            watcher.offer = lambda _delivery: None  # type: ignore[method-assign]


def break_pods(cluster: SimulatedCluster) -> None:
    """No pod is ready any longer, as its kubelet says."""

    def unready(pod: dict[str, dict[str, list[dict[str, str]]]]) -> None:
        for condition in pod["status"]["conditions"]:
            condition["status"] = "False"

    for pod in cluster.store.list(PODS, "default"):
        cluster.store.mutate(PODS, "default", pod["metadata"]["name"], unready, subresource="status")


async def released(gateway: KubernetesGateway, key: WorkloadKey) -> Record:
    """The record of the release of what runs, which has begun."""
    workload = await rolled_out(gateway, key)
    made = replace(record(key=key), candidate=RevisionRef.of(workload.candidate))
    return await gateway.records.create(made)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_candidates_pods_are_seen_on_a_watch_of_their_own(
    cluster: SimulatedCluster, gateway: KubernetesGateway, kind: WorkloadKind
) -> None:
    """Of each kind, by the label that its controller gives them."""
    key = WorkloadKey(kind, WEB.namespace, WEB.name)
    KINDS[kind](cluster)
    await released(gateway, key)
    await until(lambda: selecting(cluster) == 1)
    deafen(cluster)
    break_pods(cluster)
    await until(lambda: not any(pod.ready for pod in seen(gateway, key).pods))


async def test_a_candidate_that_its_controller_had_not_named_is_found_in_the_cluster(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Its record was made before its first pod."""
    cluster.deploy("web", "app:v1", 2)
    workload = await rolled_out(gateway)
    unnamed = replace(RevisionRef.of(workload.candidate), hash="")
    await gateway.records.create(replace(record(), candidate=unnamed))
    await until(lambda: selecting(cluster) == 1)
    deafen(cluster)
    break_pods(cluster)
    await until(lambda: not any(pod.ready for pod in seen(gateway).pods))


async def test_the_watch_ends_with_the_rollout(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Nothing is watched twice where nothing is rolled out; its age is told while it is open."""
    cluster.deploy("web", "app:v1", 1)
    name = "pods by pod-template-hash"
    made = await released(gateway, WEB)
    await until(lambda: selecting(cluster) == 1)
    await until(lambda: gateway.watch_ages()[name] is not None)
    await gateway.records.save(replace(made, state=state_of(Phase.UNDONE)))
    await until(lambda: selecting(cluster) == 0)
    await until(lambda: gateway.watch_ages()[name] is None)


async def test_a_release_after_another_is_watched_as_well(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """The selection follows what is rolled out."""
    cluster.deploy("web", "app:v1", 1)
    made = await released(gateway, WEB)
    await until(lambda: selecting(cluster) == 1)
    cluster.set_image("web", "app:v2")
    await changed_from(gateway, made.candidate.digest)
    await until(lambda: bool(seen(gateway).candidate.hash))
    second = replace(record("web-2"), candidate=RevisionRef.of(seen(gateway).candidate))
    hung = cluster.faults.add(InjectedFault(FaultKind.DUPLICATE, verbs=frozenset({"watch"}), path="/pods"))
    await gateway.records.create(second)
    await rolled_out(gateway)
    await until(lambda: hung.struck > 0 and selecting(cluster) == 1)
    deafen(cluster)
    break_pods(cluster)
    await until(lambda: not any(pod.ready for pod in seen(gateway).pods))


async def test_each_namespace_has_its_own(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A daemon that may read some namespaces alone asks in those."""
    cluster.deploy("web", "app:v1", 1)
    gateway = KubernetesGateway(
        access_to(cluster.url),
        clock=TestClock(),
        rng=random.Random(1),
        scope=WatchScope(["other", "default"]),
    )
    await gateway.start()
    await gateway.wait_synced(30)
    await released(gateway, WEB)
    await until(lambda: selecting(cluster) == 1)
    assert [w.namespace for w in cluster.api.watches.of(PODS) if w.selects] == ["default"]
    await gateway.close()
    await until(lambda: selecting(cluster) == 0)
