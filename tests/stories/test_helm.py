"""Stories with real Helm, 3 and 4: what it meets after an undo, and a rollback by people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
import yaml

from clustersim.cluster import JsonObject
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout.lifecycle import ROLLED_BACK
from tests.stories.gitops import web
from tests.support.helm import HELM_3, HELM_4, Helm, find_helm
from tests.support.world import NAMESPACE, PLAIN_POLICY, World, decision, world


@dataclass(frozen=True, slots=True)
class Released:
    """A world in which helm deploys `shop/web`, and the helm that does."""

    world: World
    helm: Helm
    chart: Path

    async def do(self, *arguments: str) -> str:
        """What helm says, while the cluster and the daemon go on."""
        return await asyncio.to_thread(self.helm.run, *arguments, "--namespace", NAMESPACE)

    async def upgrade(self, image: str, **values: str) -> str:
        """Upgrade the release, with this image."""
        chosen = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
        return await self.do("upgrade", "web", str(self.chart), "--set", f"image={image}", *chosen)

    def deployment(self) -> JsonObject:
        """`shop/web` as it is now."""
        return self.world.cluster.deployment("web", namespace=NAMESPACE)

    def managers(self) -> set[str]:
        """Who has fields of the Deployment."""
        return {entry["manager"] for entry in self.deployment()["metadata"]["managedFields"]}


def chart(folder: Path) -> Path:
    """A chart with one Deployment, whose image and size are values."""
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", **web("IMAGE", replicas="REPLICAS")}
    text = yaml.safe_dump(manifest).replace("IMAGE", "{{ .Values.image }}")
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "web.yaml").write_text(text.replace("REPLICAS", "{{ .Values.replicas }}"))
    (folder / "values.yaml").write_text("image: web:1\nreplicas: 4\n")
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    return folder


@pytest.fixture(params=[HELM_4, HELM_3], ids=["helm-4", "helm-3"])
async def released(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Released]:
    """The chart is installed, and the daemon has seen it."""
    async with world(tmp_path, PLAIN_POLICY) as here:
        helm = find_helm(tmp_path_factory.mktemp("helm"), request.param)
        kubeconfig = helm.home / "kubeconfig"
        kubeconfig.write_bytes(orjson.dumps(here.cluster.kubeconfig()))
        made = Released(here, helm.at(kubeconfig), chart(tmp_path / "chart"))
        here.cluster.behave("web:2", crash_loop())
        here.cluster.namespace(NAMESPACE)
        await made.do("install", "web", str(made.chart))
        here.cluster.offer("web", 50, namespace=NAMESPACE)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        yield made


async def test_the_upgrade_after_an_undo_meets_no_conflict_and_no_surprise(released: Released) -> None:
    """What the next revision says is in force, all of it, and nothing of ours is left."""
    await released.upgrade("web:2")
    record = await released.world.phase(Phase.UNDONE, image="web:2")
    assert (
        f"Helm release {NAMESPACE}/web still names the undone revision"
        in decision(record, Action.UNDO).message
    )
    assert "rollback-sentinel" not in released.managers()
    await released.upgrade("web:3", replicas="5")
    await released.world.phase(Phase.PROMOTED, image="web:3")
    assert (released.world.image(), released.deployment()["spec"]["replicas"]) == ("web:3", 5)
    assert "rollback-sentinel" not in released.managers()


async def test_an_upgrade_that_keeps_the_bad_image_is_held_for_people(released: Released) -> None:
    """As the notice says: the stored release names it. Helm deploys it again, and is not fought."""
    await released.upgrade("web:2")
    await released.world.phase(Phase.UNDONE, image="web:2")
    await released.upgrade("web:2", replicas="5")
    again = await released.world.phase(Phase.HELD, image="web:2")
    assert again.state.reason == HoldReason.RESTORED_AFTER_UNDO
    assert again.state.message.startswith("helm applied revision 2 (web:2) again right after it was undone")


async def test_a_helm_rollback_by_people_is_known_as_such(released: Released) -> None:
    """A release that is being judged is rolled back by helm: the sentinel says who did, and lets it be."""
    await released.upgrade("web:3")
    await released.world.phase(Phase.BAKING, image="web:3")
    await released.do("rollback", "web", "1")
    record = await released.world.phase(Phase.SUPERSEDED, image="web:3")
    assert (record.state.reason, record.state.message) == (ROLLED_BACK, "helm reverted to revision 1 (web:1)")
    await asyncio.sleep(300)
    assert released.world.image() == "web:1"
    assert released.world.record(image="web:3") == record
