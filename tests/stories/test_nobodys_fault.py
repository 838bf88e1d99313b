"""Stories in which the release is not to blame: nothing is undone, and nothing is promoted on a guess."""

import asyncio
from collections.abc import Callable

import pytest

from clustersim.cluster import JsonObject
from clustersim.node.behaviour import (
    Behaviour,
    crash_loop,
    image_not_found,
    registry_error,
    slow_pull,
    volume_stuck,
)
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World, actions, decision


def asks_for(cpu: str) -> dict[str, dict[str, str]]:
    """A container's request."""
    return {"requests": {"cpu": cpu}}


async def test_pods_that_find_no_node_are_not_held_against_the_release(hasty: World) -> None:
    """Unschedulable pods lead to a hold at the deadline, never to an undo."""

    def too_big(obj: JsonObject) -> None:
        container = obj["spec"]["template"]["spec"]["containers"][0]
        container["image"] = "web:2"
        container["resources"] = asks_for("64")

    hasty.cluster.change("web", too_big, namespace=NAMESPACE)
    record = await hasty.phase(Phase.HELD, image="web:2", within=3600)
    assert decision(record, Action.HOLD).reason == "DeadlineExceeded"
    assert hasty.image() == "web:2"


async def test_a_volume_that_does_not_attach_is_not_held_against_the_release(hasty: World) -> None:
    """Pods that stay in ContainerCreating lead to a hold, never to an undo."""
    hasty.cluster.behave("web:2", volume_stuck())
    hasty.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await hasty.phase(Phase.HELD, image="web:2", within=3600)
    assert "undo" not in actions(record)


def beside(kind: str, order: str) -> Callable[[JsonObject], None]:
    """A change that releases `web:2` with a sidecar: classic or native, before or after the application."""

    def change(obj: JsonObject) -> None:
        spec = obj["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = "web:2"
        proxy: JsonObject = {"name": "proxy", "image": "proxy:1"}
        if kind == "native":
            spec["initContainers"] = [{**proxy, "restartPolicy": "Always"}]
        elif order == "first":
            spec["containers"].insert(0, proxy)
        else:
            spec["containers"].append(proxy)

    return change


@pytest.mark.parametrize(("kind", "order"), [("classic", "first"), ("classic", "last"), ("native", "")])
async def test_a_slow_pull_beside_a_sidecar_that_runs_is_not_held_against_the_release(
    plain: World, kind: str, order: str
) -> None:
    """Five minutes of pulling with `readyWithin: 2m` undo nothing, and the release goes on after them."""
    plain.cluster.behave("web:2", slow_pull(300))
    plain.cluster.change("web", beside(kind, order), namespace=NAMESPACE)
    await asyncio.sleep(240)
    record = plain.records()[0]
    assert actions(record) == ["wait"]
    plain.cluster.behave("web:2", slow_pull(1))
    record = await plain.phase(Phase.PROMOTED, within=3600)
    assert "undo" not in actions(record)


async def test_an_image_that_does_not_exist_is_undone_at_once(plain: World) -> None:
    """'not found' is the release's own mistake."""
    plain.cluster.behave("web:2", image_not_found())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await plain.phase(Phase.UNDONE, image="web:2", within=60)
    assert decision(record, Action.UNDO).rule == "health"


async def test_a_registry_outage_after_the_first_pull_undoes_nothing(shop: World) -> None:
    """Once a pod of the revision has pulled, a registry that fails is not the release's fault."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.behave("web:2", registry_error())
    await asyncio.sleep(300)
    record = shop.record(image="web:2")
    assert record is not None
    assert "undo" not in actions(record)
    assert shop.image() == "web:2"


async def test_one_bad_node_undoes_nothing(plain: World) -> None:
    """Crashes on one node of three are that node's, while pods elsewhere are well."""
    plain.cluster.behave("web:2", Behaviour(crash_after=1.0, ready_after=None).on("node-1"))
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.until(lambda: plain.pods_of("web:2") >= 3, within=120)
    await asyncio.sleep(600)
    record = plain.record(image="web:2")
    assert record is not None
    assert "undo" not in actions(record)


async def test_a_node_that_falls_silent_undoes_nothing(shop: World) -> None:
    """Pods that are not ready because their node is gone are the cluster's fault."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    (pod,) = [p for p in shop.cluster.pods("web", namespace=NAMESPACE) if _image(p) == "web:2"]
    shop.cluster.nodes.fail(pod["spec"]["nodeName"])
    await asyncio.sleep(600)
    record = shop.record(image="web:2")
    assert record is not None
    assert "undo" not in actions(record)


async def test_a_crash_of_old_and_new_pods_alike_is_held(plain: World) -> None:
    """When the stable pods crash as well, the environment is to blame."""
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.until(lambda: plain.pods_of("web:2") >= 2, within=60)
    plain.cluster.behave("web:1", crash_loop())
    plain.cluster.behave("web:2", crash_loop())
    record = await plain.phase(Phase.HELD, image="web:2", within=300)
    assert decision(record, Action.HOLD).reason == "EnvironmentOutage"
    assert plain.image() == "web:2"


def _image(pod: JsonObject) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image
