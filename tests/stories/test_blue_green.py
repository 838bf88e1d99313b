"""Stories of blue-green pairs: two Deployments that take turns behind one Service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clustersim.faults import FaultKind, InjectedFault
from clustersim.metrics.traffic import Quality
from clustersim.node.behaviour import crash_loop, never_ready
from clustersim.storage.resources import DEPLOYMENTS, SERVICES
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.blue_green import BLUE, GREEN, PODS, BlueGreen, blue_green
from tests.support.world import NAMESPACE, actions, decision


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[BlueGreen]:
    """A pair of which blue serves."""
    async with blue_green(tmp_path) as ready:
        yield ready


async def test_a_good_release_is_previewed_switched_to_and_promoted(pair: BlueGreen) -> None:
    """Green gets blue's number of pods and the preview, then all requests; blue keeps its pods for a while."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    assert (pair.serving(), pair.serving("web-preview"), pair.replicas(GREEN)) == (BLUE, GREEN, PODS)
    record = await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "promote"]
    assert (pair.serving(), pair.replicas(BLUE), pair.lost()) == (GREEN, PODS, 0)
    await pair.until(lambda: pair.replicas(BLUE) == 0, what="blue is scaled down")
    assert (pair.world.pods_of("web:2", GREEN), pair.lost()) == (PODS, 0)


async def test_the_colours_take_turns(pair: BlueGreen) -> None:
    """The next release goes into blue, which comes back from 0 for it."""
    pair.release("web:2")
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    await pair.until(lambda: pair.replicas(BLUE) == 0, what="blue is scaled down")
    pair.release("web:3", BLUE)
    record = await pair.world.phase(Phase.PROMOTED, image="web:3")
    assert record.stable is not None
    assert record.stable.images == ("web:2",)
    assert (pair.serving(), pair.replicas(BLUE), pair.lost()) == (BLUE, PODS, 0)


async def test_a_release_that_crashes_never_gets_a_request(pair: BlueGreen) -> None:
    """It is undone at the preview: requests stay where they are, and green is scaled down later."""
    pair.world.cluster.behave("web:2", crash_loop())
    pair.release("web:2")
    record = await pair.world.phase(Phase.UNDONE, image="web:2", within=600)
    assert actions(record) == ["undo", "restored"]
    assert (pair.serving(), pair.lost()) == (BLUE, 0)
    await pair.until(lambda: pair.replicas(GREEN) == 0, what="green is scaled down")
    assert (pair.serving(), pair.replicas(BLUE)) == (BLUE, PODS)


async def test_a_release_that_fails_requests_is_switched_back_at_once(pair: BlueGreen) -> None:
    """Blue has all its pods still; without a baseline in service, its good hour before stands in."""
    await asyncio.sleep(600)
    pair.world.cluster.serve("web:2", Quality(errors=0.2))
    pair.release("web:2")
    record = await pair.world.phase(Phase.UNDONE, image="web:2")
    assert actions(record) == ["advance", "undo", "restored"]
    assert decision(record, Action.UNDO).rule == "error-rate"
    undo = record.state.undo
    assert undo is not None
    assert undo.restored_at is not None
    assert (undo.restored_at - undo.decided_at).total_seconds() < 2
    assert (pair.serving(), pair.lost()) == (BLUE, 0)


async def test_an_undo_in_guard_brings_the_old_colour_back_first(pair: BlueGreen) -> None:
    """Scaled to 0 meanwhile, it gets its former pods, and requests once they are ready."""
    pair.release("web:2")
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    await pair.until(lambda: pair.replicas(BLUE) == 0, what="blue is scaled down")
    await pair.world.post_alerts(pair.world.alert(service="web"))
    record = await pair.world.phase(Phase.UNDONE, image="web:2", within=300)
    assert actions(record) == ["advance", "promote", "undo", "restored"]
    assert "0 of 6 pods ready" in str(decision(record, Action.UNDO).outcome)
    assert (pair.serving(), pair.replicas(BLUE), pair.lost()) == (BLUE, PODS, 0)


async def test_the_switch_waits_for_every_pod(pair: BlueGreen) -> None:
    """Endpoints would follow the selector ready or not."""
    pair.world.cluster.behave("web:2", never_ready())
    pair.release("web:2")
    await asyncio.sleep(60)
    assert pair.serving() == BLUE
    record = await pair.world.phase(Phase.UNDONE, image="web:2")
    assert "advance" not in actions(record)
    assert pair.lost() == 0


async def test_a_switch_back_by_hand_ends_the_rollout(pair: BlueGreen) -> None:
    """Who serves is read from the Service: the release is not switched to again."""
    pair.release("web:2")
    await pair.until(lambda: pair.serving() == GREEN, what="green serves")
    pair.switch(BLUE)
    record = await pair.world.phase(Phase.SUPERSEDED, image="web:2")
    assert record.state.reason == "RolledBackByHand"
    await asyncio.sleep(300)
    assert (pair.serving(), pair.lost()) == (BLUE, 0)


async def test_a_release_put_back_by_hand_before_the_switch_gives_its_pods_back(pair: BlueGreen) -> None:
    """Green has what serves, and stands by for nothing."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.release("web:1")
    record = await pair.world.phase(Phase.SUPERSEDED, image="web:2")
    assert record.state.reason == "RolledBackByHand"
    await pair.until(lambda: pair.replicas(GREEN) == 0, what="green is scaled down")
    assert (pair.serving(), pair.replicas(BLUE), pair.lost()) == (BLUE, PODS, 0)


async def test_a_switch_by_hand_is_judged_like_ours(pair: BlueGreen) -> None:
    """The preview is over then."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.switch(GREEN)
    record = await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record)[-1] == "promote"
    assert pair.serving() == GREEN


