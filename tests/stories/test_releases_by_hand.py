"""Stories in which somebody lifts the sentinel's pause, or the rollout meets a pause it did not make."""

import asyncio

from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import DEPLOYMENTS
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import PAUSED_ANNOTATION
from tests.support.world import NAMESPACE, World, actions, decision


def mark(shop: World) -> str | None:
    """Our signature on a pause, where one is left."""
    found = shop.cluster.store.get(DEPLOYMENTS, NAMESPACE, "web")
    return found["metadata"].get("annotations", {}).get(PAUSED_ANNOTATION)


async def test_a_pause_that_a_human_lifts_is_not_made_again(shop: World) -> None:
    """After `kubectl rollout resume` the rollout goes on to 100 %, is judged there and promoted; said once."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.pause("web", False, namespace=NAMESPACE)
    await shop.until(lambda: shop.pods_of("web:2") == 10, within=60)
    assert not shop.paused()
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["resume", "promote"]
    assert decision(record, Action.RESUME).reason == "PauseLifted"
    assert mark(shop) is None


async def test_a_bad_release_that_a_human_let_go_is_still_undone(shop: World) -> None:
    """Going on without steps is not going on without judgement."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.behave("web:2", crash_loop())
    shop.cluster.pause("web", False, namespace=NAMESPACE)
    await shop.phase(Phase.UNDONE, image="web:2", within=120)
    assert shop.image() == "web:1"


async def test_a_fix_applied_to_a_held_and_paused_rollout_goes_on(plain: World) -> None:
    """A plain rollout that was held and paused is superseded by one without steps: our pause does not stay."""
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    for name in ("api", "jobs"):
        plain.cluster.deploy(name, f"{name}:1", 2, namespace=NAMESPACE)
    await asyncio.sleep(1)
    await plain.post_alerts(*(plain.alert(deployment=name) for name in ("web", "api", "jobs")))
    await plain.phase(Phase.HELD, image="web:2", within=30)
    await plain.until(plain.paused, within=30)
    plain.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await plain.until(lambda: plain.pods_of("web:3") == 10 and not plain.paused(), within=120)
