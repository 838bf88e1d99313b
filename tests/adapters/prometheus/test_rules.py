"""How long alerts are pending, from the rules that Prometheus has loaded."""

from __future__ import annotations

import asyncio

from aiohttp import web

from sentinel.adapters.prometheus.rules import PrometheusAlertRules
from tests.adapters.prometheus.fake import prometheus


async def test_the_longest_of_several_rules_counts() -> None:
    """Two rules of one name: the alert may have begun as long ago as the longer says."""
    async with prometheus() as (fake, client):
        fake.rules = [{"name": "Slow", "duration": 60}, {"name": "Slow", "duration": 300}, {"odd": 1}]
        rules = PrometheusAlertRules(client)
        assert await rules.pending_for("Slow") == 300
        assert await rules.pending_for("Other") is None


async def test_vmalerts_rules_are_understood() -> None:
    """It tells recording rules as well, and an alert without a for: fires at once; odd entries are passed over."""
    async with prometheus() as (fake, client):
        fake.rules = [
            {"name": "Now", "type": "alerting"},
            {"name": "Slow", "duration": 60.5, "type": "alerting"},
            {"name": "job:errors", "duration": 0, "type": "recording"},
            "odd",
            {"name": "Odd", "duration": "5m", "type": "alerting"},
        ]
        assert await PrometheusAlertRules(client).durations() == {"Now": 0, "Slow": 60.5}


async def test_rules_are_asked_for_once_a_minute() -> None:
    """A storm of alerts makes one request; after 60 s the first alert has changed rules fetched and waits for none."""
    async with prometheus() as (fake, client):
        fake.rules = [{"name": "Slow", "duration": 60}]
        rules = PrometheusAlertRules(client)
        await asyncio.gather(*(rules.pending_for("Slow") for _ in range(50)))
        assert fake.rules_asked == 1
        fake.rules = [{"name": "Slow", "duration": 90}]
        assert await rules.pending_for("Slow") == 60
        await asyncio.sleep(60)
        assert await rules.pending_for("Slow") == 60
        await asyncio.sleep(1)
        assert await rules.pending_for("Slow") == 90


async def test_what_was_known_long_ago_is_not_relied_on() -> None:
    """Ten minutes after the last question, the first alert waits for the rules as they are."""
    async with prometheus() as (fake, client):
        fake.rules = [{"name": "Slow", "duration": 60}]
        rules = PrometheusAlertRules(client)
        assert await rules.pending_for("Slow") == 60
        fake.rules = [{"name": "Slow", "duration": 90}]
        await asyncio.sleep(600)
        assert await rules.pending_for("Slow") == 90


async def test_while_prometheus_is_down_the_last_known_holds() -> None:
    """A failure is None where nothing was known, and what was known otherwise; it is not asked at every alert."""
    async with prometheus() as (fake, client):
        fake.fault = web.Response(status=500)
        rules = PrometheusAlertRules(client)
        assert await rules.pending_for("Slow") is None
        assert await rules.pending_for("Slow") is None
        assert fake.rules_asked == 1
        fake.fault, fake.rules = None, [{"name": "Slow", "duration": 60}]
        await asyncio.sleep(60)
        assert await rules.pending_for("Slow") == 60
        fake.fault = web.Response(status=500)
        await asyncio.sleep(60)
        assert await rules.pending_for("Slow") == 60
