"""Partition, undo and the removal of stuck pods, against the simulated cluster."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import PODS, STATEFULSETS
from sentinel.adapters.kubernetes.api.client import MANAGER
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.adapters.kubernetes.workloads.kinds.statefulset import trim_stateful_set
from sentinel.adapters.kubernetes.workloads.trim import CHANGE_CAUSE
from sentinel.domain.decision import Change, Promote, Release, RemovePod, Restore, SetPartition, Stop
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import (
    PARTITION_ANNOTATION,
    Ability,
    Mark,
    Stepping,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.worlds import NOW, changed_from, rolled_out, seen, until

DB = WorkloadKey(WorkloadKind.STATEFULSET, "default", "db")
MARK = Mark("db-2", NOW + timedelta(hours=1))


async def update(
    cluster: SimulatedCluster, gateway: KubernetesGateway, **spec: Any
) -> tuple[Workload, RevisionRef]:
    """A StatefulSet whose template has just been changed, and the revision it had before."""
    cluster.deploy_stateful("db", "db:v1", 5, **spec)
    stable = RevisionRef.of((await rolled_out(gateway, DB)).candidate)
    cluster.set_image("db", "db:v2", resource=STATEFULSETS)
    return await changed_from(gateway, stable.digest, DB), stable


def live(cluster: SimulatedCluster) -> dict[str, Any]:
    return cluster.store.get(STATEFULSETS, "default", "db")


def partition(cluster: SimulatedCluster) -> int:
    return int(live(cluster)["spec"]["updateStrategy"]["rollingUpdate"]["partition"])


def annotation(cluster: SimulatedCluster) -> str | None:
    notes: dict[str, str] = live(cluster)["metadata"].get("annotations") or {}
    return notes.get(PARTITION_ANNOTATION)


def images(cluster: SimulatedCluster) -> dict[str, str]:
    """The image of each pod that stays, by its name."""
    pods = [pod for pod in cluster.pods("db") if "deletionTimestamp" not in pod["metadata"]]
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in pods}


def set_partition(cluster: SimulatedCluster, number: int) -> None:
    def change(obj: dict[str, Any]) -> None:
        obj["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = number

    cluster.change("db", change, resource=STATEFULSETS)


async def test_a_partition_lets_so_many_pods_be_new(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """The last ordinals are of the candidate, the rest stay, and the partition carries our mark."""
    workload, _ = await update(cluster, gateway)
    assert "2 pods" in await gateway.cluster.apply(workload, SetPartition(2, MARK))
    assert (partition(cluster), annotation(cluster)) == (3, f"{MARK},3")
    await until(lambda: seen(gateway, DB).exposure.ready == 2)
    await asyncio.sleep(60)
    found = seen(gateway, DB)
    assert (found.brake.mark, found.brake.lets, found.stopped) == (MARK, 2, True)
    assert [name for name, image in images(cluster).items() if image == "db:v2"] == ["db-3", "db-4"]
    generation = live(cluster)["metadata"]["generation"]
    assert "already" in await gateway.cluster.apply(found, SetPartition(2, MARK))
    assert live(cluster)["metadata"]["generation"] == generation


async def test_a_stop_keeps_what_is_there(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """A rollout in the middle goes no further."""
    await update(cluster, gateway)
    await until(lambda: seen(gateway, DB).exposure.ready == 2)
    await gateway.cluster.apply(seen(gateway, DB), Stop(MARK))
    await asyncio.sleep(60)
    assert 2 <= seen(gateway, DB).exposure.candidate <= 3
    assert seen(gateway, DB).stopped


async def test_released_it_goes_to_its_end(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """The partition is 0 as before, and nothing of ours is left, no claim on a field either."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, SetPartition(1, MARK))
    assert await gateway.cluster.apply(workload, Release()) == "the partition is 0"
    assert (partition(cluster), annotation(cluster)) == (0, None)
    assert MANAGER not in {entry["manager"] for entry in live(cluster)["metadata"]["managedFields"]}
    assert set((await rolled_out(gateway, DB)).candidate.images) == {"db:v2"}


