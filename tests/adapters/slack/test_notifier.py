"""Sending to a Slack that runs on the loopback and keeps what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from sentinel.adapters.slack.notifier import SlackNotifier
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Notice
from sentinel.domain.record.entries import NoticeRef
from tests.adapters.slack import stories
from tests.adapters.slack.blocks import assert_valid, shown


@dataclass
class FakeSlack:
    """Channels of messages by time stamp. `faults` are answered first: (method or "", response)."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[tuple[str, web.Response]] = field(default_factory=list)
    delay: float = 0.0
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if request.headers.get("Authorization") != "Bearer xoxb-1":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        await asyncio.sleep(self.delay)
        if self.faults and self.faults[0][0] in {"", method}:
            return self.faults.pop(0)[1]
        body = await request.json()
        assert_valid(body["blocks"])
        assert body["text"]
        return self.post(body) if method == "chat.postMessage" else self.update(body)

    def post(self, body: dict[str, Any]) -> web.Response:
        if body["channel"] not in {"#deploys", "#shop", "C1"}:
            return web.json_response({"ok": False, "error": "channel_not_found"})
        ts = f"{len(self.messages) + 1}.000"
        self.messages[ts] = body
        return web.json_response({"ok": True, "channel": "C1", "ts": ts})

    def update(self, body: dict[str, Any]) -> web.Response:
        if body["channel"] != "C1" or body["ts"] not in self.messages:
            return web.json_response({"ok": False, "error": "message_not_found"})
        self.messages[body["ts"]] |= body
        return web.json_response({"ok": True, "channel": "C1", "ts": body["ts"]})

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" not in message]

    def replies(self, ts: str) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if message.get("thread_ts") == ts]


@contextlib.asynccontextmanager
async def slack(
    token: str = "xoxb-1", channel: str = "#deploys"
) -> AsyncIterator[tuple[FakeSlack, SlackNotifier]]:
    fake = FakeSlack()
    app = web.Application()
    app.router.add_post("/api/{method}", fake.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}/api/"
    notifier = SlackNotifier(token, channel=channel, base_url=fake.url)
    try:
        yield fake, notifier
    finally:
        await notifier.close()
        await runner.cleanup()


def following(notice: Notice, place: NoticeRef | None) -> Notice:
    """The next notice of a rollout whose record holds where its message stands."""
    return replace(notice, record=replace(notice.record, notice=place))


async def test_one_message_a_rollout_each_decision_a_reply() -> None:
    """The first notice posts, the second updates that message, and both decisions stand in its thread."""
    async with slack() as (fake, notifier):
        place = await notifier.publish(stories.started())
        assert place == NoticeRef("C1", "1.000")
        await notifier.publish(following(stories.undone(), place))
        (root,) = fake.roots
        assert "*Undone*" in shown(root["blocks"])
        first, second = fake.replies("1.000")
        assert "*Watching*" in shown(first["blocks"])
        assert "*Undo*" in shown(second["blocks"])


async def test_progress_without_a_decision_only_updates() -> None:
    """A notice without an entry makes no reply."""
    async with slack() as (fake, notifier):
        place = await notifier.publish(replace(stories.started(), entry=None))
        await notifier.publish(following(replace(stories.held(), entry=None), place))
        assert len(fake.messages) == 1


async def test_a_restart_goes_on_with_the_message_in_the_record() -> None:
    """A new process with the record's reference posts no second message."""
    async with slack() as (fake, notifier):
        place = await notifier.publish(stories.started())
        restarted = SlackNotifier("xoxb-1", channel="#deploys", base_url=fake.url)
        await restarted.publish(following(stories.undone(), place))
        await restarted.close()
        assert len(fake.roots) == 1


async def test_a_failed_reply_makes_no_second_message() -> None:
    """Where the message was posted and its reply was not, trying again only adds the reply."""
    async with slack() as (fake, notifier):
        await notifier.publish(replace(stories.started(), entry=None))
        fake.faults = [("chat.postMessage", web.json_response({"ok": False, "error": "internal_error"}))]
        with pytest.raises(NoticeError):
            await notifier.publish(stories.started())
        await notifier.publish(stories.started())
        assert (len(fake.roots), len(fake.replies("1.000"))) == (1, 1)


async def test_a_deleted_message_is_posted_anew() -> None:
    """If someone deleted the rollout's message, the next notice makes a new one and says where it stands."""
    async with slack() as (fake, notifier):
        place = await notifier.publish(following(stories.undone(), NoticeRef("C1", "gone")))
        assert place == NoticeRef("C1", "1.000")
        assert len(fake.roots) == 1


async def test_the_policys_channel_goes_before_the_settings() -> None:
    """A notice that names a channel is posted there."""
    async with slack() as (fake, notifier):
        await notifier.publish(replace(stories.started(), slack_channel="#shop"))
        assert fake.roots[0]["channel"] == "#shop"