async def test_a_newer_release_supersedes_the_one_at_the_preview(pair: BlueGreen) -> None:
    """It starts over, against what serves."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.release("web:3")
    record = await pair.world.phase(Phase.PROMOTED, image="web:3")
    assert record.stable is not None
    assert record.stable.images == ("web:1",)
    assert (await pair.world.phase(Phase.SUPERSEDED, image="web:2")).state.ending.ended_at is not None
    assert (pair.serving(), pair.lost()) == (GREEN, 0)


@pytest.mark.parametrize("selector", [{"shop": "web"}, {}])
async def test_a_service_that_does_not_tell_who_serves_holds_the_rollout(
    pair: BlueGreen, selector: dict[str, str]
) -> None:
    """Both colours live, or no selector: one sentence, and nothing is touched; put right, the rollout goes on."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.change(lambda service: service["spec"].update(selector=selector))
    record = await pair.world.phase(Phase.HELD, image="web:2")
    assert record.state.hold is not None
    said = "web-blue and web-green at once" if selector else "Service web has no selector"
    assert said in record.state.hold.message
    await asyncio.sleep(120)
    pair.change(lambda service: service["spec"].update(selector={"app": BLUE}))
    await pair.world.phase(Phase.PROMOTED, image="web:2")


@pytest.mark.parametrize("write", [1, 3, 5, 7, 10])
async def test_a_release_interrupted_at_any_write_is_completed(pair: BlueGreen, write: int) -> None:
    """The answer to one write is lost and the daemon dies there: another one goes on, and no request is lost."""
    drop = InjectedFault(
        FaultKind.DROP, frozenset({"create", "update", "patch", "delete"}), count=1, skip=write
    )
    pair.world.cluster.faults.add(drop)
    pair.release("web:2")
    await pair.until(lambda: drop.struck == 1, what=f"write {write}")
    await pair.world.restart()
    record = await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "promote"]
    await pair.until(lambda: pair.replicas(BLUE) == 0, what="blue is scaled down")
    assert (pair.serving(), pair.lost()) == (GREEN, 0)


async def test_a_switch_that_was_decided_and_not_made_is_made_by_the_same_decision(pair: BlueGreen) -> None:
    """Its outcome is written once requests have moved, and not when the daemon comes back."""
    refused = InjectedFault(FaultKind.ERROR, frozenset({"patch"}), "/services/web$", status=503)
    pair.world.cluster.faults.add(refused)
    pair.release("web:2")
    await pair.until(lambda: refused.struck > 0, what="the switch is refused")
    await pair.world.stop()
    pair.world.cluster.faults.remove(refused)
    await pair.world.start()
    record = await pair.world.phase(Phase.PROMOTED, image="web:2")
    outcome = decision(record, Action.ADVANCE).outcome
    assert outcome is not None
    assert "Service web was switched from web-blue to web-green" in outcome.detail


@pytest.mark.parametrize("write", [1, 3, 4])
async def test_an_undo_interrupted_at_any_write_is_completed(pair: BlueGreen, write: int) -> None:
    """Blue was scaled to 0: it is brought back and switched to once, whenever the daemon dies."""
    pair.release("web:2")
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    await pair.until(lambda: pair.replicas(BLUE) == 0, what="blue is scaled down")
    drop = InjectedFault(
        FaultKind.DROP, frozenset({"create", "update", "patch", "delete"}), count=1, skip=write
    )
    pair.world.cluster.faults.add(drop)
    await pair.world.post_alerts(pair.world.alert(service="web"))
    await pair.until(lambda: drop.struck == 1, what=f"write {write}")
    await pair.world.restart()
    record = await pair.world.phase(Phase.UNDONE, image="web:2", within=600)
    assert actions(record).count("undo") == 1
    assert (pair.serving(), pair.replicas(BLUE), pair.lost()) == (BLUE, PODS, 0)


async def test_scaled_during_the_preview_the_other_colour_follows(pair: BlueGreen) -> None:
    """It must carry what serves now."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.scale(BLUE, 9)
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert (pair.serving(), pair.replicas(GREEN), pair.lost()) == (GREEN, 9, 0)


async def test_a_service_that_is_deleted_holds_the_rollout(pair: BlueGreen) -> None:
    """Made again, it is switched."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.world.cluster.store.delete(SERVICES, NAMESPACE, "web")
    record = await pair.world.phase(Phase.HELD, image="web:2")
    assert record.state.message == "there is no Service web"
    pair.world.cluster.expose("web", namespace=NAMESPACE, app=BLUE)
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert pair.serving() == GREEN


async def test_a_colour_that_is_deleted_leaves_what_serves(pair: BlueGreen) -> None:
    """The rollout is over; made again with the same release, it goes on anew."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.world.cluster.store.delete(DEPLOYMENTS, NAMESPACE, GREEN)
    await pair.world.phase(Phase.SUPERSEDED, image="web:2")
    pair.world.cluster.deploy(GREEN, "web:2", 0, namespace=NAMESPACE)
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert (pair.serving(), pair.lost()) == (GREEN, 0)


async def test_what_serves_changed_in_place_is_judged_and_put_back(pair: BlueGreen) -> None:
    """A release applied to the colour that serves is no switch: its own template comes back."""
    pair.world.cluster.behave("web:2", crash_loop())
    pair.release("web:2", BLUE)
    await pair.world.phase(Phase.UNDONE, image="web:2", within=900)
    assert (pair.serving(), pair.world.image(BLUE)) == (BLUE, "web:1")
