"""The web page of a whole daemon: what it has measured since it saved, and that nothing depends on it."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.account import let_ask
from tests.support.world import NAMESPACE, World, decision, world


async def answer(here: World, path: str, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON that the page's server answers."""
    assert here.application is not None
    url = f"{here.application.page.url}api/{path}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as found:
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


async def test_a_person_behind_the_proxy_holds_resumes_and_undoes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the rights that ship; command, decision, log and page name the person, the reason and the place."""
    settings = {
        "SENTINEL_UI__ENABLED": "true",
        "SENTINEL_UI__PORT": "0",
        "SENTINEL_UI__USERNAME": "proxy",
        "SENTINEL_UI__PASSWORD": "5ebe2294",
        "SENTINEL_UI__WRITES__PROXIES": "127.0.0.1",
        "SENTINEL_UI__WRITES__GROUPS": '{"oncall": ["shop"]}',
    }
    async with world(tmp_path, **settings) as here:
        let_ask(here.cluster)
        await at_rest(here)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.BAKING)
        with caplog.at_level(logging.INFO):
            name = await ask(here, record.name, "hold", "the dashboards look odd")
            held = await here.phase(Phase.HELD)
            await ask(here, record.name, "resume", "it was the dashboard")
            await here.phase(Phase.BAKING)
            await ask(here, record.name, "undo", "no, it is the release")
            undone = await here.phase(Phase.UNDONE)
            told = await answer(here, f"rollouts/{NAMESPACE}/{record.name}", AUTH)
        made = here.cluster.store.get(here.commands_type(), NAMESPACE, name)

    assert decision(held, Action.HOLD).requested_by == "web:alice"
    assert "web:alice put the rollout on hold: the dashboards look odd" in held.state.message
    assert decision(undone, Action.UNDO).requested_by == "web:alice"
    assert made["metadata"]["annotations"] == {
        "rollback-sentinel.dev/source": "203.0.113.7 through 127.0.0.1"
    }
    assert (made["spec"]["requestedBy"], made["status"]["phase"]) == ("web:alice", "Done")
    assert [(one["action"], one["phase"]) for one in told["commands"]] == [
        ("hold", "Done"),
        ("resume", "Done"),
        ("undo", "Done"),
    ]
    assert (
        "hold requested by web:alice from 203.0.113.7 through 127.0.0.1: the dashboards look odd"
        in caplog.text
    )


AUTH = {"Authorization": aiohttp.encode_basic_auth("proxy", "5ebe2294")}


async def ask(here: World, record: str, action: str, reason: str) -> str:
    """Ask for something as alice through the proxy; the command's name."""
    assert here.application is not None
    url = f"{here.application.page.url}api/rollouts/{NAMESPACE}/{record}/commands"
    said = {"X-Forwarded-User": "alice", "X-Forwarded-Groups": "oncall", "X-Forwarded-For": "203.0.113.7"}
    page = {"X-Rollback-Sentinel": "page", "Sec-Fetch-Site": "same-origin"}
    body = {"action": action, "reason": reason, "once": secrets.token_hex(16)}
    async with (
        aiohttp.ClientSession(headers={**AUTH, **said, **page}) as session,
        session.post(url, json=body) as found,
    ):
        assert found.status == 202, await found.text()
        name: str = (await found.json())["command"]
        return name


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
