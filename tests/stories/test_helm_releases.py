"""Stories of a HelmRelease of Flux: it is suspended for an undo, and resumed as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clustersim.cluster import JsonObject
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.keeper import KeeperHoldEnd
from tests.stories.gitops import by_helm_release
from tests.support.world import decision


@pytest.mark.parametrize("before", [{}, {"suspend": False}])
async def test_the_next_chart_is_released_and_nothing_of_ours_is_left(
    tmp_path: Path, before: dict[str, Any]
) -> None:
    """The HelmRelease does not show a new chart while it is suspended; what fetches the chart does."""
    async with by_helm_release(tmp_path, **before) as made:
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(600)
        assert (made.world.image(), made.owner()["spec"]["suspend"]) == ("web:1", True)
        made.release("web:3")
        await made.world.phase(Phase.PROMOTED, image="web:3")
        assert made.owner()["spec"] == {"interval": "10m", **before}
        assert made.nothing_of_ours()
        assert made.tool.writes == ["web:1", "web:2", "web:3"]
        record = made.world.record(image="web:2")
        assert record is not None
        assert decision(record, Action.RELEASE).reason == KeeperHoldEnd.SOURCE_CHANGED


async def test_values_that_do_not_mend_the_release_are_tried_once(tmp_path: Path) -> None:
    """They are in the spec: what comes of them is undone again, and left to people."""
    async with by_helm_release(tmp_path) as made:
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2")
        await asyncio.sleep(60)

        def other(release: JsonObject) -> None:
            release["spec"]["values"] = {"feature": False}

        made.world.cluster.store.mutate(made.kind, made.namespace, made.name, other, manager="operator")
        await made.world.until(lambda: len(made.world.records()) == 3, within=60, what="it came back")
        again = await made.world.phase(Phase.UNDONE, image="web:2")
        assert "is held until a person releases it" in decision(again, Action.UNDO).message
        await asyncio.sleep(600)
        assert (made.world.image(), made.owner()["spec"]["suspend"]) == ("web:1", True)
        assert made.tool.writes == ["web:1", "web:2", "web:2"]
