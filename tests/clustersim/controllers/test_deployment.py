"""What the recordings of the Deployment controller do not show."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.controllers.common.revision_annotations import REVISION, REVISION_HISTORY
from clustersim.controllers.deployment_status import condition
from clustersim.node.behaviour import never_ready
from clustersim.storage.resources import EVENTS, NAMESPACES, PODS, REPLICASETS

QUIET = ClusterOptions(serve=False)


def progressing(cluster: SimulatedCluster) -> Any:
    return condition(cluster.deployment("api")["status"], "Progressing")


async def test_a_default_rollout_of_twenty_starts_with_ten_pods() -> None:
    """Surge and unavailable of 25 % each make a first batch of half the pods, as measured."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("app:v2", never_ready())
        cluster.deploy("api", "app:v1", 20)
        await asyncio.sleep(10)
        cluster.set_image("api", "app:v2")
        await asyncio.sleep(60)
        status = cluster.deployment("api")["status"]
        assert (status["updatedReplicas"], status["availableReplicas"]) == (10, 15)


async def test_a_pause_50_ms_after_the_update_holds_at_the_first_batch() -> None:
    """With a surge of 10 % and none unavailable: exactly two of twenty."""
    async with SimulatedCluster(options=QUIET) as cluster:
        surge = {"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}
        cluster.deploy("api", "app:v1", 20, strategy=surge)
        await asyncio.sleep(10)
        cluster.set_image("api", "app:v2")
        await asyncio.sleep(0.05)
        cluster.pause("api")
        await asyncio.sleep(600)
        status = cluster.deployment("api")["status"]
        assert (status["updatedReplicas"], status["availableReplicas"]) == (2, 22)


async def test_the_progress_deadline_does_not_run_while_paused() -> None:
    """An hour of pause times nothing out; ten minutes after the resume it does."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("app:v2", never_ready())
        cluster.deploy("api", "app:v1", 4)
        await asyncio.sleep(10)
        cluster.set_image("api", "app:v2")
        await asyncio.sleep(0.05)
        cluster.pause("api")
        await asyncio.sleep(3600)
        assert progressing(cluster)["reason"] == "DeploymentPaused"
        cluster.pause("api", False)
        await asyncio.sleep(700)
        assert progressing(cluster)["reason"] == "ProgressDeadlineExceeded"
        assert progressing(cluster)["status"] == "False"


async def test_new_pods_count_as_available_after_min_ready_seconds() -> None:
    """With minReadySeconds of 30 a ready pod is not yet an available one."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3, minReadySeconds=30)
        await asyncio.sleep(20)
        status = cluster.deployment("api")["status"]
        assert (status["readyReplicas"], status.get("availableReplicas", 0)) == (3, 0)
        await asyncio.sleep(20)
        assert cluster.deployment("api")["status"]["availableReplicas"] == 3


async def test_recreate_never_runs_two_revisions_at_once() -> None:
    """The new pods come when the last old one is gone."""
    seen: set[int] = set()
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3, strategy={"type": "Recreate"})
        await asyncio.sleep(10)
        cluster.store.subscribe(
            lambda _: seen.add(len({p["spec"]["containers"][0]["image"] for p in cluster.pods("api")}))
        )
        cluster.set_image("api", "app:v2")
        await asyncio.sleep(30)
        assert cluster.deployment("api")["status"]["updatedReplicas"] == 3
    assert seen == {0, 1}


