"""The workloads of a benchmark in a real cluster: made, some of them released, and those that are promoted counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from benchmarks.harness.workloads import NAMESPACE, Cluster, Scale
from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.resources import CRDS, DEPLOYMENTS
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS as DEPLOYMENTS_ASKED
from sentinel.adapters.kubernetes.api.resources import RECORDS
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.adapters.kubernetes.custom.record_objects import object_of
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import replace
from tests.adapters.kubernetes.worlds import NOW, access_to, record
from tests.support.states import state_of


@pytest.fixture
async def simulated() -> AsyncIterator[SimulatedCluster]:
    """A cluster that knows the sentinel's records."""
    async with SimulatedCluster(options=ClusterOptions()) as cluster:
        for definition in definitions():
            cluster.store.create(CRDS, definition)
        yield cluster


@pytest.fixture
async def client(simulated: SimulatedCluster) -> AsyncIterator[ApiClient]:
    """An administrator's."""
    async with ApiClient(access_to(simulated.url, "admin")) as client:
        yield client


@pytest.fixture
async def workloads(client: ApiClient) -> Cluster:
    """Three Deployments of two pods, of which one is to be released; all pods are available."""
    cluster = Cluster(client, Scale(3, 2, 1), DEPLOYMENTS_ASKED, {})
    await cluster.create(())
    return cluster


async def test_all_pods_are_available_once_they_are_made(workloads: Cluster) -> None:
    """And only those of what will be released are asked for by name."""
    assert await workloads.available() == 6
    assert {name.rsplit("-", 2)[0] for name in await workloads.pods()} == {"web-0"}


async def test_only_what_is_released_gets_another_image(
    workloads: Cluster, simulated: SimulatedCluster
) -> None:
    """The other Deployments stay as they are."""
    await workloads.release()
    images = [
        each["spec"]["template"]["spec"]["containers"][0]["image"]
        for each in simulated.store.list(DEPLOYMENTS)
    ]
    assert images[0] != "web:1"
    assert images[1:] == ["web:1", "web:1"]


async def test_promoted_are_those_whose_record_of_the_new_image_says_so(
    workloads: Cluster, client: ApiClient, simulated: SimulatedCluster
) -> None:
    """Neither a record of an earlier image counts, nor one that is not over."""
    await workloads.release()
    image = simulated.store.list(DEPLOYMENTS)[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    for name, shown, phase in (
        ("earlier", "web:1", Phase.PROMOTED),
        ("in-flight", image, Phase.PROGRESSING),
        ("over", image, Phase.PROMOTED),
    ):
        candidate = RevisionRef("d" * 64, "abc", 2, (shown,))
        made = record(name, key=WorkloadKey(WorkloadKind.DEPLOYMENT, NAMESPACE, "web-0"))
        made = replace(made, candidate=candidate, state=state_of(phase, began_at=NOW))
        body = object_of(made)
        created = await client.create(RequestTarget(RECORDS, NAMESPACE), body)
        body["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"]
        await client.replace(RequestTarget(RECORDS, NAMESPACE, name, "status"), body)
    assert await workloads.recorded() == 3
    assert await workloads.promoted() == 1
