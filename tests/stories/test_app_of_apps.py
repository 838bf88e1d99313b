"""Stories of an Application that another one deploys from Git, and heals."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from clustersim.gitops.argocd import ArgoCd
from clustersim.gitops.git import Git
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import Phase
from tests.stories.gitops import AUTOMATED, Deployed, by_argocd


def under_root(made: Deployed, **automated: Any) -> None:
    """The Application is in the folder of another one from now on, with this in `spec.syncPolicy.automated`."""
    spec = {**made.owner()["spec"], "syncPolicy": {"automated": {**AUTOMATED, **automated}}}
    child = {"kind": "Application", "metadata": {"name": "shop", "namespace": "argocd"}, "spec": spec}
    assert isinstance(made.tool, ArgoCd)
    made.tool.follow("argocd", "root", Git(child))
    root = {
        "metadata": {"name": "root", "namespace": "argocd"},
        "spec": {"syncPolicy": {"automated": AUTOMATED}},
    }
    made.world.cluster.store.create(made.kind, root, manager="story")


async def test_a_child_is_held_below_a_parent_that_heals_it(tmp_path: Path) -> None:
    """The field that the hold sets is not in its manifest: no drift, for Argo CD."""
    async with by_argocd(tmp_path) as made:
        under_root(made)
        await asyncio.sleep(5)
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(600)
        assert (made.world.image(), made.automated()) == ("web:1", {**AUTOMATED, "enabled": False})
        made.release("web:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        assert (made.automated(), made.nothing_of_ours()) == (AUTOMATED, True)


async def test_a_child_whose_manifest_names_the_field_of_the_hold_is_left_to_people(tmp_path: Path) -> None:
    """Its parent would take the hold back within a second; the sentence says which line is to be taken out."""
    async with by_argocd(tmp_path) as made:
        under_root(made, enabled=True)
        await asyncio.sleep(5)
        made.release("web:2")
        record = await made.world.phase(Phase.HELD, image="web:2")
        assert record.state.reason == HoldReason.KEEPER_REVERTS
        assert "argocd-controller deploys Argo CD Application argocd/shop" in record.state.message
        assert "spec.syncPolicy.automated.enabled" in record.state.message
        assert made.automated() == {**AUTOMATED, "enabled": True}


async def test_before_argo_cd_3_1_a_child_cannot_be_held(tmp_path: Path) -> None:
    """What a hold would have to take out is in its manifest: nothing is changed, and people are called."""
    async with by_argocd(tmp_path, enabled=False) as made:
        under_root(made, allowEmpty=True)
        await asyncio.sleep(5)
        made.release("web:2")
        record = await made.world.phase(Phase.HELD, image="web:2")
        assert record.state.reason == HoldReason.KEEPER_REVERTS
        assert made.automated() == {**AUTOMATED, "allowEmpty": True}
