"""What the daemon relies on about the Deployment controller."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.api import Api
from tests.conformance.workloads import Workload, condition, is_ready, rolled_out

REVISION = "deployment.kubernetes.io/revision"
ONE_MORE = {"strategy": {"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}}


@pytest.fixture
def web(api: Api, namespace: str) -> Workload:
    return Workload(api, namespace, "Deployment")


async def running(web: Workload, replicas: int, **spec: Any) -> None:
    """Bring `app:v1` up completely."""
    await web.create(replicas=replicas, **spec)
    await web.settle(rolled_out)


async def test_a_template_change_makes_a_replica_set_of_the_next_revision(web: Workload) -> None:
    """With a pod-template-hash that its pods carry too; the Deployment is marked with the revision."""
    await running(web, 2)
    await web.set_image("app:v2")
    changed = await web.settle(rolled_out)
    sets = await web.replica_sets()
    hashes = {image: rs["metadata"]["labels"]["pod-template-hash"] for image, rs in sets.items()}
    assert hashes["app:v1"] != hashes["app:v2"]
    assert sets["app:v2"]["metadata"]["name"] == f"web-{hashes['app:v2']}"
    assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in await web.pods()} == {hashes["app:v2"]}
    assert sets["app:v1"]["metadata"]["annotations"][REVISION] == "1"
    assert sets["app:v2"]["metadata"]["annotations"][REVISION] == "2"
    assert changed["metadata"]["annotations"][REVISION] == "2"


async def test_the_first_batch_is_surge_plus_unavailable(web: Workload) -> None:
    """At 25 % and 25 % of 8: four new pods before any of them is ready, six old ones left."""
    await running(web, 8)
    await web.set_image("app:v2")
    await web.until(lambda o: o["status"].get("updatedReplicas") == 4)
    await web.steady()
    assert len(await web.pods("app:v2")) == 4
    assert len(await web.pods("app:v1")) == 6


async def test_a_pause_right_after_the_update_holds_at_the_surge(web: Workload) -> None:
    """With maxSurge 10 % and none unavailable, one pod of ten."""
    await running(web, 10, **ONE_MORE)
    await web.set_image("app:v2")
    await web.until(lambda o: o["status"].get("updatedReplicas") == 1)
    await web.change(paused=True)
    paused = await web.until_seen()
    assert condition(paused, "Progressing") == ("Unknown", "DeploymentPaused")
    await web.settle(lambda o: o["status"].get("availableReplicas") == 11)
    await web.steady()
    assert (len(await web.pods("app:v2")), len(await web.pods("app:v1"))) == (1, 10)


async def test_a_resumed_deployment_goes_on_to_the_end(web: Workload) -> None:
    """`paused: null` lets it complete."""
    await running(web, 4, **ONE_MORE)
    await web.set_image("app:v2")
    await web.change(paused=True)
    await web.until_seen()
    await web.change(paused=None)
    done = await web.settle(rolled_out)
    assert condition(done, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert {rs["spec"]["replicas"] for rs in (await web.replica_sets()).values()} == {0, 4}


async def test_scaling_while_paused_grows_in_proportion(web: Workload) -> None:
    """From 10 to 14 beside one new pod: the old ReplicaSet gets 15, the new one keeps its one."""
    await running(web, 10, **ONE_MORE)
    await web.set_image("app:v2")
    await web.until(lambda o: o["status"].get("updatedReplicas") == 1)
    await web.change(paused=True)
    await web.settle(lambda o: o["status"].get("availableReplicas") == 11)
    await web.change(replicas=14)
    await web.until(lambda o: o["status"].get("replicas") == 16)
    sets = await web.replica_sets()
    assert (sets["app:v1"]["spec"]["replicas"], sets["app:v2"]["spec"]["replicas"]) == (15, 1)


async def test_a_template_changed_while_paused_has_no_replica_set_yet(web: Workload) -> None:
    """It gets one when the Deployment is resumed."""
    await running(web, 2)
    await web.change(paused=True)
    await web.until_seen()
    await web.set_image("app:v2")
    seen = await web.until_seen()
    await web.steady()
    assert set(await web.replica_sets()) == {"app:v1"}
    assert seen["status"].get("updatedReplicas", 0) == 0
    await web.change(paused=None)
    await web.settle(rolled_out)
    assert set(await web.replica_sets()) == {"app:v1", "app:v2"}


async def test_a_template_put_back_uses_its_replica_set_again(web: Workload) -> None:
    """The same object, under a new revision, with the former one remembered."""
    await running(web, 2)
    first = (await web.replica_sets())["app:v1"]["metadata"]["uid"]
    await web.set_image("app:v2")
    await web.settle(rolled_out)
    await web.set_image("app:v1")
    await web.settle(rolled_out)
    back = (await web.replica_sets())["app:v1"]["metadata"]
    assert back["uid"] == first
    assert back["annotations"][REVISION] == "3"
    assert back["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


async def test_a_paused_rollout_is_undone_in_one_patch(web: Workload) -> None:
    """Template back and `paused` false together: the new pods go, the old ones were never touched."""
    await running(web, 10, **ONE_MORE)
    before = {pod["metadata"]["uid"] for pod in await web.pods()}
    await web.set_image("app:v2")
    await web.until(lambda o: o["status"].get("updatedReplicas") == 1)
    await web.change(paused=True)
    await web.until_seen()
    await web.set_image("app:v1", {"op": "add", "path": "/spec/paused", "value": False})
    undone = await web.until(rolled_out)
    assert {pod["metadata"]["uid"] for pod in await web.pods()} == before
    assert condition(undone, "Available")[0] == "True"


async def test_no_progress_by_the_deadline_is_said(web: Workload) -> None:
    """Progressing turns False with ProgressDeadlineExceeded; the old pods stay."""
    await running(web, 4, progressDeadlineSeconds=2)
    await web.set_image("app:v2")
    stuck = await web.until(lambda o: condition(o, "Progressing")[0] == "False")
    assert condition(stuck, "Progressing") == ("False", "ProgressDeadlineExceeded")
    assert condition(stuck, "Available") == ("True", "MinimumReplicasAvailable")
    assert stuck["status"]["availableReplicas"] == 3


async def test_a_pause_suspends_the_deadline(web: Workload) -> None:
    """Longer paused than the deadline, and still not exceeded."""
    await running(web, 4, progressDeadlineSeconds=2)
    await web.set_image("app:v2")
    await web.change(paused=True)
    await web.until_seen()
    for _ in range(3):
        await web.steady()
    assert condition(await web.read(), "Progressing") == ("Unknown", "DeploymentPaused")


async def test_a_change_in_the_middle_rolls_over(web: Workload) -> None:
    """The revision in between is scaled away at once, though none of its pods was ever ready."""
    await running(web, 4)
    await web.set_image("app:v2")
    await web.until(lambda o: o["status"].get("updatedReplicas", 0) >= 1)
    await web.set_image("app:v3")
    await web.settle(rolled_out, unready="app:v2")
    sizes = {image: rs["spec"]["replicas"] for image, rs in (await web.replica_sets()).items()}
    assert sizes == {"app:v1": 0, "app:v2": 0, "app:v3": 4}


async def test_pods_that_are_not_ready_hold_a_rollout(web: Workload) -> None:
    """Old pods stay up to the floor for as long as the new ones are not ready."""
    await running(web, 4, **ONE_MORE)
    await web.set_image("app:v2")
    await web.until(lambda o: o["status"].get("updatedReplicas") == 1)
    for pod in await web.pods("app:v2"):
        await web.set_ready(pod, ready=False)
    await web.steady()
    status = await web.status()
    assert (status["updatedReplicas"], status["availableReplicas"], status["unavailableReplicas"]) == (
        1,
        4,
        1,
    )


async def test_a_pod_that_turns_unready_is_counted_out(web: Workload) -> None:
    """Available turns False when too few are left."""
    await running(web, 2, **ONE_MORE)
    await web.set_ready((await web.pods())[0], ready=False)
    lost = await web.until(lambda o: o["status"].get("availableReplicas") == 1)
    assert lost["status"]["readyReplicas"] == 1
    assert condition(lost, "Available") == ("False", "MinimumReplicasUnavailable")


async def test_available_means_ready_for_min_ready_seconds(web: Workload) -> None:
    """Ready at once, available only later."""
    await web.create(replicas=1, minReadySeconds=4)
    await web.settle(lambda o: o["status"].get("readyReplicas") == 1)
    assert (await web.status()).get("availableReplicas", 0) == 0
    await web.until(lambda o: o["status"].get("availableReplicas") == 1)


async def test_old_replica_sets_beyond_the_limit_go(web: Workload) -> None:
    """With a limit of one, only the newest old revision is kept."""
    await running(web, 1, revisionHistoryLimit=1)
    for image in ("app:v2", "app:v3"):
        await web.set_image(image)
        await web.settle(rolled_out)
    await web.api.eventually(
        f"/apis/apps/v1/namespaces/{web.namespace}/replicasets", lambda found: len(found["items"]) == 2
    )
    assert set(await web.replica_sets()) == {"app:v2", "app:v3"}


async def test_recreate_takes_all_old_pods_first(web: Workload) -> None:
    """No new pod before the last old one is gone."""
    await running(web, 2, strategy={"type": "Recreate", "rollingUpdate": None})
    await web.set_image("app:v2")
    await web.until(lambda o: o["status"].get("updatedReplicas") == 2)
    assert len(await web.pods("app:v1")) == 0
    await web.settle(rolled_out)


async def test_the_unready_pods_go_first_when_it_shrinks(web: Workload) -> None:
    """Of three, the two that are not ready."""
    await web.create(replicas=3)
    await web.until(lambda o: o["status"].get("replicas") == 3)
    kept = (await web.pods())[1]
    await web.set_ready(kept)
    await web.until(lambda o: o["status"].get("readyReplicas") == 1)
    await web.change(replicas=1)
    await web.until(lambda o: o["status"].get("replicas") == 1)
    assert [pod["metadata"]["uid"] for pod in await web.pods()] == [kept["metadata"]["uid"]]


async def test_the_controllers_writes_name_their_manager(web: Workload) -> None:
    """Status and annotations are kube-controller-manager's."""
    await running(web, 1)
    managers = {entry["manager"] for entry in (await web.read())["metadata"]["managedFields"]}
    assert "kube-controller-manager" in managers


async def test_a_deletion_takes_replica_sets_and_pods_with_it(web: Workload) -> None:
    """In the background, by owner references."""
    await running(web, 2)
    (await web.api.delete(web.path)).ok()
    for path in (
        f"/apis/apps/v1/namespaces/{web.namespace}/replicasets",
        f"/api/v1/namespaces/{web.namespace}/pods",
    ):
        await web.api.eventually(path, lambda found: found["items"] == [])


async def test_a_deleted_pod_is_replaced(web: Workload) -> None:
    """By another of the same revision."""
    await running(web, 2)
    gone = (await web.pods())[0]["metadata"]
    (await web.api.delete(f"/api/v1/namespaces/{web.namespace}/pods/{gone['name']}")).ok()
    await web.settle(rolled_out)
    left = await web.pods()
    assert all(is_ready(pod) and pod["metadata"]["uid"] != gone["uid"] for pod in left)
