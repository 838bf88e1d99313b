"""Stories of workloads that Flux deploys: one annotation leaves the workload out for as long as its undo must last."""

from __future__ import annotations

import asyncio
from pathlib import Path

from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import DEPLOYMENTS
from sentinel.adapters.kubernetes.gitops.flux import RECONCILE
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.keeper import KeeperHoldEnd
from tests.stories.gitops import by_flux, web
from tests.support.world import NAMESPACE, decision


def said(record: Record) -> str:
    """What came of the release."""
    outcome = decision(record, Action.RELEASE).outcome
    return outcome.detail if outcome is not None else ""


async def test_an_undo_stands_and_the_rest_is_still_deployed(tmp_path: Path) -> None:
    """Ten intervals long; another Deployment of the same Kustomization is reconciled as ever."""
    async with by_flux(tmp_path) as made:
        other = web("other:1") | {"metadata": {"name": "other", "namespace": NAMESPACE}}
        made.git.commit(web("web:2"), other)
        await made.world.phase(Phase.UNDONE, image="web:2")
        assert made.annotations()[RECONCILE] == "disabled"
        made.world.cluster.set_image("other", "other:0", namespace=NAMESPACE)
        await asyncio.sleep(600)
        assert (made.world.image(), made.world.image("other")) == ("web:1", "other:1")


async def test_the_next_good_commit_is_deployed_and_nothing_of_ours_is_left(tmp_path: Path) -> None:
    """The annotation is gone with our mark."""
    async with by_flux(tmp_path) as made:
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(120)
        made.release("web:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        assert RECONCILE not in made.annotations()
        assert made.nothing_of_ours()


async def test_flux_is_asked_to_deploy_at_once_after_a_release(tmp_path: Path) -> None:
    """The good commit does not wait for the interval; without the right to ask it does, and the release says so."""
    async with by_flux(tmp_path, interval=3600) as made:
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        made.release("web:3")
        await made.world.until(lambda: made.world.image() == "web:3", within=30, what="it is deployed")
        record = made.world.record(image="web:2")
        assert record is not None
        assert "was asked to deploy now" in said(record)
        await made.world.phase(Phase.PROMOTED, image="web:3")
        made.world.cluster.behave("web:4", crash_loop())
        refuse = InjectedFault(FaultKind.ERROR, frozenset({"patch"}), path="/kustomizations/", status=403)
        made.world.cluster.faults.add(refuse)
        made.release("web:4")
        await made.world.phase(Phase.UNDONE, image="web:4")
        made.release("web:5")
        await made.world.until(lambda: RECONCILE not in made.annotations(), within=60, what="it is released")
        await asyncio.sleep(60)
        record = made.world.record(image="web:4")
        assert record is not None
        assert (made.world.image(), "at its next interval" in said(record)) == ("web:3", True)


async def test_a_commit_that_leaves_the_bad_image_is_undone_once_more_and_then_held_for_people(
    tmp_path: Path,
) -> None:
    """What the source wants is seen only when it is deployed: tried once, then left to people."""
    async with by_flux(tmp_path) as made:
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        made.git.commit()
        await made.world.until(lambda: len(made.world.records()) == 3, what="it came back")
        again = await made.world.phase(Phase.UNDONE, image="web:2")
        assert (again.attempt, decision(again, Action.UNDO).escalated) == (2, True)
        assert "kustomize-controller deployed" in decision(again, Action.UNDO).message
        made.git.commit()
        await asyncio.sleep(600)
        assert (made.world.image(), made.annotations()[RECONCILE]) == ("web:1", "disabled")
        assert made.tool.writes == ["web:1", "web:2", "web:2"]


async def test_a_workload_that_git_no_longer_has_is_not_left_behind_in_silence(tmp_path: Path) -> None:
    """Flux forgets what it leaves out: people are called, since no tool will ever delete it."""
    async with by_flux(tmp_path) as made:
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(60)
        made.git.commit(web("other:1") | {"metadata": {"name": "other", "namespace": NAMESPACE}})

        def over() -> bool:
            record = made.world.record(image="web:2")
            return record is not None and record.keeper_hold is None

        await made.world.until(over, within=120, what="it is over")
        record = made.world.record(image="web:2")
        assert record is not None
        assert record.decisions[-1].reason == KeeperHoldEnd.NOT_IN_SOURCE
        assert record.decisions[-1].escalated
        assert "until a person deletes it" in record.decisions[-1].message
        assert RECONCILE not in made.annotations()
        assert made.world.cluster.store.find(DEPLOYMENTS, NAMESPACE, "web") is not None


async def test_a_hold_whose_record_was_deleted_is_released(tmp_path: Path) -> None:
    """Our mark on the workload says what was there before."""
    async with by_flux(tmp_path) as made:
        made.release("web:2")
        record = await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(5)
        records = made.world.cluster.api.registry.of_kind("rollback-sentinel.dev", "v1", "RolloutRecord")
        made.world.cluster.store.delete(records, NAMESPACE, record.name)
        await made.world.until(lambda: RECONCILE not in made.annotations(), within=900, what="it is released")
