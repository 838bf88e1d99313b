"""Posts of a real Alertmanager: what it sends is understood, and what it does when it is refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from sentinel.adapters.alertmanager import payload
from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.rules import PrometheusAlertRules
from sentinel.domain.alert import AlertStatus, Notification
from tests.support.alertmanager import real_alertmanager
from tests.support.prometheus import real_prometheus
from tests.support.victoria import real_victoria

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
        async with asyncio.timeout(120):
            return await self.taken.get()


@contextlib.asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
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


async def test_an_odd_alert_of_a_group_is_left_out_alone() -> None:
    """Alertmanager takes labels of any length, and posts them in one group with others."""
    receiver = Receiver()
    async with receiving(receiver) as url, real_alertmanager(url, group_by=["alertname"]) as alertmanager:
        labels = {"alertname": "HighErrorRate", "namespace": "shop"}
        alerts = [{"labels": labels | {"line": line}} for line in ("short", "x" * 4200)]
        async with aiohttp.ClientSession() as session:
            await session.post(f"{alertmanager}/api/v2/alerts", json=alerts)
        post = await receiver.next()
        while not (post.odd and post.alerts):  # the first post may be of the alert alone that came first
            post = await receiver.next()
    assert [alert.labels["line"] for alert in post.alerts] == ["short"]
    assert [(odd.name, bool(odd.fingerprint)) for odd in post.odd] == [("HighErrorRate", True)]


RULE = {
    "alert": "Always",
    "expr": "vector(1)",
    "for": "1s",
    "labels": {"severity": "page", "namespace": "shop", "deployment": "web"},
}


async def test_prometheus_itself_is_understood() -> None:
    """It takes the sentinel for an Alertmanager under a prefix, and posts the same alert again and again."""
    receiver = Receiver()
    async with receiving(receiver) as url, real_prometheus([], [RULE], f"{url}webhooks/alertmanager"):
        first, again = [(await receiver.next()).alerts[0] for _ in range(2)]
    assert (first.name, first.status, first.labels["deployment"]) == ("Always", AlertStatus.FIRING, "web")
    assert (again.fingerprint, again.starts_at) == (first.fingerprint, first.starts_at)
    assert first.ends_at is not None
    assert first.ends_at > first.received_at


async def test_vmalert_is_understood(tmp_path: Path) -> None:
    """It posts as Prometheus does, and tells how long its alerts are pending."""
    receiver = Receiver()
    async with (
        receiving(receiver) as url,
        real_victoria(tmp_path, [RULE, {"record": "a:b", "expr": "vector(1)"}], url.rstrip("/")) as victoria,
    ):
        (alert,) = (await receiver.next()).alerts
        known = [await _durations(address) for address in (victoria.storage, victoria.vmalert)]
    assert (alert.name, alert.status, alert.labels["deployment"]) == ("Always", AlertStatus.FIRING, "web")
    assert known == [{}, {"Always": 1.0}]


async def _durations(url: str) -> Mapping[str, float]:
    client = PrometheusClient(PrometheusConnection(url))
    try:
        return await PrometheusAlertRules(client).durations()
    finally:
        client.close()


async def test_a_503_is_sent_again() -> None:
    """What could not be recorded comes again: the reason for answering 503."""
    receiver = Receiver(refusals=2)
    async with receiving(receiver) as url, real_alertmanager(url) as alertmanager:
        await send(alertmanager)
        assert len((await receiver.next()).alerts) == 1
    assert receiver.refusals == 0
