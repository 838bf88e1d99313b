"""Posts of a real Alertmanager: what it sends is understood, and what it does when it is refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from sentinel.adapters.alertmanager import payload
from sentinel.domain.alert import AlertStatus, Notification
from tests.support.alertmanager import real_alertmanager

pytestmark = [pytest.mark.real, pytest.mark.real_time]


class Receiver:
    """Takes posts in, after `refusals` answers of 503."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.taken: asyncio.Queue[Notification] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        self.taken.put_nowait(payload.parse(body, datetime.now(UTC)))
        return web.Response()

    async def next(self) -> Notification:
        async with asyncio.timeout(30):
            return await self.taken.get()


@contextlib.asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


async def send(alertmanager: str, **changes: str) -> None:
    alert = {"labels": {"alertname": "HighErrorRate", "namespace": "shop", "pod": "api-1"}} | changes
    url = f"{alertmanager}/api/v2/alerts"
    async with aiohttp.ClientSession() as session, session.post(url, json=[alert]) as response:
        assert response.status == 200


async def test_a_firing_and_a_resolved_alert_are_understood() -> None:
    """The same alert comes firing and then resolved, under one fingerprint, with its times."""
    receiver = Receiver()
    async with receiving(receiver) as url, real_alertmanager(url) as alertmanager:
        await send(alertmanager, startsAt="2026-01-01T12:00:00.5Z")
        (firing,) = (await receiver.next()).alerts
        await send(alertmanager, startsAt="2026-01-01T12:00:00.5Z", endsAt="2026-01-01T12:05:00Z")
        (resolved,) = (await receiver.next()).alerts
    assert (firing.name, firing.status, firing.ends_at) == ("HighErrorRate", AlertStatus.FIRING, None)
    assert firing.labels["pod"] == "api-1"
    assert firing.starts_at == datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert (resolved.status, resolved.fingerprint) == (AlertStatus.RESOLVED, firing.fingerprint)
    assert resolved.ends_at == datetime(2026, 1, 1, 12, 5, tzinfo=UTC)


async def test_a_503_is_sent_again() -> None:
    """What could not be recorded comes again: the reason for answering 503."""
    receiver = Receiver(refusals=2)
    async with receiving(receiver) as url, real_alertmanager(url) as alertmanager:
        await send(alertmanager)
        assert len((await receiver.next()).alerts) == 1
    assert receiver.refusals == 0
