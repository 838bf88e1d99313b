"""Holds as they are written: whoever needs one joins it, and the last one to leave restores what was there before."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.gitops.definitions import application
from clustersim.storage.resources import CRDS, ResourceType
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.gitops.argocd import TOOL
from sentinel.adapters.kubernetes.gitops.holds import KubernetesKeepers
from sentinel.adapters.kubernetes.gitops.owners import mark_of
from sentinel.domain.errors import ConflictError
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.keeper import KeeperHold, KeeperRef
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.worlds import TestClock

T0 = datetime(2026, 11, 1, 12, tzinfo=UTC)
BEFORE = {"prune": True, "selfHeal": True}
OFF = {**BEFORE, "enabled": False}
WEB, API = (WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", name) for name in ("web", "api"))
HOLD = KeeperHold(KeeperRef(TOOL, "argocd", "shop"), {"automated": BEFORE}, T0, T0 + timedelta(days=1), "Bad")


class Held:
    """An Application in a cluster, and what writes holds on it."""

    def __init__(self, cluster: SimulatedCluster, client: ApiClient) -> None:
        self.cluster, self.keepers = cluster, KubernetesKeepers(client, TestClock())
        cluster.store.create(CRDS, application())
        cluster.namespace("argocd")
        self.kind: ResourceType = cluster.api.registry.of_kind("argoproj.io", "v1alpha1", "Application")
        spec = {"syncPolicy": {"automated": BEFORE}}
        cluster.store.create(self.kind, {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": spec})

    async def hold(self, key: WorkloadKey, hold: KeeperHold = HOLD) -> str:
        return await self.keepers.hold(key, hold, f"{key.name}-1", timeout=5)

    async def release(self, key: WorkloadKey) -> str:
        return await self.keepers.release(key, HOLD, f"{key.name}-1", timeout=5)

    @property
    def automated(self) -> Any:
        return self.live["spec"]["syncPolicy"]["automated"]

    @property
    def holders(self) -> tuple[str, ...]:
        mark = mark_of(self.live["metadata"].get("annotations", {}))
        return mark.holders if mark is not None else ()

    @property
    def live(self) -> dict[str, Any]:
        return self.cluster.store.get(self.kind, "argocd", "shop")


@pytest.fixture
async def held(cluster: SimulatedCluster, client: ApiClient) -> Held:
    """An Application that syncs and heals itself."""
    return Held(cluster, client)


async def test_a_hold_of_two_is_over_with_the_second_release(held: Held) -> None:
    """In either order, and with each write made twice, as after a lost answer."""
    for first, second in ((WEB, API), (API, WEB)):
        for key in (WEB, WEB, API, API):
            await held.hold(key)
        assert (held.automated, held.holders) == (OFF, ("shop/web-1", "shop/api-1"))
        assert f"stays held for shop/{second.name}-1" in await held.release(first)
        assert "was released already" in await held.release(first)
        assert (held.automated, held.holders) == (OFF, (f"shop/{second.name}-1",))
        await held.release(second)
        assert (held.automated, held.holders) == (BEFORE, ())


async def test_who_joins_a_hold_takes_its_original(held: Held) -> None:
    """Whatever it had noted before it saw the hold."""
    await held.hold(WEB)
    await held.hold(API, replace(HOLD, original={"automated": {"prune": False}}))
    await held.release(WEB)
    await held.release(API)
    assert (held.automated, held.holders) == (BEFORE, ())


async def test_a_hold_and_a_release_at_once_leave_the_hold_in_force(held: Held) -> None:
    """Whoever comes second sees what the first one wrote."""
    for _ in range(5):
        await held.hold(WEB)
        await asyncio.gather(held.release(WEB), held.hold(API))
        assert (held.automated, held.holders) == (OFF, ("shop/api-1",))
        await held.release(API)
        assert held.automated == BEFORE


async def test_what_somebody_else_switched_off_is_neither_taken_over_nor_switched_on(held: Held) -> None:
    """It is not ours."""

    def off(app: dict[str, Any]) -> None:
        app["spec"]["syncPolicy"]["automated"]["enabled"] = False

    held.cluster.store.mutate(held.kind, "argocd", "shop", off, manager="operator")
    await held.hold(WEB)
    assert "was released already" in await held.release(WEB)
    assert (held.automated, held.holders) == (OFF, ())


async def test_what_is_not_as_the_hold_found_it_is_not_held(held: Held) -> None:
    """Else a release would restore something else."""

    def other(app: dict[str, Any]) -> None:
        app["spec"]["syncPolicy"]["automated"] = {"prune": False}

    held.cluster.store.mutate(held.kind, "argocd", "shop", other, manager="operator")
    with pytest.raises(ConflictError):
        await held.hold(WEB)
