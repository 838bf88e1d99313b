"""Stories in which people press the buttons of a rollout's message in Slack."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.stories.test_freeze import switch
from tests.support.account import let_ask
from tests.support.slack import APP_TOKEN, CHANNEL, GROUP, TOKEN, FakeSlack, fake_slack, labels
from tests.support.world import CANARY_POLICY, NAMESPACE, World, actions, decision, world

POLICY = CANARY_POLICY.replace("{weight: 10%, bake: 1m}", "{weight: 10%, bake: 1m, approval: required}")
SECRET = "5ebe2294"
SOCKET = {"SENTINEL_SLACK__APP_TOKEN": APP_TOKEN}


@asynccontextmanager
async def pressable(
    folder: Path, slack: FakeSlack, granted: bool = True, **environ: str
) -> AsyncIterator[World]:
    """A world that is told in Slack with buttons, for the user U1 and the members of a group."""
    settings = {
        "SENTINEL_SLACK__TOKEN": TOKEN,
        "SENTINEL_SLACK__CHANNEL": CHANNEL,
        "SENTINEL_SLACK__BASE_URL": slack.url,
        "SENTINEL_SLACK__APPROVERS__USERS": "U1",
        "SENTINEL_SLACK__APPROVERS__GROUPS": GROUP,
    }
    async with world(folder, POLICY, **settings | environ) as here:
        if granted:
            let_ask(here.cluster)
        yield here


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    async with fake_slack() as running:
        yield running


@pytest.fixture
async def told(tmp_path: Path, slack: FakeSlack) -> AsyncIterator[World]:
    """A service whose first step needs an approval, and buttons by Socket Mode."""
    async with pressable(tmp_path, slack, **SOCKET) as here:
        await at_rest(here)
        yield here


async def message_with(here: World, slack: FakeSlack, *wanted: str) -> dict[str, Any]:
    """Wait until the message of the release has these buttons."""

    def there() -> bool:
        roots = slack.roots("web:2")
        return bool(roots) and labels(roots[0]) == list(wanted)

    await here.until(there, within=300, what=f"buttons {wanted} in {slack.messages}")
    return slack.roots("web:2")[0]


async def waiting_for_approval(here: World, slack: FakeSlack) -> dict[str, Any]:
    """Release, and wait until a human must agree; the message."""
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    return await message_with(here, slack, "Approve", "Hold", "Undo")


def commands(here: World) -> list[dict[str, Any]]:
    """The specs of all commands."""
    return [each["spec"] for each in here.cluster.store.list(here.commands_type(), NAMESPACE)]


async def whispered(here: World, slack: FakeSlack, user: str) -> str:
    """Wait until a user is told something that nobody else sees."""
    await here.until(lambda: any(to == user for to, _ in slack.whispers), within=60, what="whispers")
    (text,) = (text for to, text in slack.whispers if to == user)
    return text


async def presses(here: World) -> dict[str, float]:
    """How the presses were counted, by what became of them."""
    assert here.application is not None
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{here.application.http.url}/metrics") as answer,
    ):
        found = text_string_to_metric_families(await answer.text())
    samples = (sample for family in found for sample in family.samples)
    return {s.labels["outcome"]: s.value for s in samples if s.name == "sentinel_slack_presses_total"}


async def test_an_approval_is_pressed_and_the_rollout_is_promoted(told: World, slack: FakeSlack) -> None:
    """The button is there while the step waits; the record names who pressed; in the end no button is left."""
    message = await waiting_for_approval(told, slack)
    await slack.press(message, "Approve", "U1")
    await message_with(told, slack, "Hold", "Undo")
    record = await told.phase(Phase.PROMOTED, image="web:2")
    assert decision(record, Action.APPROVE).requested_by == "slack:U1/u1"
    await message_with(told, slack, "Undo")
    await message_with_no_buttons_after_the_guard(told, slack)
    assert slack.whispers == []


async def message_with_no_buttons_after_the_guard(here: World, slack: FakeSlack) -> None:
    await asyncio.sleep(1800)
    await message_with(here, slack)


async def test_whoever_is_not_named_is_refused_and_only_they_see_it(
    told: World, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is asked of the sentinel, and the log says who tried."""
    caplog.set_level(logging.WARNING)
    message = await waiting_for_approval(told, slack)
    await slack.press(message, "Approve", "U2")
    assert "do not name you as an approver" in await whispered(told, slack, "U2")
    assert commands(told) == []
    assert "approve by slack:U2/u2 refused: not an approver" in caplog.text
    assert await presses(told) == {"not allowed": 1}


async def test_a_member_of_a_named_group_may_press(told: World, slack: FakeSlack) -> None:
    """Slack is asked who is in the group, and not for every press."""
    slack.members = ["U3"]
    message = await waiting_for_approval(told, slack)
    await slack.press(message, "Hold", "U3")
    record = await told.phase(Phase.HELD, image="web:2", within=60)
    assert decision(record, Action.HOLD).requested_by == "slack:U3/u3"
    await slack.press(await message_with(told, slack, "Undo"), "Undo", "U3")
    await told.phase(Phase.UNDONE, image="web:2", within=120)
    assert told.image() == "web:1"
    assert slack.lists == 1
    await message_with(told, slack)


async def test_a_press_that_is_delivered_twice_is_one_command(told: World, slack: FakeSlack) -> None:
    """Both deliveries are acknowledged, so that Slack sends no third."""
    message = await waiting_for_approval(told, slack)
    await slack.press(message, "Approve", "U1", deliveries=2)
    await told.phase(Phase.PROMOTED, image="web:2")
    assert slack.acknowledged == ["e-1", "e-1"]
    assert await presses(told) == {"asked": 1, "repeated": 1}
    assert len(commands(told)) == 1
    assert slack.whispers == []


