"""Stories of two workloads that one object of a tool deploys: each is protected, and neither is released early."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import DEPLOYMENTS
from sentinel.adapters.kubernetes.gitops.flux import RECONCILE
from sentinel.domain.record.state import Phase
from tests.stories.gitops import AUTOMATED, Deployed, by_argocd, by_flux, web
from tests.support.world import NAMESPACE

OFF = {**AUTOMATED, "enabled": False}


def release(made: Deployed, web_image: str, api_image: str) -> None:
    """Commit these images of the two."""
    made.git.commit(web(web_image), web(api_image, "api"))


async def both_deployed(made: Deployed) -> None:
    """A second Deployment is deployed from the same folder, and was seen."""
    cluster = made.world.cluster
    cluster.behave("api:2", crash_loop())
    release(made, "web:1", "api:1")
    await made.world.until(lambda: bool(cluster.pods("api", namespace=NAMESPACE)), what="api is deployed")
    cluster.offer("api", 50, namespace=NAMESPACE)
    await made.world.phase(Phase.PROMOTED, "api", image="api:1")


async def both_undone(made: Deployed) -> None:
    """Both bad releases were undone."""
    await made.world.phase(Phase.UNDONE, image="web:2")
    await made.world.phase(Phase.UNDONE, "api", image="api:2")


def held(made: Deployed, name: str) -> bool:
    """Whether any rollout of the workload has a hold."""
    return any(record.keeper_hold is not None for record in made.world.records(name))


def images(made: Deployed) -> tuple[str, str]:
    """What runs."""
    return made.world.image(), made.world.image("api")


@pytest.mark.parametrize("kill", [False, True])
async def test_two_that_are_undone_at_once_share_a_hold(tmp_path: Path, kill: bool) -> None:
    """The original is restored once both are good, also by a daemon that came between."""
    async with by_argocd(tmp_path) as made:
        await both_deployed(made)
        release(made, "web:2", "api:2")
        await both_undone(made)
        if kill:
            await made.world.restart()
        await asyncio.sleep(300)
        assert (images(made), made.automated()) == (("web:1", "api:1"), OFF)
        release(made, "web:3", "api:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        await made.world.phase(Phase.PROMOTED, "api", image="api:3")
        assert (made.automated(), made.nothing_of_ours()) == (AUTOMATED, True)


@pytest.mark.parametrize("first", ["web", "api"])
@pytest.mark.parametrize("kill", [False, True])
async def test_the_hold_of_two_lasts_until_the_last_reason_is_gone(
    tmp_path: Path, first: str, kill: bool
) -> None:
    """Whichever of them needs it no longer: here one of them is deleted."""
    async with by_argocd(tmp_path) as made:
        await both_deployed(made)
        cluster, second = made.world.cluster, "api" if first == "web" else "web"
        release(made, "web:2", "api:1")
        await made.world.phase(Phase.UNDONE, image="web:2")
        cluster.set_image("api", "api:2", namespace=NAMESPACE)
        await both_undone(made)
        cluster.store.delete(DEPLOYMENTS, NAMESPACE, first)
        if kill:
            await made.world.restart()
        await made.world.until(lambda: not held(made, first), within=60, what=f"{first} needs it no longer")
        await asyncio.sleep(60)
        assert (made.automated(), held(made, second)) == (OFF, True)
        cluster.store.delete(DEPLOYMENTS, NAMESPACE, second)
        await made.world.until(lambda: made.automated() == AUTOMATED, within=60, what="it is released")


async def test_what_is_left_out_of_flux_is_one_workload_and_not_the_other(tmp_path: Path) -> None:
    """What people had set on one of them before is restored there, and only there."""
    async with by_flux(tmp_path) as made:
        await both_deployed(made)
        cluster = made.world.cluster

        def own(deployment: dict[str, dict[str, dict[str, str]]]) -> None:
            deployment["metadata"].setdefault("annotations", {})[RECONCILE] = "enabled"

        cluster.store.mutate(DEPLOYMENTS, NAMESPACE, "api", own, manager="operator")
        release(made, "web:2", "api:2")
        await both_undone(made)
        assert (made.annotations()[RECONCILE], made.annotations("api")[RECONCILE]) == ("disabled", "disabled")
        await asyncio.sleep(120)
        release(made, "web:3", "api:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        await made.world.phase(Phase.PROMOTED, "api", image="api:3")
        assert (made.annotations().get(RECONCILE), made.annotations("api")[RECONCILE]) == (None, "enabled")
        assert made.nothing_of_ours()
