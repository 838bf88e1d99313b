"""The web page of a whole daemon: what it has measured since it saved, and that nothing depends on it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.world import NAMESPACE, World, world


async def answer(here: World, path: str) -> Any:
    """The JSON that the page's server answers."""
    assert here.application is not None
    url = f"{here.application.page.url}api/{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as found:
        assert found.status == 200
        return await found.json()


async def test_the_page_shows_what_was_measured_and_the_record_keeps_it(tmp_path: Path) -> None:
    """Live from the leader's memory; after the promotion, and after a restart, from the record."""
    async with world(tmp_path, SENTINEL_UI__ENABLED="true", SENTINEL_UI__PORT="0") as here:
        await at_rest(here)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.BAKING)
        await here.phase(Phase.PROMOTED)
        place = f"rollouts/{NAMESPACE}/{record.name}"
        live = await answer(here, place)
        await here.restart()
        kept = await answer(here, place)

    rules = {course["rule"]: course for course in kept["courses"]}
    assert set(rules) == {"error-rate", "latency"}
    assert sum(rules["error-rate"]["canary_total"]) > 0
    assert sum(rules["error-rate"]["baseline_total"]) > 0
    assert max(rules["latency"]["weight"]) == 1
    assert len(live["courses"][0]["at"]) >= len(kept["courses"][0]["at"]) > 4
    assert [step["weight"] for step in kept["steps"]] == [0.1, 0.5, 1.0]
    assert kept["row"]["standing"] == "Promoted"


async def test_a_port_that_is_taken_keeps_the_daemon_from_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so and judges as it would have."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        async with world(tmp_path, SENTINEL_UI__ENABLED="true", SENTINEL_UI__PORT=port) as here:
            await at_rest(here)
            assert here.application is not None
            assert here.application.page.url == ""
            here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
            await here.phase(Phase.BAKING)

    assert "There is no web page" in caplog.text
