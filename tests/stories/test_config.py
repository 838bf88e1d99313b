"""Config that changes with a rollout, or instead of one."""

from __future__ import annotations

from typing import Any

from clustersim.cluster import JsonObject
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import CONFIGMAPS
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World, decision


def config(here: World, name: str = "settings", **data: str) -> None:
    """Create a ConfigMap, or change its data in place."""
    store = here.cluster.store
    if store.find(CONFIGMAPS, NAMESPACE, name) is None:
        store.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": NAMESPACE}, "data": data})
        return

    def change(obj: JsonObject) -> None:
        obj["data"] = data

    store.mutate(CONFIGMAPS, NAMESPACE, name, change, manager="kubectl-edit")


def release(here: World, image: str, **pods: Any) -> None:
    """Change the image and further fields of the template's spec."""

    def change(obj: JsonObject) -> None:
        spec = obj["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = image
        spec.pop("volumes", None)
        spec.update(pods)

    here.cluster.change("web", change, namespace=NAMESPACE)


FILES = {"volumes": [{"name": "settings", "configMap": {"name": "settings"}}]}


async def test_an_undo_to_a_revision_whose_configmap_is_gone_is_refused(plain: World) -> None:
    """Its pods would never start: people are called with the name, and the rollout stops where it is."""
    config(plain, mode="old")
    release(plain, "web:2", **FILES)
    await plain.phase(Phase.PROMOTED, image="web:2")
    plain.cluster.behave("web:3", crash_loop())
    plain.cluster.store.delete(CONFIGMAPS, NAMESPACE, "settings")
    release(plain, "web:3")
    record = await plain.phase(Phase.HELD, image="web:3")
    assert record.state.reason == "ReferenceGone"
    assert "ConfigMap settings does not exist" in record.state.message
    assert decision(record, Action.UNDO).escalated
    await plain.until(plain.paused, what="the rolling update is stopped")
    assert plain.image() == "web:3"
