"""Stories in which somebody, or something, changes the workload in the middle of its rollout."""

import asyncio

from clustersim.cluster import JsonObject
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import DEPLOYMENTS
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import HOLD_LABEL, PAUSED_ANNOTATION
from tests.support.world import NAMESPACE, World, actions, decision


async def test_a_newer_revision_supersedes_and_starts_over(shop: World) -> None:
    """A template changed while the canary is paused ends that rollout and is itself taken through the steps."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await shop.phase(Phase.SUPERSEDED, image="web:2")
    await shop.until(lambda: shop.pods_of("web:3") == 1 and shop.paused(), within=60)
    record = await shop.phase(Phase.PROMOTED, image="web:3")
    assert record.stable is not None
    assert record.stable.images == ("web:1",)
    assert actions(record) == ["advance", "advance", "promote"]


async def test_a_rollback_by_hand_ends_the_rollout_and_our_pause(shop: World) -> None:
    """Whoever puts the old template back is obeyed: nothing new is judged, and the workload runs unpaused."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.set_image("web", "web:1", namespace=NAMESPACE)
    record = await shop.phase(Phase.SUPERSEDED, image="web:2")
    assert record.state.reason == "RolledBackByHand"
    await shop.until(lambda: not shop.paused() and shop.pods_of("web:1") == 10, within=60)
    await asyncio.sleep(120)
    assert len(shop.records()) == 2


async def test_a_pause_by_hand_is_left_alone(plain: World) -> None:
    """A pause that is not ours is neither lifted nor undone under, whatever the pods do, until it is lifted."""
    plain.cluster.behave("web:2", crash_loop())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    plain.cluster.pause("web", namespace=NAMESPACE)
    record = await plain.phase(Phase.HELD, image="web:2")
    assert decision(record, Action.HOLD).reason == "PausedByHand"
    await asyncio.sleep(300)
    assert plain.paused()
    assert plain.image() == "web:2"
    plain.cluster.pause("web", False, namespace=NAMESPACE)
    await plain.phase(Phase.UNDONE, image="web:2", within=120)


async def test_scaling_while_paused_keeps_the_weight(shop: World) -> None:
    """An HPA that doubles the pods makes the canary follow: the step asks for its share of the new size."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.scale("web", 30, namespace=NAMESPACE)
    await shop.until(lambda: shop.pods_of("web:2") >= 3 and shop.paused(), within=60)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert shop.pods_of("web:2") == 30


async def test_a_deleted_workload_ends_its_rollout(shop: World) -> None:
    """The record says that the workload went, and nothing is left in flight."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.store.delete(DEPLOYMENTS, NAMESPACE, "web")
    record = await shop.phase(Phase.FAILED, image="web:2")
    assert record.state.reason == "WorkloadDeleted"


async def test_a_first_deployment_that_is_bad_is_held(shop: World) -> None:
    """With no revision to go back to, it is held and a human is asked."""
    shop.cluster.behave("new:1", crash_loop())
    shop.cluster.deploy("new", "new:1", 3, namespace=NAMESPACE)
    record = await shop.phase(Phase.HELD, "new")
    hold = decision(record, Action.HOLD)
    assert (hold.reason, hold.escalated) == ("FirstDeployment", True)
    await asyncio.sleep(60)
    assert not shop.paused("new"), "a pause would keep nothing, and hold up the mended release"


async def test_an_undone_revision_put_right_back_is_not_undone_twice(shop: World) -> None:
    """One escalation that names who did it; the second time it is left to people."""
    shop.cluster.serve("web:2", Quality(errors=0.3))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.UNDONE, image="web:2")
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.HELD, image="web:2")
    assert record.state.hold is not None
    assert record.state.hold.reason == "RestoredAfterUndo"
    assert "story" in record.state.hold.message
    await asyncio.sleep(300)
    assert shop.image() == "web:2"


async def test_the_hold_label_keeps_the_sentinel_off(plain: World) -> None:
    """While the label is set nothing is touched; once it goes, the crash loop is undone."""

    def labelled(obj: JsonObject) -> None:
        obj["metadata"]["labels"][HOLD_LABEL] = "true"

    def unlabelled(obj: JsonObject) -> None:
        del obj["metadata"]["labels"][HOLD_LABEL]

    plain.cluster.change("web", labelled, namespace=NAMESPACE)
    plain.cluster.behave("web:2", crash_loop())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.HELD, image="web:2")
    await asyncio.sleep(120)
    assert plain.image() == "web:2"
    plain.cluster.change("web", unlabelled, namespace=NAMESPACE)
    await plain.phase(Phase.UNDONE, image="web:2", within=120)


async def test_only_the_template_the_change_cause_and_our_pause_are_touched(shop: World) -> None:
    """An undo leaves replicas, strategy and other annotations as they are, and takes our mark away."""

    def annotated(obj: JsonObject) -> None:
        obj["metadata"].setdefault("annotations", {})["team"] = "shop"

    shop.cluster.change("web", annotated, namespace=NAMESPACE)
    before = shop.cluster.deployment("web", namespace=NAMESPACE)
    shop.cluster.serve("web:2", Quality(errors=0.3))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.UNDONE, image="web:2")
    after = shop.cluster.deployment("web", namespace=NAMESPACE)
    assert {**after["spec"], "paused": False} == {**before["spec"], "paused": False}
    assert after["metadata"]["annotations"]["team"] == "shop"
    assert PAUSED_ANNOTATION not in after["metadata"]["annotations"]
    managers = {entry["manager"] for entry in after["metadata"]["managedFields"]}
    assert "rollback-sentinel" not in managers


async def test_a_workload_without_pods_calls_nobody(hasty: World) -> None:
    """A Deployment created at zero replicas waits to be scaled, also past its deadline."""
    hasty.cluster.deploy("idle", "idle:1", 0, namespace=NAMESPACE)
    await asyncio.sleep(8 * 60)
    record = hasty.record("idle")
    assert record is not None
    assert record.state.phase is not Phase.HELD
    assert not any(entry.escalated for entry in record.decisions)
