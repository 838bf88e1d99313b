"""Stories of workloads that Argo CD deploys: an undo lasts, and what was held is let go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clustersim.cluster import JsonObject
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import DEPLOYMENTS
from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.keeper import KeeperHoldEnd
from tests.stories.gitops import AUTOMATED, Deployed, by_argocd, web
from tests.support.world import decision


async def undone(made: Deployed, image: str = "web:2") -> Record:
    """Release an image that crashes, and wait until that is undone."""
    made.release(image)
    return await made.world.phase(Phase.UNDONE, image=image)


def hold_ended(made: Deployed, image: str = "web:2") -> bool:
    """Whether the hold for this image's undo is over."""
    record = made.world.record(image=image)
    return record is not None and record.keeper_hold is None


def ended(made: Deployed) -> bool:
    """Whether the bad release is undone."""
    record = made.world.record(image="web:2")
    return record is not None and record.state.phase is Phase.UNDONE


async def test_an_undo_stands_against_self_heal(tmp_path: Path) -> None:
    """For ten minutes, and Argo CD never writes the bad image again; without the hold it does within a second."""
    async with by_argocd(tmp_path) as made:
        record = await undone(made)
        assert made.automated() == {**AUTOMATED, "enabled": False}
        assert "is held until its source changes" in decision(record, Action.UNDO).message
        await asyncio.sleep(600)
        assert made.world.image() == "web:1"
        assert made.tool.writes == ["web:1", "web:2"]


