"""Stories in which replicas come and go in the middle of a rollout: people at night, an autoscaler by day."""

import asyncio
import re
from pathlib import Path

import pytest

from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.world import CANARY_POLICY, NAMESPACE, World, actions, world

NIGHT = 2400.0
"""Longer than the deadline of the stories' policies."""


def scale(here: World, replicas: int) -> None:
    """As `kubectl scale` does."""
    here.cluster.scale("web", replicas, namespace=NAMESPACE)


def newest(here: World) -> Record:
    """The rollout of `web:2`."""
    record = here.record(image="web:2")
    assert record is not None
    return record


async def test_a_night_at_zero_under_a_canary_ends_in_an_ordinary_judgement(shop: World) -> None:
    """The clock stands still and the state says why; afterwards every pod is the candidate's, and records say so."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    scale(shop, 0)
    await asyncio.sleep(NIGHT)
    idle = newest(shop)
    assert (idle.state.phase, idle.state.reason, idle.state.weight) == (
        Phase.PROGRESSING,
        "ScaledToZero",
        0.0,
    )
    assert actions(idle) == []
    scale(shop, 10)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    first, second = [entry.message for entry in record.decisions if entry.action is Action.ADVANCE]
    assert first.startswith(
        "100% of the pods (step 1 asks for 10%) passed, next is step 2, which asks for 50%: "
    )
    assert second.startswith("100% of the pods (step 2 asks for 50%) passed, next is 100%: ")
    assert not shop.paused()


async def test_a_night_at_zero_of_a_plain_rollout_ends_in_an_ordinary_judgement(plain: World) -> None:
    """Neither expired nor promoted without pods."""
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.BAKING, image="web:2")
    scale(plain, 0)
    await asyncio.sleep(NIGHT)
    assert newest(plain).state.reason == "ScaledToZero"
    scale(plain, 10)
    record = await plain.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["promote"]


@pytest.mark.parametrize("fault", ["errors", "crashes"])
async def test_what_is_bad_after_a_night_at_zero_is_undone(shop: World, fault: str) -> None:
    """The stable revision of before the night is what the candidate is held against."""
    await asyncio.sleep(600)
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    scale(shop, 0)
    await asyncio.sleep(NIGHT)
    if fault == "errors":
        shop.cluster.serve("web:2", Quality(errors=0.3))
    else:
        shop.cluster.behave("web:2", crash_loop())
    scale(shop, 10)
    await shop.phase(Phase.UNDONE, image="web:2")
    assert shop.image() == "web:1"


async def test_a_night_at_zero_while_an_approval_is_awaited(tmp_path: Path) -> None:
    """It is asked for again once there are pods that it can be about."""
    policy = CANARY_POLICY.replace("{weight: 10%, bake: 1m}", "{weight: 10%, bake: 1m, approval: required}")
    async with world(tmp_path, policy) as here:
        await at_rest(here)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: _awaits(here), within=300)
        scale(here, 0)
        await asyncio.sleep(NIGHT)
        assert newest(here).state.reason == "ScaledToZero"
        scale(here, 10)
        await here.until(lambda: _awaits(here), within=600)
        assert newest(here).state.message.startswith(
            "every rule passed at 100% of the pods (step 1 asks for 10%)"
        )
        here.command("approve")
        await here.phase(Phase.PROMOTED, image="web:2")


async def test_a_revision_that_comes_at_zero_is_judged_when_there_are_pods(shop: World) -> None:
    """Also by a process that was started at zero: no pods are no rollout that is over."""
    scale(shop, 0)
    await shop.until(lambda: shop.pods_of("web:1") == 0)
    await shop.restart()
    await asyncio.sleep(60)
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.until(lambda: shop.record(image="web:2") is not None)
    await asyncio.sleep(NIGHT)
    shop.cluster.behave("web:2", crash_loop())
    scale(shop, 10)
    await shop.phase(Phase.UNDONE, image="web:2")
    assert shop.image() == "web:1"


async def test_a_revision_scaled_to_zero_before_it_was_judged_is_nobodys_stable(shop: World) -> None:
    """The next release goes back to what was good, not to what had no pods for a night."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    scale(shop, 0)
    await asyncio.sleep(600)
    shop.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await shop.until(lambda: shop.record(image="web:3") is not None)
    record = shop.record(image="web:3")
    assert record is not None
    assert record.stable is not None
    assert record.stable.images == ("web:1",)


async def test_an_autoscaler_never_makes_a_record_untrue(shop: World) -> None:
    """More replicas in the middle of a bake: the step ends at its weight, and the figure is what was there then."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    scale(shop, 25)
    await shop.until(lambda: len(actions(newest(shop))) == 1, within=600)
    (advance,) = [entry for entry in newest(shop).decisions if entry.action is Action.ADVANCE]
    ready = re.search(r"all candidate pods are ready \((\d+) of", advance.message)
    assert ready is not None
    pods = int(ready[1])
    assert pods >= 3
    assert advance.message.startswith(
        f"{pods / 25:.0%} of the pods (step 1 asks for 10%) passed, next is 50%: "
    )


async def test_a_release_of_few_pods_says_the_weight_that_it_was_judged_at(shop: World) -> None:
    """A tenth of four is one pod, and a quarter."""
    scale(shop, 4)
    await shop.settle()
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    first = next(entry for entry in record.decisions if entry.action is Action.ADVANCE)
    assert first.message.startswith("25% of the pods (step 1 asks for 10%) passed, next is 50%: ")


def _awaits(here: World) -> bool:
    record = here.record(image="web:2")
    return record is not None and record.state.waits.approval_since is not None
