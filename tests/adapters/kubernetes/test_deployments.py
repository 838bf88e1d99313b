"""Stop, resume and restore against the simulated cluster."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import REPLICASETS
from sentinel.adapters.kubernetes.api.client import MANAGER, ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, REPLICA_SETS
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.domain.decision import Release, Restore, Stop
from sentinel.domain.errors import ClusterUnavailableError, NotFoundError, PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import PAUSED_ANNOTATION, Mark, Workload
from tests.adapters.kubernetes.worlds import NOW, WEB, changed_from, rolled_out, seen, until

MARK = Mark("web-2", NOW + timedelta(hours=1))
CAUSE = "kubernetes.io/change-cause"
SLOW = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


async def update(cluster: SimulatedCluster, gateway: KubernetesGateway) -> tuple[Workload, RevisionRef]:
    """A Deployment in the middle of an update, and the revision it had before."""
    cluster.deploy("web", "app:v1", 4, strategy=SLOW)
    stable = RevisionRef.of((await rolled_out(gateway)).candidate)
    cluster.set_image("web", "app:v2")
    return await changed_from(gateway, stable.digest), stable


def spec(cluster: SimulatedCluster) -> dict[str, Any]:
    return dict(cluster.deployment("web")["spec"])


def annotations(cluster: SimulatedCluster) -> dict[str, str]:
    return dict(cluster.deployment("web")["metadata"].get("annotations") or {})


def image(cluster: SimulatedCluster) -> str:
    return str(spec(cluster)["template"]["spec"]["containers"][0]["image"])


async def test_a_pause_is_signed(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """A pause stops the rollout and carries our mark."""
    workload, _ = await update(cluster, gateway)
    assert await gateway.cluster.apply(workload, Stop(MARK)) == "paused"
    assert spec(cluster)["paused"] is True
    assert annotations(cluster)[PAUSED_ANNOTATION] == str(MARK)
    await until(lambda: seen(gateway).brake.on)
    assert seen(gateway).brake.mark == MARK


async def test_a_pause_of_ours_again_is_done(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Pausing what we paused already changes nothing."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Stop(MARK))
    version = cluster.deployment("web")["metadata"]["generation"]
    assert "already" in await gateway.cluster.apply(workload, Stop(MARK))
    assert cluster.deployment("web")["metadata"]["generation"] == version


async def test_a_pause_is_signed_anew(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """A pause of ours takes another mark, so that it can be prolonged."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Stop(MARK))
    later = Mark(MARK.record, MARK.until + timedelta(hours=1))
    await gateway.cluster.apply(workload, Stop(later))
    assert annotations(cluster)[PAUSED_ANNOTATION] == str(later)


@pytest.mark.parametrize("change", [Stop(MARK), Release()])
async def test_a_foreign_pause_is_left_alone(
    cluster: SimulatedCluster, gateway: KubernetesGateway, change: Stop | Release
) -> None:
    """What somebody else paused is neither signed nor resumed."""
    workload, _ = await update(cluster, gateway)
    cluster.pause("web")
    with pytest.raises(PreconditionError) as caught:
        await gateway.cluster.apply(workload, change)
    assert caught.value.reason == "PausedByOther"
    assert spec(cluster)["paused"] is True
    assert PAUSED_ANNOTATION not in annotations(cluster)