async def test_the_next_good_commit_is_deployed_and_nothing_of_ours_is_left(tmp_path: Path) -> None:
    """The hold is released when the source changes; what it changed is as it was."""
    async with by_argocd(tmp_path) as made:
        await undone(made)
        made.release("web:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        assert made.automated() == AUTOMATED
        assert made.nothing_of_ours()
        record = made.world.record(image="web:2")
        assert record is not None
        assert record.decisions[-1].action is Action.RELEASE
        assert record.decisions[-1].reason == KeeperHoldEnd.SOURCE_CHANGED


async def test_a_revert_in_git_ends_the_hold(tmp_path: Path) -> None:
    """Live state and Git agree again."""
    async with by_argocd(tmp_path) as made:
        await undone(made)
        made.release("web:1")
        await made.world.until(lambda: hold_ended(made), within=60, what="it is released")
        await asyncio.sleep(30)
        assert (made.world.image(), made.automated()) == ("web:1", AUTOMATED)
        assert made.nothing_of_ours()


async def test_before_argo_cd_3_1_automation_is_taken_out_and_put_back(tmp_path: Path) -> None:
    """Its definition drops `enabled`, which is seen when the hold is read back."""
    async with by_argocd(tmp_path, enabled=False) as made:
        await undone(made)
        assert made.automated() is None
        await asyncio.sleep(120)
        assert made.world.image() == "web:1"
        made.release("web:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        assert made.automated() == AUTOMATED


async def test_a_commit_that_leaves_the_bad_image_is_undone_once_more_and_then_held_for_people(
    tmp_path: Path,
) -> None:
    """Whether another file's commit still wants the undone revision cannot be known: it is tried once."""
    async with by_argocd(tmp_path) as made:
        await undone(made)
        made.git.commit()
        await made.world.until(lambda: len(made.world.records()) == 3, what="it came back")
        again = await made.world.phase(Phase.UNDONE, image="web:2")
        assert (again.attempt, decision(again, Action.UNDO).escalated) == (2, True)
        assert "argocd-controller deployed" in decision(again, Action.UNDO).message
        made.git.commit()
        await asyncio.sleep(600)
        assert made.world.image() == "web:1"
        assert made.automated() == {**AUTOMATED, "enabled": False}
        assert made.tool.writes == ["web:1", "web:2", "web:2"]


async def test_a_hold_that_an_operator_lifts_is_not_put_back(tmp_path: Path) -> None:
    """It is noticed, people are called once, and what Git wants then is never undone again."""
    async with by_argocd(tmp_path) as made:
        await undone(made)

        def lift(app: JsonObject) -> None:
            app["spec"]["syncPolicy"]["automated"]["enabled"] = True

        await asyncio.sleep(5)
        made.world.cluster.store.mutate(made.kind, "argocd", "shop", lift, manager="operator")
        record = await made.world.phase(Phase.HELD, image="web:2")
        assert record.state.reason == HoldReason.RESTORED_AFTER_UNDO
        first = made.world.records()[1]
        assert first.decisions[-1].reason == KeeperHoldEnd.LIFTED
        assert first.decisions[-1].escalated
        await asyncio.sleep(300)
        assert made.automated() == {**AUTOMATED, "enabled": True}


async def test_without_the_right_to_read_applications_the_undo_becomes_a_hold(tmp_path: Path) -> None:
    """Better than an undo that is taken back within a second; the sentence says what is missing."""
    async with by_argocd(tmp_path, granted=False) as made:
        made.release("web:2")
        record = await made.world.phase(Phase.HELD, image="web:2")
        assert record.state.reason == HoldReason.KEEPER_REVERTS
        assert "cannot read applications.argoproj.io" in record.state.message


async def test_without_the_right_to_patch_applications_the_undo_becomes_a_hold(tmp_path: Path) -> None:
    """Nothing was written to the workload."""
    async with by_argocd(tmp_path) as made:
        refuse = InjectedFault(FaultKind.ERROR, frozenset({"patch"}), path="/applications/", status=403)
        made.world.cluster.faults.add(refuse)
        made.release("web:2")
        record = await made.world.phase(Phase.HELD, image="web:2")
        assert record.state.reason == HoldReason.KEEPER_REVERTS
        assert decision(record, Action.UNDO).outcome is not None
        assert made.world.image() == "web:2"


async def test_a_release_that_is_forbidden_is_said_once(tmp_path: Path) -> None:
    """With the right to Applications taken away, neither the undo nor the end of its hold can be made."""
    async with by_argocd(tmp_path) as made:
        denied = InjectedFault(
            FaultKind.ERROR, frozenset({"get", "patch"}), path="/applications/", status=403
        )
        made.world.cluster.faults.add(denied)
        made.release("web:2")
        await made.world.phase(Phase.HELD, image="web:2")
        await asyncio.sleep(60)
        record = made.world.record(image="web:2")
        assert record is not None
        assert record.state.reason == HoldReason.KEEPER_REVERTS
        ends = [each.outcome for each in record.decisions if each.action is Action.RELEASE]
        assert [end and end.kind for end in ends] == [OutcomeKind.FAILED]


async def test_an_application_that_syncs_by_hand_is_not_held(tmp_path: Path) -> None:
    """The notice says that the next sync deploys the undone revision."""
    async with by_argocd(tmp_path, syncPolicy={"automated": {**AUTOMATED, "selfHeal": False}}) as made:

        def by_hand(app: JsonObject) -> None:
            app["spec"]["syncPolicy"] = {}

        made.release("web:2")
        await made.world.until(lambda: made.world.image() == "web:2", what="it is deployed")
        made.world.cluster.store.mutate(made.kind, "argocd", "shop", by_hand, manager="operator")
        record = await made.world.phase(Phase.UNDONE, image="web:2")
        assert "deploys it with its next sync" in decision(record, Action.UNDO).message
        assert record.state.keeper_hold is None


@pytest.mark.parametrize("write", range(8))
async def test_a_hold_interrupted_at_any_write_is_completed(tmp_path: Path, write: int) -> None:
    """The answer to one write is lost and the daemon dies there: another one completes it, and the undo stands."""
    async with by_argocd(tmp_path) as made:
        faults = made.world.cluster.faults
        verbs = frozenset({"create", "update", "patch", "delete"})
        drop = InjectedFault(FaultKind.DROP, verbs, count=1, skip=write)
        faults.add(drop)
        made.release("web:2")
        await made.world.until(lambda: drop.struck > 0 or ended(made), within=120, what="it struck")
        faults.rules.remove(drop)
        await made.world.restart()
        await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(60)
        assert made.world.image() == "web:1"
        assert made.automated() == {**AUTOMATED, "enabled": False}
        made.release("web:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        assert (made.automated(), made.nothing_of_ours()) == (AUTOMATED, True)


async def test_a_sync_under_way_is_ended_before_the_undo(tmp_path: Path) -> None:
    """Else its next attempt would write the bad image after the undo."""
    async with by_argocd(tmp_path) as made:
        made.release("web:2")
        await made.world.until(lambda: made.world.image() == "web:2", what="it is deployed")

        def retry(app: JsonObject) -> None:
            app["operation"] = {"sync": {"revision": made.git.revision}}
            app["status"]["operationState"] = {"phase": "Running"}

        made.world.cluster.store.mutate(made.kind, "argocd", "shop", retry, manager="argocd-controller")
        await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(60)
        assert made.world.image() == "web:1"


async def test_an_application_deleted_while_held_is_said_once(tmp_path: Path) -> None:
    """Nothing is left to restore."""
    async with by_argocd(tmp_path) as made:
        await undone(made)
        await asyncio.sleep(5)
        made.world.cluster.store.delete(made.kind, "argocd", "shop")
        await made.world.until(lambda: hold_ended(made), within=60, what="it is over")
        record = made.world.record(image="web:2")
        assert record is not None
        last = record.decisions[-1]
        assert (last.reason, last.escalated) == (KeeperHoldEnd.KEEPER_GONE, True)
        assert last.outcome is not None
        assert last.outcome.kind is OutcomeKind.DONE


async def test_a_hold_ends_with_its_workload(tmp_path: Path) -> None:
    """It is not for anything any longer."""
    async with by_argocd(tmp_path) as made:
        await undone(made)
        made.git.commit(web("web:1") | {"metadata": {"name": "other", "namespace": "shop"}})
        made.world.cluster.store.delete(DEPLOYMENTS, "shop", "web")
        await made.world.until(lambda: made.automated() == AUTOMATED, within=60, what="it is released")
