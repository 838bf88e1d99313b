"""Config that changes with a rollout, or instead of one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from clustersim.cluster import JsonObject
from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import CONFIGMAPS
from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import CONFIG_ANNOTATION
from tests.support.account import let_restore_config
from tests.support.world import NAMESPACE, PLAIN_POLICY, ROLLING, World, actions, decision, world


def config(here: World, name: str = "settings", **data: str) -> None:
    """Create a ConfigMap, or change its data in place."""
    here.cluster.namespace(NAMESPACE)
    store = here.cluster.store
    if store.find(CONFIGMAPS, NAMESPACE, name) is None:
        made = {"metadata": {"name": name, "namespace": NAMESPACE}, "data": data}
        store.create(CONFIGMAPS, made, manager="helm")
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


async def test_a_change_in_the_middle_of_a_rollout_is_told(plain: World) -> None:
    """By name, time and writer; the rollout goes on."""
    config(plain, mode="old")
    release(plain, "web:2", **FILES)
    await plain.phase(Phase.BAKING, image="web:2")
    config(plain, mode="new")
    record = await plain.phase(Phase.PROMOTED, image="web:2")
    note = decision(record, Action.NOTE)
    assert note.reason == "ConfigChanged"
    assert "ConfigMap settings was changed in place at " in note.message
    assert "by kubectl-edit" in note.message
    assert not note.escalated


async def test_a_change_before_a_rollout_is_named_in_its_start_and_in_its_undo(plain: World) -> None:
    """Putting the template back does not undo it, and people read that in the decision."""
    config(plain, mode="old")
    release(plain, "web:2", **FILES)
    await plain.phase(Phase.PROMOTED, image="web:2")
    config(plain, mode="new")
    plain.cluster.behave("web:3", crash_loop())
    release(plain, "web:3", **FILES)
    record = await plain.phase(Phase.UNDONE, image="web:3")
    started, undone = decision(record, Action.START), decision(record, Action.UNDO)
    assert "ConfigMap settings was changed in place" in started.message
    assert "by kubectl-edit, which putting the template back does not undo" in undone.message


TRIGGER = PLAIN_POLICY.replace("  rules:\n", "  onConfigChange: trigger\n  rules:\n")
RESTORE = TRIGGER + "  undo: {config: restore}\n"
LOADED = "web:1"


def started_with(here: World) -> list[str]:
    """Per living pod the config with which it was started, as its template says; the first had none."""
    pods = here.cluster.pods("web", namespace=NAMESPACE)
    living = [pod["metadata"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return sorted({(pod.get("annotations") or {}).get(CONFIG_ANNOTATION, "") for pod in living})


async def named(here: World, data: str) -> None:
    """Ten pods at rest whose template names a ConfigMap with this data."""
    config(here, mode=data)
    here.cluster.deploy("web", LOADED, 10, namespace=NAMESPACE, **ROLLING)
    release(here, LOADED, **FILES)
    here.cluster.offer("web", 100, namespace=NAMESPACE)
    await here.settle()
    await here.start()
    await here.phase(Phase.UNJUDGED)


async def test_by_policy_a_change_in_place_is_a_rollout(tmp_path: Path) -> None:
    """Pods are started again with the new data, as a rollout like any other, and then it is at rest."""
    async with world(tmp_path, TRIGGER) as here:
        await named(here, "old")
        config(here, mode="new")
        record = await here.phase(Phase.PROMOTED)
        assert len(here.records()) == 2
        assert "ConfigMap settings was changed in place" in decision(record, Action.START).message
        (loaded,) = started_with(here)
        assert loaded
        restarted = decision(here.records()[1], Action.RESTART)
        assert restarted.outcome is not None
        assert restarted.outcome.kind is OutcomeKind.DONE
        await asyncio.sleep(1800)
        assert len(here.records()) == 2


async def test_a_bad_config_is_undone_with_its_former_data(tmp_path: Path) -> None:
    """The ConfigMap first, then the template: pods start with what they had, and nothing starts them again."""
    async with world(tmp_path, RESTORE) as here:
        let_restore_config(here.cluster)
        await named(here, "old")
        config(here, mode="new")
        await here.until(lambda: len(here.records()) == 2, what="the rollout begins")
        await here.post_alerts(here.alert(deployment="web"))
        record = await here.phase(Phase.UNDONE)
        assert here.cluster.store.get(CONFIGMAPS, NAMESPACE, "settings")["data"] == {"mode": "old"}
        undone = decision(record, Action.UNDO)
        assert "with the former data of ConfigMap settings" in undone.message
        assert undone.outcome is not None
        assert "ConfigMap settings was put back" in undone.outcome.detail
        assert started_with(here) == [""]
        await asyncio.sleep(1800)
        assert len(here.records()) == 2


async def test_a_bad_config_that_is_not_put_back_is_held(tmp_path: Path) -> None:
    """An undo of the template would start pods with the same data: people are called instead."""
    async with world(tmp_path, TRIGGER) as here:
        await named(here, "old")
        config(here, mode="new")
        await here.until(lambda: len(here.records()) == 2, what="the rollout begins")
        await here.post_alerts(here.alert(deployment="web"))
        record = await here.phase(Phase.HELD)
        assert record.state.reason == "ConfigAlone"
        assert "pods would start with the same again" in record.state.message
        config(here, mode="old")
        await here.phase(Phase.UNDONE)
        assert started_with(here) == [""]


async def test_an_undo_cut_off_between_configmap_and_template_is_completed(tmp_path: Path) -> None:
    """The ConfigMap is back, the template is not, and the daemon restarts: the rest is done, and nothing twice."""
    async with world(tmp_path, RESTORE) as here:
        let_restore_config(here.cluster)
        await named(here, "old")
        config(here, mode="new")
        await here.until(lambda: len(here.records()) == 2, what="the rollout begins")
        refused = InjectedFault(FaultKind.ERROR, frozenset({"patch"}), "/deployments/web", status=503)
        here.cluster.faults.add(refused)
        await here.post_alerts(here.alert(deployment="web"))

        def half_done() -> bool:
            found = here.cluster.store.get(CONFIGMAPS, NAMESPACE, "settings")
            return bool(found["data"] == {"mode": "old"}) and refused.struck > 0

        await here.until(half_done, what="the ConfigMap is put back and the template is not")
        await here.stop()
        here.cluster.faults.remove(refused)
        await here.start()
        record = await here.phase(Phase.UNDONE)
        assert actions(record).count("undo") == 1
        assert started_with(here) == [""]
        await asyncio.sleep(600)
        assert len(here.records()) == 2
