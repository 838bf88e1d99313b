"""Stories of a Deployment that is released in canary steps: the daemon against the simulated cluster."""

import asyncio

import pytest

from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World, actions, decision


@pytest.mark.sockets
async def test_a_good_release_is_promoted_through_its_steps(shop: World) -> None:
    """10 %, 50 %, 100 %, each with its own pods and bake, then promoted; and the workload is left unpaused."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.until(lambda: shop.paused() and shop.pods_of("web:2") == 1, within=30)
    await shop.until(lambda: shop.paused() and shop.pods_of("web:2") == 5, within=120)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert shop.pods_of("web:2") == 10
    assert not shop.paused()
    assert record.candidate.number == 2


@pytest.mark.sockets
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


async def test_a_slow_release_is_undone_at_its_first_step(shop: World) -> None:
    """A mean of 2 s in the canary alone leads back, by the latency rule."""
    shop.cluster.serve("web:2", Quality(latency=2.0))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.UNDONE, image="web:2", within=300)
    assert decision(record, Action.UNDO).rule == "latency"


async def test_a_regression_that_shows_at_half_of_the_pods_is_undone_there(shop: World) -> None:
    """A fault that begins in the second step is found there, by that step's own evidence."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.until(lambda: shop.pods_of("web:2") == 5 and shop.paused(), within=200)
    shop.cluster.serve("web:2", Quality(errors=0.3))
    record = await shop.phase(Phase.UNDONE, image="web:2", within=200)
    assert decision(record, Action.UNDO).step == 1


async def test_an_outage_of_both_arms_is_held_and_told_not_undone(shop: World) -> None:
    """Errors everywhere are the environment's: the canary stays where it is, and a human is asked."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.outage()
    record = await shop.phase(Phase.HELD, image="web:2", within=120)
    hold = decision(record, Action.HOLD)
    assert (hold.reason, hold.escalated) == ("EnvironmentOutage", True)
    assert shop.image() == "web:2"
    assert shop.pods_of("web:2") == 1


@pytest.mark.sockets
async def test_a_rollout_goes_on_when_the_outage_is_over(shop: World) -> None:
    """Held for the environment's sake, resumed once its signs have stayed away, promoted in the end."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.outage()
    await shop.phase(Phase.HELD, image="web:2", within=120)
    shop.cluster.outage(False)
    record = await shop.phase(Phase.PROMOTED, image="web:2", within=1800)
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]


async def test_a_crash_after_promotion_is_undone_in_the_guard_window(shop: World) -> None:
    """A promoted revision whose pods begin to crash goes back to the one before."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.PROMOTED, image="web:2")
    shop.cluster.behave("web:2", crash_loop())
    record = await shop.phase(Phase.UNDONE, image="web:2", within=300)
    assert decision(record, Action.UNDO).rule == "crash-loop"
    assert shop.image() == "web:1"


async def test_the_guard_window_ends(brief: World) -> None:
    """After the guard a crash is nobody's but the on-call's: nothing is undone any more."""
    brief.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await brief.phase(Phase.PROMOTED, image="web:2")
    await brief.until(lambda: not any(r.live for r in brief.records()), within=2400)
    brief.cluster.behave("web:2", crash_loop())
    await asyncio.sleep(300)
    assert brief.image() == "web:2"


async def test_a_first_deployment_is_let_out_in_one_go(shop: World) -> None:
    """With no old pods to stay beside there are no steps: it is judged as a whole and never paused."""
    shop.cluster.deploy("new", "new:1", 4, namespace=NAMESPACE)
    shop.cluster.offer("new", 100, namespace=NAMESPACE)
    record = await shop.phase(Phase.PROMOTED, "new")
    assert actions(record) == ["promote"]
    assert shop.cluster.deployment("new", namespace=NAMESPACE)["metadata"]["generation"] == 1