async def test_a_pause_that_comes_in_between_is_not_taken_over(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Somebody who pauses between our read and our patch keeps their pause."""
    workload, _ = await update(cluster, gateway)
    cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=frozenset({"patch"}), seconds=2, count=1))
    pausing = asyncio.create_task(gateway.cluster.apply(workload, Stop(MARK)))
    await asyncio.sleep(1)
    cluster.pause("web")
    with pytest.raises(PreconditionError) as caught:
        await pausing
    assert caught.value.reason == "PausedByOther"
    assert PAUSED_ANNOTATION not in annotations(cluster)


async def test_a_resume_lifts_our_pause(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """After a resume neither pause nor mark is left, and the rollout goes on to its end."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Stop(MARK))
    assert await gateway.cluster.apply(workload, Release()) == "resumed"
    assert not spec(cluster).get("paused")
    assert PAUSED_ANNOTATION not in annotations(cluster)
    assert (await rolled_out(gateway)).candidate.images == ("app:v2",)


async def test_a_resume_of_what_runs_is_done(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Resuming what is not paused changes nothing."""
    workload, _ = await update(cluster, gateway)
    assert await gateway.cluster.apply(workload, Release()) == "it is not paused"


async def test_a_mark_without_a_pause_is_cleaned_up(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Where somebody resumed our pause by hand, our mark goes, so that no later pause looks like ours."""
    workload, _ = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Stop(MARK))
    cluster.pause("web", False)
    await gateway.cluster.apply(workload, Release())
    assert PAUSED_ANNOTATION not in annotations(cluster)


async def test_a_restore_puts_the_template_back(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A restore brings the target's own template, without the label of its ReplicaSet."""
    workload, stable = await update(cluster, gateway)
    said = await gateway.cluster.apply(workload, Restore(stable))
    assert "revision 1 (app:v1)" in said
    assert image(cluster) == "app:v1"
    assert spec(cluster)["template"]["metadata"]["labels"] == {"app": "web"}
    assert (await rolled_out(gateway)).candidate.digest == stable.digest


async def test_a_restore_touches_nothing_else(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Replicas that were scaled meanwhile, the strategy and other annotations stay as they are."""
    workload, stable = await update(cluster, gateway)
    cluster.scale("web", 7)
    cluster.change("web", lambda obj: obj["metadata"].setdefault("annotations", {}).update(team="a"))
    await gateway.cluster.apply(workload, Restore(stable))
    assert spec(cluster)["replicas"] == 7
    assert spec(cluster)["strategy"]["rollingUpdate"] == SLOW["rollingUpdate"]
    assert annotations(cluster)["team"] == "a"


async def test_a_restore_brings_the_change_cause_back(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """The change-cause is the target's again."""
    cluster.deploy("web", "app:v1", 2)
    cluster.change("web", lambda obj: obj["metadata"].setdefault("annotations", {}).update({CAUSE: "first"}))
    await until(lambda: gateway.cluster.workload(WEB) is not None and bool(held_cause(cluster)))
    stable = RevisionRef.of((await rolled_out(gateway)).candidate)

    def second(obj: dict[str, Any]) -> None:
        obj["metadata"]["annotations"][CAUSE] = "second"
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "app:v2"

    cluster.change("web", second)
    workload = await changed_from(gateway, stable.digest)
    assert workload.candidate.change_cause == "second"
    await gateway.cluster.apply(workload, Restore(stable))
    assert annotations(cluster)[CAUSE] == "first"


def held_cause(cluster: SimulatedCluster) -> list[str]:
    """The change-causes that the Deployment controller copied to ReplicaSets."""
    held = (rs["metadata"].get("annotations") or {} for rs in cluster.replica_sets("web"))
    return [found[CAUSE] for found in held if CAUSE in found]


async def test_a_change_cause_that_the_target_lacks_goes(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A target without a change-cause takes the bad revision's away."""
    cluster.deploy("web", "app:v1", 2)
    stable = RevisionRef.of((await rolled_out(gateway)).candidate)

    def second(obj: dict[str, Any]) -> None:
        obj["metadata"].setdefault("annotations", {})[CAUSE] = "second"
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "app:v2"

    cluster.change("web", second)
    workload = await changed_from(gateway, stable.digest)
    await gateway.cluster.apply(workload, Restore(stable))
    assert CAUSE not in annotations(cluster)


async def test_a_restore_lifts_our_pause_in_the_same_patch(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """One write puts the template back and lifts our pause: the bad template never runs on in between."""
    workload, stable = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Stop(MARK))
    before = cluster.deployment("web")["metadata"]["generation"]
    await gateway.cluster.apply(workload, Restore(stable))
    after = cluster.deployment("web")
    assert after["metadata"]["generation"] == before + 1
    assert image(cluster) == "app:v1"
    assert not after["spec"].get("paused")
    assert PAUSED_ANNOTATION not in annotations(cluster)


async def test_a_restore_leaves_a_foreign_pause(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Somebody else's pause survives the restore, and the sentence says so."""
    workload, stable = await update(cluster, gateway)
    cluster.pause("web")
    assert "someone else's pause was kept" in await gateway.cluster.apply(workload, Restore(stable))
    assert image(cluster) == "app:v1"
    assert spec(cluster)["paused"] is True


async def test_a_restore_twice_is_done(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """What is restored already is left as it is."""
    workload, stable = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Restore(stable))
    before = cluster.deployment("web")["metadata"]["generation"]
    assert "already" in await gateway.cluster.apply(workload, Restore(stable))
    assert cluster.deployment("web")["metadata"]["generation"] == before


async def test_an_old_answer_does_not_pass_for_an_undo(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Read as it was before the release, the template looks restored already; the undo is made all the same."""
    cluster.deploy("web", "app:v1", 4, strategy=SLOW)
    stable = RevisionRef.of((await rolled_out(gateway)).candidate)
    before = cluster.store.revision
    cluster.set_image("web", "app:v2")
    workload = await changed_from(gateway, stable.digest)
    fault = InjectedFault(FaultKind.STALE, verbs=frozenset({"get"}), path="/deployments/", count=1)
    fault.revisions = cluster.store.revision - before
    cluster.faults.add(fault)
    await gateway.cluster.apply(workload, Restore(stable))
    assert fault.struck == 1
    assert image(cluster) == "app:v1"


async def test_a_newer_template_is_not_undone(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """A template that nobody judged is left alone, and the error names who wrote it."""
    workload, stable = await update(cluster, gateway)
    cluster.set_image("web", "app:v3")
    with pytest.raises(PreconditionError, match="changed by story") as caught:
        await gateway.cluster.apply(workload, Restore(stable))
    assert caught.value.reason == "TemplateChanged"
    assert image(cluster) == "app:v3"


async def test_a_template_changed_under_the_patch_is_not_undone(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A template that changes between our read and our patch makes the patch's test fail."""
    workload, stable = await update(cluster, gateway)
    cluster.faults.add(InjectedFault(FaultKind.LATENCY, verbs=frozenset({"patch"}), seconds=2, count=1))
    restoring = asyncio.create_task(gateway.cluster.apply(workload, Restore(stable)))
    await asyncio.sleep(1)
    cluster.set_image("web", "app:v3")
    with pytest.raises(PreconditionError) as caught:
        await restoring
    assert caught.value.reason == "TemplateChanged"
    assert image(cluster) == "app:v3"


async def test_a_deployment_made_anew_is_not_touched(
    cluster: SimulatedCluster, gateway: KubernetesGateway, client: ApiClient
) -> None:
    """Another Deployment of the same name and template is not the one that was judged."""
    workload, stable = await update(cluster, gateway)
    await client.delete(RequestTarget(DEPLOYMENTS, "default", "web"))
    await until(lambda: gateway.cluster.workload(workload.key) is None)
    cluster.deploy("web", "app:v2", 4, strategy=SLOW)
    with pytest.raises(PreconditionError) as caught:
        await gateway.cluster.apply(workload, Restore(stable))
    assert caught.value.reason == "WorkloadReplaced"
    assert image(cluster) == "app:v2"


def seen_holder(workload: Workload, stable: RevisionRef) -> str:
    revision = workload.revision(stable.digest)
    assert revision is not None
    return revision.stored_in.name if revision.stored_in else ""


async def test_a_deployment_that_is_gone_is_said(
    cluster: SimulatedCluster, gateway: KubernetesGateway, client: ApiClient
) -> None:
    """A Deployment that was deleted cannot be paused."""
    workload, _ = await update(cluster, gateway)
    await client.delete(RequestTarget(DEPLOYMENTS, "default", "web"))
    with pytest.raises(NotFoundError, match='"web" not found'):
        await gateway.cluster.apply(workload, Stop(MARK))


async def test_a_target_whose_template_is_gone_is_said(
    cluster: SimulatedCluster, gateway: KubernetesGateway, client: ApiClient
) -> None:
    """Without the target's ReplicaSet there is nothing to restore from, and nothing is written."""
    workload, stable = await update(cluster, gateway)
    await client.delete(RequestTarget(REPLICA_SETS, "default", seen_holder(workload, stable)))
    with pytest.raises(NotFoundError, match="no object") as caught:
        await gateway.cluster.apply(workload, Restore(stable))
    assert caught.value.reason == "TargetGone"
    assert image(cluster) == "app:v2"


async def test_a_replica_set_with_another_template_is_no_target(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A ReplicaSet that holds something else than the target's template is not restored from."""
    workload, stable = await update(cluster, gateway)

    def tamper(obj: dict[str, Any]) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "app:other"

    cluster.store.mutate(REPLICASETS, "default", seen_holder(workload, stable), tamper)
    with pytest.raises(NotFoundError) as caught:
        await gateway.cluster.apply(workload, Restore(stable))
    assert caught.value.reason == "TargetGone"
    assert image(cluster) == "app:v2"


async def test_after_a_restore_no_field_is_ours(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Our managedFields entry is gone after a restore, the others' are not."""
    workload, stable = await update(cluster, gateway)
    await gateway.cluster.apply(workload, Restore(stable))
    managers = [entry["manager"] for entry in cluster.deployment("web")["metadata"]["managedFields"]]
    assert MANAGER not in managers
    assert "story" in managers


async def test_a_restore_stands_though_our_claim_stays(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """When our claim cannot be dropped the restore is done all the same."""
    workload, stable = await update(cluster, gateway)
    cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=frozenset({"patch"}), status=500, skip=1))
    assert "restored" in await gateway.cluster.apply(workload, Restore(stable))
    assert image(cluster) == "app:v1"


async def test_the_next_server_side_apply_meets_no_conflict(
    cluster: SimulatedCluster, gateway: KubernetesGateway, client: ApiClient
) -> None:
    """Who owns the template by server-side apply (Helm 4) can apply again after the undo, without force."""

    async def apply(image: str) -> None:
        manifest = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "main", "image": image}]},
                },
            },
        }
        await server_side_apply(client, manifest)

    await apply("app:v1")
    stable = RevisionRef.of((await rolled_out(gateway)).candidate)
    await apply("app:v2")
    workload = await changed_from(gateway, stable.digest)
    await gateway.cluster.apply(workload, Restore(stable))
    await apply("app:v3")
    assert image(cluster) == "app:v3"


async def server_side_apply(client: ApiClient, manifest: dict[str, Any]) -> None:
    """As `helm upgrade` does it: fields named, no force."""
    session = client._session
    assert session is not None
    place = RequestTarget(DEPLOYMENTS, "default", manifest["metadata"]["name"])
    async with session.patch(
        client.server + place.path,
        params={"fieldManager": "helm"},
        json=manifest,
        headers={"Content-Type": "application/apply-patch+yaml"},
    ) as response:
        assert response.status < 300, await response.text()


async def test_a_hung_server_is_given_up_on(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """A change is given up after its timeout, as something that can be tried again."""
    workload, _ = await update(cluster, gateway)
    cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=frozenset({"get"})))
    began = asyncio.get_running_loop().time()
    with pytest.raises(ClusterUnavailableError) as caught:
        await gateway.cluster.apply(workload, Stop(MARK), timeout=3.0)
    assert caught.value.retryable
    assert asyncio.get_running_loop().time() - began == pytest.approx(3.0, abs=0.5)
