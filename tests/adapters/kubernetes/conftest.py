"""A simulated cluster over HTTP, and our side of it."""

import random
from collections.abc import AsyncIterator

import pytest

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.resources import CRDS
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.adapters.kubernetes.gateway import KubernetesGateway, WatchScope
from sentinel.adapters.kubernetes.workloads.registry import DRIVERS
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.worlds import TestClock, access_to


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    """A cluster with controllers and nodes."""
    async with SimulatedCluster(options=ClusterOptions(history=500)) as running:
        yield running


@pytest.fixture
async def client(cluster: SimulatedCluster) -> AsyncIterator[ApiClient]:
    """An administrator's client; the cluster knows RolloutRecords and RolloutCommands."""
    for each in definitions():
        cluster.store.create(CRDS, each)
    async with ApiClient(access_to(cluster.url)) as opened:
        yield opened


@pytest.fixture
async def gateway(cluster: SimulatedCluster, client: ApiClient) -> AsyncIterator[KubernetesGateway]:
    """A gateway to workloads of every kind that Kubernetes brings, whose watches have synced."""
    kinds = tuple(kind for kind in DRIVERS if kind is not WorkloadKind.ROLLOUT)
    opened = KubernetesGateway(
        access_to(cluster.url), clock=TestClock(), rng=random.Random(1), scope=WatchScope(kinds=kinds)
    )
    await opened.start()
    await opened.wait_synced(30)
    yield opened
    await opened.close()
