"""What the recording of the StatefulSet controller does not show."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import (
    CONTROLLER_REVISIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFULSETS,
)

QUIET = ClusterOptions(serve=False)


def create(cluster: SimulatedCluster, replicas: int = 3, **spec: Any) -> None:
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "db:v1"}]}}
    wanted = {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": labels}, **spec}
    cluster.store.create(
        STATEFULSETS,
        {"metadata": {"name": "db", "namespace": "default"}, "spec": {**wanted, "template": template}},
    )


def change(cluster: SimulatedCluster, **spec: Any) -> None:
    def apply(obj: dict[str, Any]) -> None:
        image = spec.pop("image", None)
        if image is not None:
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
        obj["spec"] |= spec

    cluster.store.mutate(STATEFULSETS, "default", "db", apply)


def images(cluster: SimulatedCluster) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in cluster.pods("db")}


async def test_ordered_pods_come_one_after_the_other() -> None:
    """The next is made when the one before is ready."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster)
        await asyncio.sleep(1.5)
        assert list(images(cluster)) == ["db-0"]
        await asyncio.sleep(10)
        assert list(images(cluster)) == ["db-0", "db-1", "db-2"]


async def test_parallel_pods_come_at_once() -> None:
    """Under Parallel nobody waits."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, podManagementPolicy="Parallel")
        await asyncio.sleep(0.5)
        assert len(images(cluster)) == 3


async def test_scaling_down_takes_the_last_pod_first() -> None:
    """The highest ordinals go."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster)
        await asyncio.sleep(20)
        change(cluster, replicas=1)
        await asyncio.sleep(20)
        assert list(images(cluster)) == ["db-0"]


async def test_on_delete_updates_only_what_is_deleted() -> None:
    """A new template waits for a human hand."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, updateStrategy={"type": "OnDelete"})
        await asyncio.sleep(20)
        change(cluster, image="db:v2")
        await asyncio.sleep(20)
        assert set(images(cluster).values()) == {"db:v1"}


async def test_a_parallel_broken_pod_is_replaced_when_the_template_is_put_back() -> None:
    """Only ordered sets leave it in the way."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("db:v2", crash_loop())
        create(cluster, podManagementPolicy="Parallel")
        await asyncio.sleep(20)
        change(cluster, image="db:v2")
        await asyncio.sleep(20)
        change(cluster, image="db:v1")
        await asyncio.sleep(20)
        assert set(images(cluster).values()) == {"db:v1"}


async def test_an_ordered_broken_pod_stays_until_it_is_deleted() -> None:
    """As recorded, here with a kubelet: put back, stuck; deleted, healed."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("db:v2", crash_loop())
        create(cluster)
        await asyncio.sleep(20)
        change(cluster, image="db:v2")
        await asyncio.sleep(20)
        change(cluster, image="db:v1")
        await asyncio.sleep(600)
        assert images(cluster)["db-2"] == "db:v2"
        cluster.store.delete(PODS, "default", "db-2")
        await asyncio.sleep(20)
        assert set(images(cluster).values()) == {"db:v1"}


async def test_old_revisions_are_cleaned_up() -> None:
    """At most `revisionHistoryLimit` beside the ones in use."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, replicas=1, revisionHistoryLimit=2)
        for number in range(2, 8):
            await asyncio.sleep(20)
            change(cluster, image=f"db:v{number}")
        await asyncio.sleep(20)
        assert len(cluster.store.list(CONTROLLER_REVISIONS)) == 3


async def test_a_pod_deleted_under_on_delete_comes_back_with_the_new_template() -> None:
    """The others keep theirs."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, updateStrategy={"type": "OnDelete"})
        await asyncio.sleep(20)
        change(cluster, image="db:v2")
        await asyncio.sleep(5)
        cluster.store.delete(PODS, "default", "db-1")
        await asyncio.sleep(20)
        assert images(cluster) == {"db-0": "db:v1", "db-1": "db:v2", "db-2": "db:v1"}


async def test_a_partition_above_the_replicas_updates_nobody() -> None:
    """It is accepted; the status then lacks `updatedReplicas`."""
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 99}})
        await asyncio.sleep(20)
        change(cluster, image="db:v2")
        await asyncio.sleep(20)
        status = cluster.store.get(STATEFULSETS, "default", "db")["status"]
        assert set(images(cluster).values()) == {"db:v1"}
        assert "updatedReplicas" not in status
        assert status["currentRevision"] != status["updateRevision"]


async def test_a_partition_counts_from_the_first_ordinal() -> None:
    """With ordinals from 5, a partition of 2 updates from 7 on."""
    async with SimulatedCluster(options=QUIET) as cluster:
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
        create(cluster, ordinals={"start": 5}, updateStrategy=rolling)
        await asyncio.sleep(20)
        change(cluster, image="db:v2")
        await asyncio.sleep(20)
        assert images(cluster) == {"db-5": "db:v1", "db-6": "db:v1", "db-7": "db:v2"}


async def test_claims_outlive_their_pods() -> None:
    """One claim for each template and ordinal, mounted by the pod, kept when the set shrinks."""
    template = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    async with SimulatedCluster(options=QUIET) as cluster:
        create(cluster, replicas=2, volumeClaimTemplates=[template])
        await asyncio.sleep(20)
        before = cluster.store.list(PERSISTENT_VOLUME_CLAIMS)
        change(cluster, replicas=0)
        await asyncio.sleep(20)
        change(cluster, replicas=1)
        await asyncio.sleep(20)
        assert [claim["metadata"]["name"] for claim in before] == ["data-db-0", "data-db-1"]
        assert cluster.store.list(PERSISTENT_VOLUME_CLAIMS) == before
        (pod,) = cluster.pods("db")
        mounted = {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}
        assert pod["spec"]["volumes"][0] == mounted
