"""What the daemon relies on about the StatefulSet controller."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.api import Api
from tests.conformance.workloads import Workload

JsonObject = dict[str, Any]


@pytest.fixture
def db(api: Api, namespace: str) -> Workload:
    return Workload(api, namespace, "StatefulSet", "db")


def complete(workload: JsonObject) -> bool:
    """Whether all pods are ready and of the newest revision."""
    status, replicas = workload.get("status") or {}, workload["spec"]["replicas"]
    return status.get("readyReplicas", 0) == status.get("updatedReplicas", 0) == replicas and status.get(
        "currentRevision"
    ) == status.get("updateRevision")


async def running(db: Workload, replicas: int = 3, **spec: Any) -> None:
    """Bring `app:v1` up completely."""
    await db.create(replicas=replicas, serviceName="db", **spec)
    await db.settle(complete)


async def images(db: Workload) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in await db.pods()}


async def test_pods_come_in_order(db: Workload) -> None:
    """The second is not made before the first is ready."""
    await db.create(replicas=2, serviceName="db")
    await db.until(lambda o: o["status"].get("replicas") == 1)
    await db.steady()
    assert list(await images(db)) == ["db-0"]
    await db.settle(complete)
    assert sorted(await images(db)) == ["db-0", "db-1"]


async def test_pods_carry_the_name_of_their_revision(db: Workload) -> None:
    """The label `controller-revision-hash` is the ControllerRevision's name, as the status has it."""
    await running(db, 1)
    (revision,) = await db.revisions()
    (pod,) = await db.pods()
    assert pod["metadata"]["labels"]["controller-revision-hash"] == revision["metadata"]["name"]
    assert (await db.status())["updateRevision"] == revision["metadata"]["name"]