async def test_an_undo_brings_the_old_replica_set_back_under_a_new_revision() -> None:
    """The same ReplicaSet, by uid; its revision moves on and the former one is remembered."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3)
        await asyncio.sleep(10)
        first = cluster.replica_sets("api")[0]["metadata"]["uid"]
        cluster.set_image("api", "app:v2")
        await asyncio.sleep(30)
        cluster.set_image("api", "app:v1")
        await asyncio.sleep(30)
        back = next(rs for rs in cluster.replica_sets("api") if rs["metadata"]["uid"] == first)
        marked = back["metadata"]["annotations"]
        assert (back["spec"]["replicas"], marked[REVISION], marked[REVISION_HISTORY]) == (3, "3", "1")
        assert len(cluster.replica_sets("api")) == 2


async def test_scaling_to_zero_and_back_keeps_the_revision() -> None:
    """Size does not make a new revision."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3)
        await asyncio.sleep(10)
        cluster.scale("api", 0)
        await asyncio.sleep(10)
        assert cluster.pods("api") == []
        cluster.scale("api", 5)
        await asyncio.sleep(10)
        assert cluster.deployment("api")["status"]["availableReplicas"] == 5
        assert cluster.deployment("api")["metadata"]["annotations"][REVISION] == "1"


async def test_annotations_are_copied_to_the_replica_set() -> None:
    """A change-cause travels with the revision."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 1)

        def annotate(obj: dict[str, Any]) -> None:
            obj["metadata"]["annotations"] = {"kubernetes.io/change-cause": "release 1"}

        cluster.change("api", annotate)
        await asyncio.sleep(10)
        marked = cluster.replica_sets("api")[0]["metadata"]["annotations"]
        assert marked["kubernetes.io/change-cause"] == "release 1"


async def test_a_taken_replica_set_name_counts_a_collision() -> None:
    """A foreign ReplicaSet of the same name makes the controller hash again."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 1)
        await asyncio.sleep(10)
        name = cluster.replica_sets("api")[0]["metadata"]["name"]
        cluster.store.delete(REPLICASETS, "default", name, propagation="Orphan")
    async with SimulatedCluster(options=QUIET) as cluster:
        labels = {"app": "other"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        cluster.store.create(REPLICASETS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})
        cluster.deploy("api", "app:v1", 1)
        await asyncio.sleep(10)
        status = cluster.deployment("api")["status"]
        assert (status["collisionCount"], status["availableReplicas"]) == (1, 1)


async def test_a_lost_pod_is_replaced() -> None:
    """Deleting a pod by hand brings another."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 3)
        await asyncio.sleep(10)
        gone = cluster.pods("api")[0]["metadata"]
        cluster.store.delete(PODS, "default", gone["name"])
        await asyncio.sleep(10)
        left = {pod["metadata"]["uid"] for pod in cluster.pods("api")}
        assert len(left) == 3
        assert gone["uid"] not in left


async def test_an_exhausted_quota_is_a_replica_failure() -> None:
    """The condition carries the refusal; with room again the rollout goes on and the condition goes."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.limit_pods("default", 2)
        cluster.deploy("api", "app:v1", 4)
        await asyncio.sleep(30)
        failure = condition(cluster.deployment("api")["status"], "ReplicaFailure")
        assert failure is not None
        assert failure["reason"] == "FailedCreate"
        assert "exceeded quota: pods, requested: pods=1, used: pods=2, limited: pods=2" in failure["message"]
        cluster.limit_pods("default", None)
        await asyncio.sleep(120)
        assert cluster.deployment("api")["status"]["availableReplicas"] == 4
        assert condition(cluster.deployment("api")["status"], "ReplicaFailure") is None


async def test_a_namespace_that_goes_is_no_failure() -> None:
    """Pods that can no longer be made there are not complained about."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 2)
        await asyncio.sleep(10)
        complaints: list[str] = []
        cluster.store.subscribe(lambda event: complaints.append(str(event.object)))
        cluster.store.delete(NAMESPACES, None, "default")
        await asyncio.sleep(30)
        assert cluster.pods("api") == []
        assert complaints
        assert not any("FailedCreate" in text for text in complaints)


async def test_a_quiet_cluster_writes_nothing() -> None:
    """Once a rollout is complete the controllers leave the store alone for a day; its Events go after an hour."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("api", "app:v1", 10)
        await asyncio.sleep(60)
        changed: set[str] = set()
        cluster.store.subscribe(lambda event: changed.add(event.resource.plural))
        await asyncio.sleep(86_400)
        assert changed == {"events"}
        assert cluster.store.list(EVENTS) == []