@pytest.mark.parametrize("change", [SetPartition(2, MARK), Stop(MARK), Release()])
async def test_a_partition_of_anothers_is_left_alone(
    cluster: SimulatedCluster, gateway: KubernetesGateway, change: Change
) -> None:
    """Neither moved nor signed nor taken away, also where ours was moved by somebody else."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, SetPartition(2, MARK))
    set_partition(cluster, 4)
    with pytest.raises(PreconditionError, match="partition 4, which is not ours"):
        await gateway.cluster.apply(workload, change)
    assert partition(cluster) == 4
    await until(lambda: seen(gateway, DB).brake.foreign)


async def test_a_partition_lifted_by_hand_leaves_our_mark(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Which tells that a human lifted it; the next change takes the mark away."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, SetPartition(2, MARK))
    set_partition(cluster, 0)
    await until(lambda: seen(gateway, DB).brake.mark == MARK and not seen(gateway, DB).brake.on)
    await gateway.cluster.apply(workload, Release())
    assert annotation(cluster) is None


async def test_an_undo_puts_template_and_partition_back(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """In one patch; the target's ControllerRevision becomes the newest, and no field stays ours."""
    workload, stable = await update(cluster, gateway)
    await gateway.cluster.apply(workload, SetPartition(2, MARK))
    await until(lambda: seen(gateway, DB).exposure.ready == 2)
    before = live(cluster)["metadata"]["generation"]
    assert "was restored" in await gateway.cluster.apply(workload, Restore(stable))
    assert live(cluster)["metadata"]["generation"] == before + 1
    assert (partition(cluster), annotation(cluster)) == (0, None)
    back = await rolled_out(gateway, DB)
    assert (back.candidate.digest, back.candidate.number) == (stable.digest, 3)
    assert set(images(cluster).values()) == {"db:v1"}
    managers = {entry["manager"] for entry in live(cluster)["metadata"]["managedFields"]}
    assert MANAGER not in managers


