"""What becomes of objects whose owners go."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.resources import CONFIGMAPS, DEPLOYMENTS, PODS, REPLICASETS

QUIET = ClusterOptions(serve=False)


def config(name: str, *owners: dict[str, Any]) -> dict[str, Any]:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
        for o in owners
    ]
    return {"metadata": {"name": name, "namespace": "default", "ownerReferences": references}}


async def test_a_background_deletion_takes_everything_below() -> None:
    """Deployment, then ReplicaSets, then pods."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3)
        await asyncio.sleep(10)
        cluster.store.delete(DEPLOYMENTS, "default", "api")
        await asyncio.sleep(5)
        assert cluster.store.list(REPLICASETS) == cluster.store.list(PODS) == []


async def test_a_foreground_deletion_takes_the_owner_last() -> None:
    """The Deployment stays, marked, until its pods are gone."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3)
        await asyncio.sleep(10)
        cluster.store.delete(DEPLOYMENTS, "default", "api", propagation="Foreground")
        await asyncio.sleep(0.3)
        assert "deletionTimestamp" in cluster.deployment("api")["metadata"]
        assert len(cluster.store.list(PODS)) == 3
        await asyncio.sleep(5)
        assert cluster.store.find(DEPLOYMENTS, "default", "api") is None
        assert cluster.store.list(REPLICASETS) == cluster.store.list(PODS) == []


async def test_an_orphaning_deletion_leaves_what_is_below() -> None:
    """ReplicaSet and pods stay; a Deployment of the same template adopts them."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3)
        await asyncio.sleep(10)
        before = {pod["metadata"]["uid"] for pod in cluster.pods("api")}
        cluster.store.delete(DEPLOYMENTS, "default", "api", propagation="Orphan")
        await asyncio.sleep(10)
        assert cluster.store.find(DEPLOYMENTS, "default", "api") is None
        assert "ownerReferences" not in cluster.store.list(REPLICASETS)[0]["metadata"]
        cluster.deploy("api", "app:v1", 3)
        await asyncio.sleep(10)
        assert {pod["metadata"]["uid"] for pod in cluster.pods("api")} == before
        assert len(cluster.replica_sets("api")) == 1


async def test_an_object_with_another_owner_stays() -> None:
    """It goes with the last of them."""
    async with SimulatedCluster(options=QUIET) as cluster:
        one, two = (cluster.store.create(CONFIGMAPS, config(name)) for name in ("one", "two"))
        cluster.store.create(CONFIGMAPS, config("shared", one, two))
        cluster.store.delete(CONFIGMAPS, "default", "one")
        await asyncio.sleep(5)
        assert cluster.store.find(CONFIGMAPS, "default", "shared") is not None
        cluster.store.delete(CONFIGMAPS, "default", "two")
        await asyncio.sleep(5)
        assert cluster.store.find(CONFIGMAPS, "default", "shared") is None


async def test_an_object_whose_owner_never_was_goes() -> None:
    """An owner reference to nobody keeps nothing alive."""
    async with SimulatedCluster(options=QUIET) as cluster:
        nobody = {"metadata": {"name": "nobody", "uid": "00000000-0000-0000-0000-000000000000"}}
        cluster.store.create(CONFIGMAPS, config("stray", nobody))
        await asyncio.sleep(5)
        assert cluster.store.find(CONFIGMAPS, "default", "stray") is None