async def test_a_partition_holds_the_lower_ordinals(db: Workload) -> None:
    """At a partition of two, only the third pod is updated."""
    await running(db, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    await db.set_image("app:v2")
    held = await db.settle(
        lambda o: o["status"].get("updatedReplicas") == 1 and o["status"].get("readyReplicas") == 3
    )
    await db.steady()
    assert await images(db) == {"db-0": "app:v1", "db-1": "app:v1", "db-2": "app:v2"}
    assert held["status"]["currentRevision"] != held["status"]["updateRevision"]
    assert held["status"]["currentReplicas"] == 2


async def test_a_lower_partition_goes_on_from_the_last(db: Workload) -> None:
    """Down to zero, all are updated, and the update revision becomes the current one."""
    await running(db, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    await db.set_image("app:v2")
    await db.settle(
        lambda o: o["status"].get("updatedReplicas") == 1 and o["status"].get("readyReplicas") == 3
    )
    await db.change(updateStrategy={"rollingUpdate": {"partition": 0}})
    await db.settle(complete)
    assert set((await images(db)).values()) == {"app:v2"}


async def test_a_broken_pod_stays_until_it_is_deleted(db: Workload) -> None:
    """Putting the template back does not replace it; deleting it does."""
    await running(db)
    await db.set_image("app:v2")
    await db.settle(lambda o: o["status"].get("updatedReplicas") == 1, unready="app:v2")
    await db.set_image("app:v1")
    await db.until_seen()
    await db.steady()
    assert (await images(db))["db-2"] == "app:v2"
    stuck = next(pod for pod in await db.pods("app:v2"))
    path = f"/api/v1/namespaces/{db.namespace}/pods/db-2"
    precondition = {"preconditions": {"uid": stuck["metadata"]["uid"]}}
    (await db.api.delete(path, precondition)).ok()
    await db.settle(complete)
    assert set((await images(db)).values()) == {"app:v1"}


async def test_a_template_put_back_uses_its_revision_again(db: Workload) -> None:
    """The ControllerRevision of the old template moves to the newest number."""
    await running(db, 1)
    (first,) = await db.revisions()
    await db.set_image("app:v2")
    await db.settle(complete)
    await db.set_image("app:v1")
    await db.settle(complete)
    newest = (await db.revisions())[-1]
    assert newest["metadata"]["uid"] == first["metadata"]["uid"]
    assert [revision["revision"] for revision in await db.revisions()] == [2, 3]


async def test_a_revision_keeps_the_whole_template(db: Workload) -> None:
    """So that an undo can be read from it."""
    await running(db, 1)
    (revision,) = await db.revisions()
    template = revision["data"]["spec"]["template"]
    assert template.pop("$patch") == "replace"
    wanted = (await db.read())["spec"]["template"]
    assert template["spec"] == wanted["spec"]
    assert template["metadata"]["labels"] == wanted["metadata"]["labels"]


async def test_max_unavailable_is_dropped_without_a_word(db: Workload) -> None:
    """Where its feature gate is off, what is stored has the partition alone."""
    rolling = {"partition": 1, "maxUnavailable": 2}
    await db.create(replicas=0, serviceName="db", updateStrategy={"rollingUpdate": rolling})
    stored = (await db.read())["spec"]["updateStrategy"]
    assert stored == {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    await db.change(updateStrategy={"rollingUpdate": {"maxUnavailable": "50%"}})
    assert (await db.read())["spec"]["updateStrategy"] == stored


async def test_a_partition_above_the_replicas_is_accepted(db: Workload) -> None:
    """Nobody is updated, and `updatedReplicas` is absent."""
    await running(db, 2, updateStrategy={"rollingUpdate": {"partition": 99}})
    await db.set_image("app:v2")
    await db.until_seen()
    await db.steady()
    assert set((await images(db)).values()) == {"app:v1"}
    assert "updatedReplicas" not in await db.status()


async def test_a_parallel_stuck_pod_is_replaced_by_the_controller(db: Workload) -> None:
    """Putting the template back is enough where pods need not come in order."""
    await running(db, podManagementPolicy="Parallel")
    await db.set_image("app:v2")
    await db.settle(lambda o: o["status"].get("updatedReplicas") == 1, unready="app:v2")
    await db.set_image("app:v1")
    await db.settle(complete)
    assert set((await images(db)).values()) == {"app:v1"}


async def test_pods_carry_their_name_and_ordinal(db: Workload) -> None:
    """The labels that a step by partition reads."""
    await running(db, 2)
    labels = [pod["metadata"]["labels"] for pod in await db.pods()]
    assert sorted(entry["apps.kubernetes.io/pod-index"] for entry in labels) == ["0", "1"]
    assert sorted(entry["statefulset.kubernetes.io/pod-name"] for entry in labels) == ["db-0", "db-1"]


@pytest.mark.parametrize(
    "strategy",
    [
        {"type": "OnDelete", "rollingUpdate": {"partition": 1}},
        {"type": "RollingUpdate", "rollingUpdate": {"partition": -1}},
        {"type": "Sometimes"},
    ],
)
async def test_a_wrong_update_strategy_is_refused(db: Workload, strategy: JsonObject) -> None:
    """A partition below zero, one under OnDelete, an unknown type: 422."""
    with pytest.raises(AssertionError, match=r"spec\.updateStrategy"):
        await db.create(serviceName="db", updateStrategy=strategy)


async def test_a_pod_made_behind_the_partition_is_an_old_one(db: Workload) -> None:
    """Also one that was of the candidate before: so the partition must not be set behind what is reached."""
    await running(db)
    await db.set_image("app:v2")
    await db.settle(lambda o: o["status"].get("updatedReplicas") == 1)
    await db.change(updateStrategy={"rollingUpdate": {"partition": 3}})
    await db.settle(lambda o: o["status"].get("readyReplicas") == 3)
    newest = [pod["metadata"]["name"] for pod in await db.pods("app:v2")]
    for name in newest:
        (await db.api.delete(f"/api/v1/namespaces/{db.namespace}/pods/{name}")).ok()
    await db.settle(lambda o: o["status"].get("readyReplicas") == 3)
    assert set((await images(db)).values()) == {"app:v1"}


async def test_new_ordinals_past_the_partition_are_new(db: Workload) -> None:
    """Scaled up while a partition holds, the further pods are of the candidate."""
    await running(db, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    await db.set_image("app:v2")
    await db.settle(lambda o: o["status"].get("updatedReplicas") == 1)
    await db.change(replicas=5)
    await db.settle(lambda o: o["status"].get("readyReplicas") == 5)
    assert [name for name, image in sorted((await images(db)).items()) if image == "app:v2"] == [
        "db-2",
        "db-3",
        "db-4",
    ]
