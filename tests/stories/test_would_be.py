"""Stories in observe mode: what would be done has one word of its own, wherever it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.words import deed, standing
from tests.stories.conftest import at_rest
from tests.stories.test_freeze import switch
from tests.support.world import CANARY_POLICY, NAMESPACE, World, decision, world


def printed(here: World, record: Record) -> tuple[str, str]:
    """What `kubectl get rolloutrecords` prints from: phase and reason."""
    records = here.cluster.api.registry.find("rollback-sentinel.dev", "v1", "rolloutrecords")
    assert records is not None
    status: dict[str, Any] = here.cluster.store.get(records, NAMESPACE, record.name)["status"]
    return status["standing"], status["reason"]


async def exposed(here: World) -> str:
    """What `/metrics` shows."""
    assert here.application is not None
    async with aiohttp.ClientSession() as session, session.get(f"{here.application.http.url}/metrics") as got:
        return await got.text()


async def test_a_bad_first_release_would_be_held_for_want_of_a_baseline(tmp_path: Path) -> None:
    """It is no outage, and nothing is held: the record, its columns, its Event and the metrics say so."""
    async with world(tmp_path, CANARY_POLICY, SENTINEL_MODE="observe") as here:
        await at_rest(here)
        here.cluster.serve("new:1", Quality(errors=0.38))
        here.cluster.deploy("new", "new:1", 4, namespace=NAMESPACE)
        here.cluster.offer("new", 100, namespace=NAMESPACE)
        record = await here.phase(Phase.HELD, "new")
        hold = decision(record, Action.HOLD)
        assert (hold.reason, deed(hold), hold.rule) == ("NoBaseline", "would-hold", "error-rate")
        assert "would hold: canary 37" in hold.message
        assert "it is the first revision: there is nothing to compare it with or to undo to" in hold.message
        assert printed(here, record) == ("WouldHold", "NoBaseline")
        await here.until(lambda: "SentinelWouldHold" in [e["reason"] for e in here.events("new")], within=10)
        assert 'decisions_total{action="would-hold",reason="NoBaseline"} 1' in await exposed(here)


async def test_a_bad_first_release_is_held_for_want_of_a_baseline(shop: World) -> None:
    """In enforce mode the reason is the same, and the hold is one."""
    shop.cluster.serve("new:1", Quality(errors=0.38))
    shop.cluster.deploy("new", "new:1", 4, namespace=NAMESPACE)
    shop.cluster.offer("new", 100, namespace=NAMESPACE)
    record = await shop.phase(Phase.HELD, "new")
    hold = decision(record, Action.HOLD)
    assert (hold.reason, deed(hold), standing(record), hold.escalated) == (
        "NoBaseline",
        "hold",
        Phase.HELD,
        True,
    )


@pytest.mark.parametrize("frozen", [False, True])
async def test_a_bad_release_would_be_undone(tmp_path: Path, frozen: bool) -> None:
    """In observe mode and under the kill switch alike; the reason stays the rule's."""
    environ = {} if frozen else {"SENTINEL_MODE": "observe"}
    async with world(tmp_path, CANARY_POLICY, **environ) as here:
        await at_rest(here)
        if frozen:
            await switch(here, frozen=True)
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.HELD, image="web:2", within=300)
        undo = decision(record, Action.UNDO)
        assert (undo.reason, deed(undo)) == ("CrashLoop", "would-undo")
        assert printed(here, record) == ("WouldUndo", "CrashLoop")
        await here.until(lambda: "SentinelWouldUndo" in [e["reason"] for e in here.events()], within=10)
        assert 'decisions_total{action="would-undo",reason="CrashLoop"} 1' in await exposed(here)
        assert 'rollouts{phase="WouldUndo"}' in await exposed(here)
