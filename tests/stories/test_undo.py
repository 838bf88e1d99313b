"""Stories of undos that are limited, refused, approved, late, or of a revision that is known."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clustersim.cluster import JsonObject
from clustersim.node.behaviour import Behaviour, crash_loop, volume_stuck
from clustersim.storage.resources import DEPLOYMENTS, REPLICASETS
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import IRREVERSIBLE_ANNOTATION
from tests.stories.conftest import at_rest
from tests.support.world import CANARY_POLICY, NAMESPACE, PLAIN_POLICY, World, actions, decision, world


@asynccontextmanager
async def ruled(folder: Path, policy: str, **environ: str) -> AsyncIterator[World]:
    """A service at rest under this policy."""
    async with world(folder, policy, **environ) as here:
        await at_rest(here)
        yield here


def released(image: str, **annotations: str) -> Callable[[JsonObject], None]:
    """A change of the template to an image, with annotations on it."""

    def change(obj: JsonObject) -> None:
        template = obj["spec"]["template"]
        template["spec"]["containers"][0]["image"] = image
        template["metadata"].setdefault("annotations", {}).update(annotations)

    return change


async def undone(here: World, image: str) -> Record:
    """Release an image whose pods crash, and see it undone."""
    here.cluster.behave(image, crash_loop())
    here.cluster.set_image("web", image, namespace=NAMESPACE)
    return await here.phase(Phase.UNDONE, image=image, within=300)


async def test_observe_mode_decides_and_touches_nothing(tmp_path: Path) -> None:
    """The decision is entered and told, the pods crash on, and no pause was made."""
    async with ruled(tmp_path, CANARY_POLICY, SENTINEL_MODE="observe") as here:
        before = here.cluster.deployment("web", namespace=NAMESPACE)["metadata"]
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.HELD, image="web:2", within=300)
        undo = decision(record, Action.UNDO)
        assert undo.outcome is not None
        assert (undo.outcome.kind, undo.message.split(":")[0]) == ("observed", "would undo")
        assert here.image() == "web:2"
        assert not here.paused()
        assert here.cluster.deployment("web", namespace=NAMESPACE)["metadata"]["uid"] == before["uid"]


async def test_past_the_budget_it_is_held_and_a_human_is_called(tmp_path: Path) -> None:
    """A third bad release within the hour is one for people."""
    async with ruled(tmp_path, PLAIN_POLICY + "  undo: {budget: {max: 2, per: 1h}}\n") as here:
        for image in ("web:2", "web:3"):
            await undone(here, image)
        here.cluster.behave("web:4", crash_loop())
        here.cluster.set_image("web", "web:4", namespace=NAMESPACE)
        record = await here.phase(Phase.HELD, image="web:4", within=300)
        hold = decision(record, Action.HOLD)
        assert (hold.reason, hold.escalated) == ("UndoBudget", True)
        assert here.image() == "web:4"


async def test_an_irreversible_revision_is_never_undone(plain: World) -> None:
    """A revision marked irreversible is paused, held and told."""
    plain.cluster.behave("web:2", crash_loop())
    change = released("web:2", **{IRREVERSIBLE_ANNOTATION: "migrates the orders table"})
    plain.cluster.change("web", change, namespace=NAMESPACE)
    record = await plain.phase(Phase.HELD, image="web:2", within=300)
    assert decision(record, Action.HOLD).reason == "Irreversible"
    assert plain.paused()
    assert plain.image() == "web:2"


async def test_the_target_is_the_stable_and_not_a_revision_that_was_undone(plain: World) -> None:
    """Two bad releases in a row both go back to the good one, unlike `kubectl rollout undo` twice."""
    await undone(plain, "web:2")
    record = await undone(plain, "web:3")
    assert record.state.undo is not None
    assert record.state.undo.target.images == ("web:1",)
    assert plain.image() == "web:1"


async def test_without_the_old_template_it_is_held(plain: World) -> None:
    """When nobody holds the stable template any more, there is nothing to go back to."""
    plain.cluster.change("web", lambda obj: obj["spec"].update(revisionHistoryLimit=0), namespace=NAMESPACE)
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.PROMOTED, image="web:2")
    for replica_set in plain.cluster.store.list(REPLICASETS, NAMESPACE):
        if not replica_set["spec"]["replicas"]:
            plain.cluster.store.delete(REPLICASETS, NAMESPACE, replica_set["metadata"]["name"])
    plain.cluster.behave("web:2", crash_loop())
    await plain.until(lambda: not _live(plain, "web:2"), within=600)
    record = plain.record(image="web:2")
    assert record is not None
    assert record.decisions[-1].reason == "TemplateGone"
    assert record.decisions[-1].escalated
    assert plain.image() == "web:2"


def _live(here: World, image: str) -> bool:
    record = here.record(image=image)
    return record is None or record.live


@pytest.mark.parametrize(("choice", "phase"), [("hold", Phase.HELD), ("undo", Phase.UNDONE)])
async def test_a_revision_that_was_undone_before_is_treated_as_the_policy_says(
    tmp_path: Path, choice: str, phase: Phase
) -> None:
    """Applied again after a while, a known bad revision is held or undone without being judged."""
    async with ruled(tmp_path, PLAIN_POLICY + f"  undo: {{onKnownBad: {choice}}}\n") as here:
        await undone(here, "web:2")
        await asyncio.sleep(900)
        here.cluster.behave("web:2", Behaviour())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: len([r for r in here.records() if "web:2" in r.candidate.images]) == 2)
        record = await here.phase(phase, image="web:2", within=120)
        assert record.attempt == 2
        assert "KnownBad" in {entry.reason for entry in record.decisions}


async def test_a_known_bad_revision_is_judged_anew_by_default(plain: World) -> None:
    """What was undone for a fault that is mended elsewhere may prove itself."""
    await undone(plain, "web:2")
    await asyncio.sleep(900)
    plain.cluster.behave("web:2", Behaviour())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await plain.phase(Phase.PROMOTED, image="web:2")
    assert record.attempt == 2


async def test_a_restore_that_takes_too_long_is_escalated_once(plain: World) -> None:
    """When the old pods do not come back either, a human is called, and the undo stands."""
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.PROMOTED, image="web:2")
    plain.cluster.behave("web:1", Behaviour(ready_after=None))
    plain.cluster.behave("web:2", crash_loop())
    await plain.phase(Phase.UNDOING, image="web:2", within=300)
    await asyncio.sleep(900)
    record = plain.record(image="web:2")
    assert record is not None
    assert decision(record, Action.ESCALATE).reason == "RestoreOverdue"
    plain.cluster.behave("web:1", Behaviour())
    record = await plain.phase(Phase.UNDONE, image="web:2", within=300)
    assert actions(record)[-1] == "restored"


async def test_a_step_that_needs_approval_waits_for_it(tmp_path: Path) -> None:
    """Every rule passed and nobody approved: it waits past the deadline; approved, it goes on."""
    policy = CANARY_POLICY.replace("{weight: 10%, bake: 1m}", "{weight: 10%, bake: 1m, approval: required}")
    async with ruled(tmp_path, policy.replace("deadline: 30m", "deadline: 5m")) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: "AwaitingApproval" in _reasons(here), within=300)
        await asyncio.sleep(400)
        assert here.pods_of("web:2") == 1
        here.command("approve", step=1)
        record = await here.phase(Phase.PROMOTED, image="web:2", within=900)
        assert actions(record) == ["escalate", "approve", "advance", "advance", "promote"]


def _reasons(here: World) -> set[str]:
    record = here.record(image="web:2")
    return {entry.reason for entry in record.decisions} if record else set()


async def test_a_hold_is_ended_by_a_human(hasty: World) -> None:
    """A held rollout goes on when someone says so."""
    hasty.cluster.behave("web:2", volume_stuck())
    hasty.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await hasty.phase(Phase.HELD, image="web:2", within=3600)
    hasty.cluster.behave("web:2", Behaviour())
    hasty.command("resume")
    record = await hasty.phase(Phase.PROMOTED, image="web:2", within=3600)
    assert "resume" in actions(record)


async def test_recreate_with_steps_is_refused(shop: World) -> None:
    """Canary steps under the Recreate strategy: said so and held, the workload untouched."""

    def recreate(obj: JsonObject) -> None:
        obj["spec"]["strategy"] = {"type": "Recreate"}
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"

    shop.cluster.change("web", recreate, namespace=NAMESPACE)
    record = await shop.phase(Phase.HELD, image="web:2")
    assert decision(record, Action.HOLD).reason == "CannotStep"
    assert not shop.cluster.store.get(DEPLOYMENTS, NAMESPACE, "web")["spec"].get("paused")
