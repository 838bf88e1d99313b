"""The kill switch: while the cluster is frozen the sentinel touches nothing."""

import asyncio
from typing import Any

import aiohttp

from clustersim.node.behaviour import crash_loop
from sentinel.adapters.kubernetes.api.access import load_access
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.custom.freezes import KubernetesFreezeStore
from sentinel.domain.coordination import Freeze
from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.state import Phase
from sentinel.runtime.freezing import LOOK_EVERY
from tests.support.cli import home
from tests.support.world import NAMESPACE, StoryClock, World, actions, decision


async def switch(here: World, *, frozen: bool) -> None:
    """Freeze or unfreeze as the command does, and give the daemon the time it may take."""
    access = await load_access(
        here.environ["SENTINEL_KUBERNETES__KUBECONFIG"], None, StoryClock(here.cluster.now)
    )
    async with ApiClient(access) as client:
        store = KubernetesFreezeStore(client, home(here), "rollback-sentinel")
        if frozen:
            await store.freeze(Freeze("alice", here.cluster.now(), "audit"))
        else:
            assert await store.thaw()
    await asyncio.sleep(LOOK_EVERY + 1)


async def test_a_bad_release_is_told_and_not_undone_while_frozen(plain: World) -> None:
    """The undo is decided as in observe mode, and the bad template stays."""
    await switch(plain, frozen=True)
    plain.cluster.behave("web:2", crash_loop())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await plain.phase(Phase.HELD, image="web:2")
    undo = decision(record, Action.UNDO)
    assert undo.outcome is not None
    assert undo.outcome.kind is OutcomeKind.OBSERVED
    assert plain.image() == "web:2"


async def test_an_unfrozen_sentinel_undoes_again(plain: World) -> None:
    """Lifted, the very next bad release is undone."""
    await switch(plain, frozen=True)
    await switch(plain, frozen=False)
    plain.cluster.behave("web:2", crash_loop())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.UNDONE, image="web:2")
    assert plain.image() == "web:1"


async def test_a_frozen_sentinel_is_ready_and_says_that_it_is_frozen(plain: World) -> None:
    """It takes alerts in as ever, so that it stays ready; who asks learns who froze it and why."""
    assert await readiness(plain) == (200, {"status": "ok"})
    await switch(plain, frozen=True)
    status, told = await readiness(plain)
    assert (status, told["status"]) == (200, "ok")
    assert "by alice" in told["remarks"][0]
    assert "audit" in told["remarks"][0]
    await switch(plain, frozen=False)
    assert await readiness(plain) == (200, {"status": "ok"})


async def readiness(here: World) -> tuple[int, dict[str, Any]]:
    """What `/readyz` answers, as `/healthz` does."""
    assert here.application is not None
    answers = []
    async with aiohttp.ClientSession() as session:
        for path in ("/readyz", "/healthz"):
            async with session.get(here.application.http.url + path) as answer:
                answers.append((answer.status, await answer.json()))
    assert answers[0] == answers[1]
    return answers[0]


async def test_a_restart_does_not_thaw(plain: World) -> None:
    """The freeze is known before anything can be decided."""
    await switch(plain, frozen=True)
    await plain.stop()
    plain.cluster.behave("web:2", crash_loop())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.start()
    await plain.phase(Phase.HELD, image="web:2")
    assert plain.image() == "web:2"


async def test_a_canary_that_is_frozen_stays_one_and_goes_on_from_there(shop: World) -> None:
    """A pod in ten is not taken for all of them while nothing moves; unfrozen, the steps that are left are made."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    await switch(shop, frozen=True)
    await asyncio.sleep(600)
    record = shop.record(image="web:2")
    assert record is not None
    assert record.state.phase is not Phase.PROMOTED
    assert (shop.paused(), shop.pods_of("web:2")) == (True, 1)
    await switch(shop, frozen=False)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert not shop.paused()
