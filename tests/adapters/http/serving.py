"""A running HTTP server and a client, for the tests of the webhook and its door."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp

from sentinel.adapters.http.listener import Handler, ServerOptions
from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.server import WEBHOOK_PATH, HttpServer
from sentinel.adapters.http.webhook import AlertmanagerWebhook, WebhookLimits
from sentinel.domain.alert import Alert, AlertFate, AlertOutcome, AlertStatus, Notification, Receipt
from sentinel.ports import SystemClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def parse(body: bytes, received_at: datetime) -> Notification:
    """One alert named by the body."""
    if body.startswith(b"bad"):
        raise ValueError("$.alerts must be a list.")
    return Notification((Alert(body.decode()[:20], AlertStatus.FIRING, {}, NOW, received_at),))


class Intake:
    """Remembers what was recorded; may be slow or fail."""

    def __init__(self) -> None:
        self.recorded: list[str] = []
        self.delay = 0.0
        self.error: Exception | None = None

    async def receive(self, notification: Notification) -> Receipt:
        await asyncio.sleep(self.delay)
        if self.error:
            raise self.error
        self.recorded += [alert.fingerprint for alert in notification.alerts]
        fates = [AlertFate(AlertOutcome.RECORDED) for _ in notification.alerts]
        return Receipt(len(fates), tuple(fates))


class World:
    """A running server and a client."""

    def __init__(self, server: HttpServer, intake: Intake, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.intake = intake
        self.session = session
        self.url = server.url

    async def post(self, body: bytes | str | io.BytesIO, **headers: str) -> tuple[int, Any, Any]:
        send = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.session.post(self.url + WEBHOOK_PATH, data=body, headers=send) as response:
            return response.status, await response.json(), response.headers

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.url + path) as response:
            return response.status, await response.text()


@contextlib.asynccontextmanager
async def serving(
    limits: WebhookLimits | None = None,
    health: Sequence[str] = (),
    readiness: Sequence[str] = (),
    *,
    read: Callable[[bytes, datetime], Notification] = parse,
    options: ServerOptions | None = None,
    slack: Handler | None = None,
) -> AsyncIterator[World]:
    """A server with these limits on a free port of the loopback."""
    intake, telemetry = Intake(), PrometheusTelemetry()
    webhook = AlertmanagerWebhook(
        intake, read, clock=SystemClock(), telemetry=telemetry, limits=limits or WebhookLimits()
    )
    server = HttpServer(
        webhook,
        telemetry,
        health=lambda: health,
        readiness=lambda: readiness,
        slack=slack,
        options=replace(options or ServerOptions(), host="127.0.0.1", port=0),
    )
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield World(server, intake, session)
    finally:
        await server.stop()
