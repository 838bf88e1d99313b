"""A stand-in for Slack on the loopback: channels of messages with threads and buttons, and an outage on demand.

Its Web API and its Socket Mode are there; whoever presses a button is `press`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "xoxb-1"
CHANNEL = "#deploys"
APP_TOKEN = "xapp-1"
GROUP = "S1"


@dataclass(slots=True)
class FakeSlack:
    """Messages by time stamp, in the order in which they were posted.

    While `hangs` no call is answered, while `down` every call is answered with 503,
    and while `deaf` no connection of Socket Mode is accepted. Its addresses hold `tickets`, good for one attempt.
    `members` are of the user group; `whispers` are what one user alone was told; `acknowledged` are deliveries;
    `refused` counts the calls answered while `down`.
    """

    url: str = ""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    hangs: bool = False
    down: bool = False
    deaf: bool = False
    tickets: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    whispers: list[tuple[str, str]] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    presses: int = 0
    lists: int = 0
    opened: int = 0
    refused: int = 0

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
            self.refused += 1
            return web.Response(status=503, text="Service Unavailable")
        method = request.match_info["method"]
        token = APP_TOKEN if method == "apps.connections.open" else TOKEN
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if method == "apps.connections.open":
            self.opened += 1
            self.tickets.append(f"k-{self.opened}")
            address = self.url.replace("http://", "ws://").replace("/api", "/socket")
            return web.json_response({"ok": True, "url": f"{address}?ticket={self.tickets[-1]}"})
        if method == "usergroups.users.list":
            return self._list(request.query["usergroup"])
        body = await request.json()
        if method == "chat.postEphemeral":
            self.whispers.append((body["user"], body["text"]))
            return web.json_response({"ok": True, "message_ts": "1.0"})
        return self._post(body) if method == "chat.postMessage" else self._update(body)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection of Socket Mode."""
        ticket = request.query["ticket"]
        if ticket not in self.tickets:
            return web.Response(status=403)
        self.tickets.remove(ticket)
        if self.deaf:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello"})
        self.sockets.append(socket)
        try:
            async for message in socket:
                self.acknowledged.append(message.json()["envelope_id"])
        finally:
            self.sockets.remove(socket)
        return socket

    async def press(self, message: dict[str, Any], label: str, user: str, *, deliveries: int = 1) -> None:
        """Press a button of a message as a user does; it reaches us so many times by the newest connection."""
        payload = self.pressed(message, label, user)
        envelope = {"type": "interactive", "envelope_id": f"e-{self.presses}", "payload": payload}
        for _ in range(deliveries):
            await self.sockets[-1].send_json({**envelope, "accepts_response_payload": False})

    def pressed(self, message: dict[str, Any], label: str, user: str) -> dict[str, Any]:
        """What Slack sends when a user presses a button of a message."""
        self.presses += 1
        (button,) = (each for each in pressable(message) if each["text"]["text"] == label)
        return {
            "type": "block_actions",
            "trigger_id": f"t-{self.presses}",
            "user": {"id": user, "username": user.lower(), "team_id": "T1"},
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": "C1"},
            "actions": [{"type": "button", "action_id": button["action_id"], "value": button["value"]}],
        }

    def _list(self, group: str) -> web.Response:
        self.lists += 1
        if group != GROUP:
            return web.json_response({"ok": False, "error": "no_such_subteam"})
        return web.json_response({"ok": True, "users": self.members})

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


def pressable(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The buttons of a message."""
    return [
        button for block in message["blocks"] if block["type"] == "actions" for button in block["elements"]
    ]


def labels(message: dict[str, Any]) -> list[str]:
    """What a message's buttons say."""
    return [button["text"]["text"] for button in pressable(message)]


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
    app.router.add_route("*", "/api/{method}", slack.handle)
    app.router.add_get("/socket", slack.connect)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    try:
        yield slack
    finally:
        await runner.cleanup()