async def test_an_urgent_decision_shows_in_the_channel_too() -> None:
    """The reply that asks for a human is broadcast, another is not."""
    async with slack() as (fake, notifier):
        place = await notifier.publish(stories.started())
        await notifier.publish(following(stories.held(), place))
        assert [reply["reply_broadcast"] for reply in fake.replies("1.000")] == [False, True]


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    """429 is retryable after the seconds that Slack names, and publish itself does not wait."""
    async with slack() as (fake, notifier):
        limited = web.json_response(
            {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "30"}
        )
        fake.faults = [("", limited)]
        with pytest.raises(NoticeError) as caught:
            await notifier.publish(stories.started())
        assert (caught.value.retryable, caught.value.retry_after) == (True, 30.0)
        assert asyncio.get_running_loop().time() == 0


@pytest.mark.parametrize(
    "fault",
    [
        web.json_response({"ok": False, "error": "fatal_error"}),
        web.Response(status=503, text="<html>down</html>", content_type="text/html"),
        web.Response(status=200, text="{not json", content_type="application/json"),
    ],
)
async def test_slacks_own_failures_are_retryable(fault: web.Response) -> None:
    """An outage at Slack loses nothing: it may be tried again."""
    async with slack() as (fake, notifier):
        fake.faults = [("", fault)]
        with pytest.raises(NoticeError) as caught:
            await notifier.publish(stories.started())
        assert caught.value.retryable


async def test_a_wrong_channel_is_final_and_says_what_helps() -> None:
    """A channel that does not exist will not come into being by trying again."""
    async with slack(channel="#typo") as (_, notifier):
        with pytest.raises(NoticeError, match=r"channel_not_found.*invite the app") as caught:
            await notifier.publish(stories.started())
        assert not caught.value.retryable


async def test_a_wrong_token_is_final_and_does_not_show() -> None:
    """The sentence names the cause, not the secret."""
    async with slack(token="xoxb-wrong") as (_, notifier):
        with pytest.raises(NoticeError, match="check the bot token") as caught:
            await notifier.publish(stories.started())
        assert not caught.value.retryable
        assert "xoxb" not in str(caught.value)


async def test_no_channel_at_all_is_final() -> None:
    """Without a channel in the policy and the settings the message says which two lines are missing."""
    async with slack(channel="") as (_, notifier):
        with pytest.raises(NoticeError, match=r"notify\.channels") as caught:
            await notifier.publish(stories.started())
        assert not caught.value.retryable


async def test_a_hanging_slack_ends_at_the_timeout() -> None:
    """After 10 s the notice is given back as retryable."""
    async with slack() as (fake, notifier):
        fake.delay = 600
        with pytest.raises(NoticeError, match="within 10 s") as caught:
            await notifier.publish(stories.started())
        assert caught.value.retryable
        assert asyncio.get_running_loop().time() == pytest.approx(10)


async def test_an_unreachable_slack_is_retryable() -> None:
    """A refused connection may be tried again."""
    notifier = SlackNotifier("xoxb-1", channel="#deploys", base_url="http://127.0.0.1:1/api/")
    with pytest.raises(NoticeError, match="cannot be reached") as caught:
        await notifier.publish(stories.started())
    await notifier.close()
    assert caught.value.retryable


async def test_a_message_past_its_time_for_edits_still_gets_replies() -> None:
    """Where the workspace no longer allows edits, the thread goes on and no second message is made."""
    async with slack() as (fake, notifier):
        place = await notifier.publish(stories.started())
        fake.faults = [("chat.update", web.json_response({"ok": False, "error": "edit_window_closed"}))]
        await notifier.publish(following(stories.undone(), place))
        assert (len(fake.roots), len(fake.replies("1.000"))) == (1, 2)


async def test_an_update_that_is_refused_is_told() -> None:
    """A scope taken away shows as what it is, and makes no second message."""
    async with slack() as (fake, notifier):
        place = await notifier.publish(stories.started())
        fake.faults = [("chat.update", web.json_response({"ok": False, "error": "missing_scope"}))]
        with pytest.raises(NoticeError, match="chat:write"):
            await notifier.publish(following(stories.undone(), place))
        assert len(fake.roots) == 1


async def test_a_rate_limit_without_a_time_is_retryable() -> None:
    """A Retry-After that is no number leaves the pause to the caller."""
    async with slack() as (fake, notifier):
        fake.faults = [("", web.Response(status=429, headers={"Retry-After": "soon"}))]
        with pytest.raises(NoticeError) as caught:
            await notifier.publish(stories.started())
        assert (caught.value.retryable, caught.value.retry_after) == (True, None)
