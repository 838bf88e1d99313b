"""Stories of a Deployment that is released in canary steps: the daemon against the simulated cluster."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sentinel.domain.record import Action, Phase
from sentinel.simulation.behaviour import crash_loop
from sentinel.simulation.traffic import Quality
from tests.support.world import NAMESPACE, ROLLING, World, actions, decision, world


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[World]:
    """A service of ten pods under traffic, at rest, watched."""
    async with world(tmp_path) as here:
        here.cluster.deploy("web", "web:1", 10, namespace=NAMESPACE, **ROLLING)
        here.cluster.offer("web", 100, namespace=NAMESPACE)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        yield here


async def test_a_good_release_is_promoted_through_its_steps(shop: World) -> None:
    """10 %, 50 %, 100 %, each with its own pods and bake, then promoted; and the workload is left unpaused."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.until(lambda: shop.paused() and shop.pods_of("web:2") == 1, within=30)
    await shop.until(lambda: shop.paused() and shop.pods_of("web:2") == 5, within=120)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert shop.pods_of("web:2") == 10
    assert not shop.paused()


async def test_a_release_with_errors_is_undone_at_its_first_step(shop: World) -> None:
    """12 % errors in the canary alone lead back to the old image, and the bad pods go."""
    shop.cluster.serve("web:2", Quality(errors=0.12))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.UNDONE, image="web:2", within=300)
    undo = decision(record, Action.UNDO)
    assert (undo.step, undo.rule) == (0, "error-rate")
    assert shop.image() == "web:1"
    assert shop.pods_of("web:2") == 0
    assert not shop.paused()


async def test_a_crash_loop_is_undone_at_once(shop: World) -> None:
    """The first CrashLoopBackOff of the only canary pod is enough."""
    shop.cluster.behave("web:2", crash_loop())
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.UNDONE, image="web:2", within=60)
    assert decision(record, Action.UNDO).rule == "crash-loop"
    assert shop.image() == "web:1"
