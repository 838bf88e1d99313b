"""A stand-in for Slack's Web API on the loopback: channels of messages with threads, and an outage on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "xoxb-1"
CHANNEL = "#deploys"


@dataclass(slots=True)
class FakeSlack:
    """Messages by time stamp, in the order in which they were posted.

    While `hangs` no call is answered, while `down` every call is answered with 503.
    """

    url: str = ""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    hangs: bool = False
    down: bool = False

    def roots(self, containing: str) -> list[dict[str, Any]]:
        """The messages outside of threads that contain a text."""
        return [m for m in self.messages.values() if "thread_ts" not in m and containing in shown(m)]

    def thread(self, root: dict[str, Any]) -> list[str]:
        """The replies to a message, as they read."""
        return [shown(m) for m in self.messages.values() if m.get("thread_ts") == root["ts"]]

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call."""
        if self.hangs:
            await asyncio.Event().wait()
        if self.down:
            return web.Response(status=503, text="Service Unavailable")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        body = await request.json()
        if request.match_info["method"] == "chat.postMessage":
            return self._post(body)
        return self._update(body)

    def _post(self, body: dict[str, Any]) -> web.Response:
        if body["channel"] not in (CHANNEL, "C1"):
            return web.json_response({"ok": False, "error": "channel_not_found"})
        ts = f"{len(self.messages) + 1}.000100"
        self.messages[ts] = {**body, "ts": ts, "edits": 0}
        return web.json_response({"ok": True, "channel": "C1", "ts": ts})

    def _update(self, body: dict[str, Any]) -> web.Response:
        message = self.messages.get(body["ts"])
        if body["channel"] != "C1" or message is None:
            return web.json_response({"ok": False, "error": "message_not_found"})
        message |= {"text": body["text"], "blocks": body["blocks"], "edits": message["edits"] + 1}
        return web.json_response({"ok": True, "channel": "C1", "ts": body["ts"]})


def shown(message: dict[str, Any]) -> str:
    """All the text of a message's blocks."""
    return "\n".join(_texts(message["blocks"]))


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


@asynccontextmanager
async def fake_slack() -> AsyncIterator[FakeSlack]:
    """Serves while the block lasts."""
    slack = FakeSlack()
    app = web.Application()
    app.router.add_post("/api/{method}", slack.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    try:
        yield slack
    finally:
        await runner.cleanup()