async def test_a_second_press_does_nothing(told: World, slack: FakeSlack) -> None:
    """Whether the first was just made or is done long since; the one who pressed is told."""
    message = await waiting_for_approval(told, slack)
    before = {**message}
    await slack.press(before, "Approve", "U1")
    await slack.press(before, "Approve", "U1")
    await told.until(lambda: len(slack.whispers) == 1, within=60)
    record = await told.phase(Phase.PROMOTED, image="web:2")
    await slack.press(before, "Approve", "U1")
    await told.until(lambda: len(slack.whispers) == 2, within=60)
    assert slack.whispers[-1] == (
        "U1",
        "Nothing was done: the rollout has moved on, and this no longer applies.",
    )
    assert len(commands(told)) == 1
    assert actions(record).count("approve") == 1
    assert await presses(told) == {"asked": 1, "repeated": 1, "past": 1}


async def test_a_button_of_a_rollout_that_was_replaced_does_nothing(told: World, slack: FakeSlack) -> None:
    """An old view of the message may still show it; the rollout that goes on is not touched."""
    before = {**await waiting_for_approval(told, slack)}
    told.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await told.phase(Phase.SUPERSEDED, image="web:2", within=60)
    await slack.press(before, "Undo", "U1")
    assert "moved on" in await whispered(told, slack, "U1")
    await message_with(told, slack)
    await told.phase(Phase.BAKING, image="web:3", within=300)
    assert told.image() == "web:3"


async def test_what_the_sentinel_refuses_is_told_to_whoever_pressed(told: World, slack: FakeSlack) -> None:
    """While everything is frozen nothing is undone, and the one who pressed learns why."""
    message = await waiting_for_approval(told, slack)
    await switch(told, frozen=True)
    await slack.press(message, "Undo", "U1")
    assert (
        await whispered(told, slack, "U1") == "Refused: the sentinel is in observe mode and changes nothing"
    )
    assert told.image() == "web:2"


async def test_rollouts_go_on_while_slack_is_out_and_buttons_come_back_with_it(
    tmp_path: Path, slack: FakeSlack
) -> None:
    """No connection at the start and none later keeps the sentinel from its work."""
    slack.down = True
    async with pressable(tmp_path, slack, **SOCKET) as here:
        await at_rest(here)
        assert slack.sockets == []
        slack.down = False
        await here.until(lambda: bool(slack.sockets), within=120, what="a connection")
        await slack.sockets[0].close()
        await here.until(lambda: bool(slack.sockets), within=120, what="a new connection")
        await slack.press(await waiting_for_approval(here, slack), "Approve", "U1")
        await here.phase(Phase.PROMOTED, image="web:2")


async def test_an_address_that_expired_while_slack_took_no_connection_is_asked_for_anew(
    told: World, slack: FakeSlack
) -> None:
    """The address of a failed attempt is good for nothing afterwards."""
    await told.until(lambda: bool(slack.sockets), within=60, what="a connection")
    slack.deaf = True
    await slack.sockets[0].close()
    await asyncio.sleep(300)
    assert slack.sockets == []
    slack.deaf = False
    await told.until(lambda: bool(slack.sockets), within=180, what="a new connection")


async def test_where_slack_does_not_say_who_is_in_a_group_nobody_of_it_may_press(
    tmp_path: Path, slack: FakeSlack
) -> None:
    """Whoever pressed is told why, and nothing is asked of the sentinel."""
    async with pressable(tmp_path, slack, **SOCKET, SENTINEL_SLACK__APPROVERS__GROUPS="S9") as here:
        await at_rest(here)
        await slack.press(await waiting_for_approval(here, slack), "Approve", "U3")
        assert "does not list the members of the group S9 (no_such_subteam)" in await whispered(
            here, slack, "U3"
        )
        assert commands(here) == []
        assert await presses(here) == {"unknown": 1}


async def test_without_the_right_to_make_commands_the_daemon_says_so(
    tmp_path: Path, slack: FakeSlack
) -> None:
    """It is needed where there are buttons, and named before the start."""
    async with pressable(tmp_path, slack, granted=False, **SOCKET) as here:
        with pytest.raises(ConfigurationError, match="may not create rolloutcommands"):
            await here.start()


async def post(here: World, payload: dict[str, Any], *, at: str = "", secret: str = SECRET) -> int:
    """Post an interaction as Slack does; the answer's status."""
    body = urlencode({"payload": json.dumps(payload)})
    at = at or str(int(here.cluster.now().timestamp()))
    signature = hmac.new(secret.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": f"v0={signature}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert here.application is not None
    url = f"{here.application.http.url}/webhooks/slack"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_presses_that_slack_posts_are_taken_by_their_signature(
    tmp_path: Path, slack: FakeSlack
) -> None:
    """A wrong secret, a time stamp that is old or no number are refused; a good post promotes."""
    async with pressable(tmp_path, slack, SENTINEL_SLACK__SIGNING_SECRET=SECRET) as here:
        await at_rest(here)
        message = await waiting_for_approval(here, slack)
        payload = slack.pressed(message, "Approve", "U1")
        old = str(int(here.cluster.now().timestamp()) - 301)
        assert await post(here, payload, secret="other") == 401
        assert await post(here, payload, at=old) == 401
        for nonsense in ("yesterday", "9" * 400, "-1", "1e9"):
            assert await post(here, payload, at=nonsense) == 401
        assert commands(here) == []
        assert await post(here, payload) == 200
        assert await post(here, payload) == 200
        record = await here.phase(Phase.PROMOTED, image="web:2")
        assert decision(record, Action.APPROVE).requested_by == "slack:U1/u1"
        assert len(commands(here)) == 1
