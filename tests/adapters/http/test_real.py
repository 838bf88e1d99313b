"""The way of an alert: a rule of a real Prometheus, a real Alertmanager, our webhook."""

from __future__ import annotations

import asyncio

import pytest

from sentinel.adapters.alertmanager import payload
from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.listener import ServerOptions
from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.server import WEBHOOK_PATH, HttpServer
from sentinel.adapters.http.webhook import AlertmanagerWebhook, WebhookLimits
from sentinel.domain.alert import Alert, AlertStatus, Notification
from sentinel.domain.errors import ClusterUnavailableError
from sentinel.ports import SystemClock
from tests.support.alertmanager import real_alertmanager
from tests.support.prometheus import real_prometheus

pytestmark = [pytest.mark.real, pytest.mark.real_time]

RULE = {
    "alert": "HighErrorRate",
    "expr": "vector(1)",
    "labels": {"namespace": "shop", "deployment": "api"},
    "annotations": {"summary": "too many errors"},
}


class Intake:
    """Fails once, then records."""

    def __init__(self) -> None:
        self.failures = 1
        self.alerts: asyncio.Queue[Alert] = asyncio.Queue()

    async def receive(self, notification: Notification) -> int:
        if self.failures:
            self.failures -= 1
            raise ClusterUnavailableError("The API server is down.")
        for alert in notification.alerts:
            self.alerts.put_nowait(alert)
        return len(notification.alerts)


async def test_a_rule_that_fires_reaches_the_intake() -> None:
    """The alert comes through the whole way with its labels, past the token and a first failure to record it."""
    intake, telemetry = Intake(), PrometheusTelemetry()
    limits = WebhookLimits(credentials=Authenticator((Login("secret"),)))
    webhook = AlertmanagerWebhook(
        intake, payload.parse, clock=SystemClock(), telemetry=telemetry, limits=limits
    )
    options = ServerOptions(host="127.0.0.1", port=0)
    server = HttpServer(webhook, telemetry, health=list, readiness=list, options=options)
    await server.start()
    token = {"authorization": {"credentials": "secret"}}
    try:
        async with (
            real_alertmanager(server.url + WEBHOOK_PATH, http_config=token) as alertmanager,
            real_prometheus([], [RULE], alertmanager),
            asyncio.timeout(120),
        ):
            alert = await intake.alerts.get()
    finally:
        await server.stop()
    assert (alert.name, alert.status) == ("HighErrorRate", AlertStatus.FIRING)
    assert (alert.labels["deployment"], alert.annotations["summary"]) == ("api", "too many errors")
    assert intake.failures == 0
