"""Stories in which a human asks for something by a RolloutCommand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import Behaviour, crash_loop
from clustersim.storage.resources import CRDS
from clustersim.storage.store import JsonObject
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import HOLD_LABEL
from tests.stories.conftest import at_rest
from tests.support.world import CANARY_POLICY, NAMESPACE, PLAIN_POLICY, World, actions, decision, world


async def test_a_hold_by_hand_lasts_until_the_resume(brief: World) -> None:
    """Nothing moves, not at the deadline either, though every rule passes; the record names who asked for what."""
    brief.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await brief.phase(Phase.BAKING, image="web:2")
    assert await brief.answered(brief.command("hold", reason="the migration runs")) == (
        "Done",
        "alice put the rollout on hold: the migration runs",
    )
    await asyncio.sleep(620)
    assert brief.pods_of("web:2") == 1
    assert (await brief.answered(brief.command("resume", by="bob")))[0] == "Done"
    record = await brief.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]
    assert decision(record, Action.HOLD).requested_by == "alice"
    assert decision(record, Action.RESUME).requested_by == "bob"


async def test_an_undo_by_hand_goes_back_to_the_stable_revision(shop: World) -> None:
    """In the middle of a canary, whatever the rules say."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    phase, message = await shop.answered(shop.command("undo", reason="wrong prices"))
    assert phase == "Done"
    assert message.startswith("alice asked for the undo: wrong prices; back to revision 1")
    record = await shop.phase(Phase.UNDONE, image="web:2")
    assert shop.image() == "web:1"
    assert not shop.paused()
    assert decision(record, Action.UNDO).requested_by == "alice"


async def test_an_undo_long_after_the_promotion(hasty: World) -> None:
    """The guard window is over and nobody watches any more; people may still go back."""
    hasty.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await hasty.phase(Phase.PROMOTED, image="web:2")
    await asyncio.sleep(400)
    assert (await hasty.answered(hasty.command("undo")))[0] == "Done"
    record = await hasty.phase(Phase.UNDONE, image="web:2")
    assert hasty.image() == "web:1"
    assert actions(record)[-2:] == ["undo", "restored"]


async def test_an_undo_to_a_revision_by_its_number(plain: World) -> None:
    """As `kubectl rollout undo --to-revision`; a number that is not there is refused."""
    for image in ("web:2", "web:3"):
        plain.cluster.set_image("web", image, namespace=NAMESPACE)
        await plain.phase(Phase.PROMOTED, image=image)
    assert await plain.answered(plain.command("undo", toRevision=9)) == (
        "Refused",
        "there is no other revision 9",
    )
    assert (await plain.answered(plain.command("undo", toRevision=1)))[0] == "Done"
    await plain.phase(Phase.UNDONE, image="web:3")
    assert plain.image() == "web:1"


async def test_the_hold_label_does_not_bind_people(plain: World) -> None:
    """It keeps the sentinel's hands off, and says so when somebody asks by name."""

    def labelled(obj: JsonObject) -> None:
        obj["metadata"]["labels"][HOLD_LABEL] = "true"

    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.PROMOTED, image="web:2")
    plain.cluster.change("web", labelled, namespace=NAMESPACE)
    phase, message = await plain.answered(plain.command("undo"))
    assert phase == "Done"
    assert "does not stop people" in message
    await plain.phase(Phase.UNDONE, image="web:2")
    assert plain.image() == "web:1"


async def test_a_promotion_by_hand_skips_the_steps_and_then_the_bake(shop: World) -> None:
    """The first one takes it to 100 %, the second one, with all pods there, promotes it without its bake."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    assert (await shop.answered(shop.command("promote")))[0] == "Done"
    await shop.until(lambda: shop.pods_of("web:2") == 10, within=30)
    await shop.settle()
    assert (await shop.answered(shop.command("promote")))[0] == "Done"
    record = await shop.phase(Phase.PROMOTED, image="web:2", within=5)
    assert actions(record) == ["advance", "promote"]
    assert decision(record, Action.PROMOTE).requested_by == "alice"


async def test_a_forgiven_revision_may_come_back(plain: World) -> None:
    """Right after an undo it would be held as put back by mistake; forgiven, it is judged as any other."""
    plain.cluster.behave("web:2", crash_loop())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.UNDONE, image="web:2", within=300)
    phase, message = await plain.answered(plain.command("forgive", reason="the database was down"))
    assert phase == "Done"
    assert "it is no longer known bad: the database was down" in message
    plain.cluster.behave("web:2", Behaviour())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await plain.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["promote"]


async def test_one_command_is_done_once_however_often_the_daemon_restarts(shop: World) -> None:
    """Its decision stands in the record by the command's uid."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    command = shop.command("hold")
    await asyncio.sleep(0.01)
    for _ in range(3):
        await shop.restart()
    assert (await shop.answered(command))[0] == "Done"
    record = await shop.phase(Phase.HELD, image="web:2")
    assert actions(record) == ["hold"]


async def test_a_command_that_nobody_saw_for_long_is_refused(plain: World) -> None:
    """An undo that was asked for while no sentinel ran is not done hours later."""
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.PROMOTED, image="web:2")
    await plain.stop()
    command = plain.command("undo")
    await asyncio.sleep(timedelta(hours=3).total_seconds())
    await plain.start()
    phase, message = await plain.answered(command)
    assert phase == "Refused"
    assert "ask again" in message
    assert plain.image() == "web:2"


@pytest.mark.parametrize(
    ("workload", "why"),
    [
        ("nobody", "the workload does not exist, or its kind is not watched (`kubernetes.kinds`)"),
        ("other", "no policy guards this workload"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_reason(tmp_path: Path, workload: str, why: str) -> None:
    """A workload that is not there, or not guarded."""
    policy = PLAIN_POLICY.replace(
        "namespaces: [shop]}", "namespaces: [shop], selector: {matchLabels: {app: web}}}"
    )
    async with world(tmp_path, policy) as here:
        await at_rest(here)
        here.cluster.deploy("other", "other:1", 1, namespace=NAMESPACE)
        await here.settle("other")
        phase, message = await here.answered(here.command("undo", workload))
        assert (phase, message) == ("Refused", why)


async def test_answered_commands_are_kept_for_a_while_only(plain: World) -> None:
    """The newest twenty of a workload."""
    names = []
    for _ in range(23):
        await asyncio.sleep(1)
        names.append(plain.command("resume"))
        await plain.answered(names[-1])
    await asyncio.sleep(1)
    kept = plain.cluster.store.list(plain.commands_type(), NAMESPACE)
    assert {each["metadata"]["name"] for each in kept} == set(names[-20:])


async def test_a_command_that_cannot_be_answered_holds_up_nothing(shop: World) -> None:
    """The right to write the answer was taken away: the rollout is judged all the same."""
    forbidden = InjectedFault(FaultKind.ERROR, path="rolloutcommands/[^/]+/status", status=403)
    shop.cluster.faults.add(forbidden)
    shop.command("resume")
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert forbidden.struck == 1
    assert actions(record) == ["advance", "advance", "promote"]


async def test_without_the_definition_of_commands_the_daemon_says_what_to_do(tmp_path: Path) -> None:
    """An upgrade that forgot it is refused with the command that installs it."""
    async with world(tmp_path, CANARY_POLICY) as here:
        here.cluster.store.delete(CRDS, "", "rolloutcommands.rollback-sentinel.dev")
        with pytest.raises(Exception, match=r"sentinel crd \| kubectl apply"):
            await here.start()