async def test_the_change_cause_comes_back_with_the_template(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """The ControllerRevision carries the annotation of its time."""
    cluster.deploy_stateful("db", "db:v1", 2)
    cause = {CHANGE_CAUSE: "first"}
    cluster.change("db", lambda o: o["metadata"].update(annotations=dict(cause)), resource=STATEFULSETS)
    stable = RevisionRef.of((await rolled_out(gateway, DB)).candidate)

    def release(obj: dict[str, Any]) -> None:
        obj["metadata"]["annotations"][CHANGE_CAUSE] = "second"
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "db:v2"

    cluster.change("db", release, resource=STATEFULSETS)
    workload = await changed_from(gateway, stable.digest, DB)
    await gateway.cluster.apply(workload, Restore(stable))
    assert live(cluster)["spec"]["template"]["spec"]["containers"][0]["image"] == "db:v1"


async def test_a_stuck_pod_is_removed_by_its_uid(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Under OrderedReady the broken pod stays after the undo; removed, the target is rolled out. Another is not."""
    workload, removal = await stuck_after_an_undo(cluster, gateway)
    await asyncio.sleep(120)
    assert removal.name == "db-4"
    assert "is gone" in await gateway.cluster.apply(workload, RemovePod("db-4", "another"))
    assert images(cluster)["db-4"] == "db:v2"
    assert "removed the pod db-4" in await gateway.cluster.apply(workload, removal)
    assert (await rolled_out(gateway, DB)).candidate.digest == workload.candidate.digest
    assert "is gone" in await gateway.cluster.apply(workload, removal)
    assert len(images(cluster)) == 5


async def stuck_after_an_undo(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> tuple[Workload, RemovePod]:
    """A StatefulSet whose target is back while a pod of the undone revision stays, and the change that removes it."""
    cluster.behave("db:v2", crash_loop())
    workload, stable = await update(cluster, gateway)
    await until(lambda: images(cluster).get("db-4") == "db:v2")
    await gateway.cluster.apply(workload, Restore(stable))
    await until(lambda: seen(gateway, DB).in_the_way is not None)
    stuck = seen(gateway, DB).in_the_way
    assert stuck is not None
    return seen(gateway, DB), RemovePod(stuck.name, stuck.uid)


async def test_a_pod_is_not_removed_once_its_template_is_back(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A person puts the undone template back while the pod is read: the workload is read after it."""
    workload, removal = await stuck_after_an_undo(cluster, gateway)
    slow = InjectedFault(FaultKind.LATENCY, verbs=frozenset({"get"}), path="/pods/", seconds=2, count=1)
    cluster.faults.add(slow)
    removing = asyncio.create_task(gateway.cluster.apply(workload, removal))
    await asyncio.sleep(1)
    cluster.set_image("db", "db:v2", resource=STATEFULSETS)
    with pytest.raises(PreconditionError, match="was changed by"):
        await removing
    assert images(cluster)["db-4"] == "db:v2"


async def test_a_pod_that_became_ready_is_not_removed(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A change of the pod while its deletion is under way has it read again: it is no longer broken."""
    workload, removal = await stuck_after_an_undo(cluster, gateway)

    def set_ready(pod: dict[str, Any]) -> None:
        for condition in pod["status"]["conditions"]:
            condition["status"] = "True"

    def recover() -> None:
        cluster.store.mutate(PODS, "default", "db-4", set_ready, subresource="status")

    late = InjectedFault(FaultKind.LATENCY, verbs=frozenset({"delete"}), seconds=1, count=1, then=recover)
    cluster.faults.add(late)
    assert "no longer broken" in await gateway.cluster.apply(workload, removal)
    assert images(cluster)["db-4"] == "db:v2"


async def test_parallel_pods_are_left_to_the_controller(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """It replaces a broken pod by itself."""
    cluster.behave("db:v2", crash_loop())
    workload, stable = await update(cluster, gateway, podManagementPolicy="Parallel")
    await until(lambda: images(cluster).get("db-4") == "db:v2")
    await gateway.cluster.apply(workload, Restore(stable))
    await until(lambda: seen(gateway, DB).candidate.digest == stable.digest)
    assert seen(gateway, DB).in_the_way is None


async def test_a_partition_changed_under_the_patch_is_seen(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A human's partition between our read and our patch makes the patch's test fail, and is left alone."""
    workload, _ = await update(cluster, gateway)
    cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=frozenset({"patch"}), seconds=2, count=1))
    setting = asyncio.create_task(gateway.cluster.apply(workload, SetPartition(1, MARK)))
    await asyncio.sleep(1)
    set_partition(cluster, 2)
    with pytest.raises(PreconditionError, match="not ours"):
        await setting
    assert partition(cluster) == 2


async def test_a_change_without_means_is_refused(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A StatefulSet has no steps of its own."""
    workload, _ = await update(cluster, gateway)
    with pytest.raises(InvalidObjectError):
        await gateway.cluster.apply(workload, Promote())


def raw(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "db", "namespace": "n"}, "spec": {"replicas": 10, **spec}}


def test_on_delete_is_refused_with_a_sentence() -> None:
    """Neither steps nor an undo would take effect."""
    abilities = trim_stateful_set(raw(updateStrategy={"type": "OnDelete"})).abilities
    assert (abilities.stepping, abilities.stops) == (Stepping.NONE, False)
    assert "spec.updateStrategy.type to RollingUpdate" in abilities.why_not[Ability.ROLLING]


def test_a_dropped_max_unavailable_is_noticed() -> None:
    """It is in the manifest that was applied, and not in what the API server stored."""
    applied = '{"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 3}}}}'
    named = raw(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    assert trim_stateful_set(named).abilities.remarks == ()
    named["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    entry = trim_stateful_set(named)
    assert "maxUnavailable" in entry.abilities.remarks[0]
    assert entry.abilities.first_batch == 1
    named["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = "25%"
    kept = trim_stateful_set(named).abilities
    assert (kept.remarks, kept.first_batch) == ((), 3)
    named["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{"}
    assert trim_stateful_set(named).abilities.remarks == ()


def test_a_max_unavailable_dropped_from_a_server_side_apply_is_noticed() -> None:
    """The applier's claim on the field stays in managedFields, and the field itself is not there."""
    live = raw(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    claimed = {"f:updateStrategy": {"f:rollingUpdate": {"f:maxUnavailable": {}}, "f:type": {}}}
    live["metadata"]["managedFields"] = [{"manager": "git", "fieldsV1": {"f:spec": claimed}}]
    assert "maxUnavailable" in trim_stateful_set(live).abilities.remarks[0]
    live["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = 3
    assert trim_stateful_set(live).abilities.remarks == ()


def test_ordinals_may_begin_anywhere() -> None:
    """A partition counts from the first ordinal, and one that keeps nothing back is no brake."""
    spec = raw(ordinals={"start": 5}, updateStrategy={"rollingUpdate": {"partition": 5}})
    assert not trim_stateful_set(spec).brake.on
    spec["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 12
    assert trim_stateful_set(spec).brake.lets == 3
    spec["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 99
    entry = trim_stateful_set(spec)
    assert entry.brake.lets == 0
    assert replace(entry.brake, mark=MARK).mark == MARK
