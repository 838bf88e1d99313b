"""Storms of alerts: what was answered 200 stands in a record, and the API server is spared."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import aiohttp

from clustersim.faults import FaultKind, InjectedFault
from sentinel.adapters.http.server import WEBHOOK_PATH
from sentinel.domain.record.record import MAX_ALERTS
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World

THE_LEADERS_OWN = 4
"""Writes that the leader may make of its own beside the intake's: what an alert came to, checkpoints."""


async def released(here: World) -> str:
    """A release in its first bake; the name of a pod of the stable revision, whose alerts undo nothing."""
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await here.phase(Phase.BAKING, image="web:2")
    pods = here.cluster.pods("web", namespace=NAMESPACE)
    return next(
        str(pod["metadata"]["name"])
        for pod in pods
        if pod["spec"]["containers"][0]["image"] == "web:1" and "deletionTimestamp" not in pod["metadata"]
    )


def written(here: World, latency: float = 0.0) -> InjectedFault:
    """Counts the writes of records' statuses from now on, and makes them slow."""
    return here.cluster.faults.add(
        InjectedFault(FaultKind.LATENCY, frozenset({"update"}), "rolloutrecords/.+/status", seconds=latency)
    )


async def post(here: World, alerts: list[dict[str, Any]]) -> int:
    """Post like Alertmanager; the status of the answer."""
    assert here.application is not None
    body = io.BytesIO(json.dumps({"version": "4", "alerts": alerts}).encode())
    headers = {"Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(here.application.http.url + WEBHOOK_PATH, data=body, headers=headers) as response,
    ):
        await response.read()
        return response.status


async def test_ten_thousand_alerts_in_one_post_cost_one_write(shop: World) -> None:
    """What has a place stands in the record, the rest is counted, and the API server saw next to nothing of it."""
    pod = await released(shop)
    writes = written(shop)
    storm = [shop.alert(pod=pod, instance=f"i{n:05}") for n in range(10_000)]
    assert await post(shop, storm) == 200
    record = shop.record(image="web:2")
    assert record is not None
    assert len(record.alerts) == MAX_ALERTS
    assert record.alerts_beyond is not None
    assert record.alerts_beyond.count == 10_000 - MAX_ALERTS
    assert writes.struck <= 1 + THE_LEADERS_OWN


async def test_posts_that_come_together_share_their_writes(shop: World) -> None:
    """Forty posts while a write takes a second: all are answered when they stand, after a handful of writes."""
    pod = await released(shop)
    writes = written(shop, latency=1.0)
    alerts = [shop.alert(pod=pod, instance=f"i{n:02}") for n in range(40)]
    assert await asyncio.gather(*(post(shop, [one]) for one in alerts)) == [200] * 40
    record = shop.record(image="web:2")
    assert record is not None
    assert {entry.fingerprint for entry in record.alerts} == {one["fingerprint"] for one in alerts}
    assert writes.struck <= 4 + THE_LEADERS_OWN


async def test_a_repeated_storm_costs_nothing(shop: World) -> None:
    """Alertmanager sends what fires again and again; what stands is not written anew."""
    pod = await released(shop)
    alerts = [shop.alert(pod=pod, instance=f"i{n:02}") for n in range(20)]
    assert await post(shop, alerts) == 200
    writes = written(shop)
    for _ in range(10):
        assert await post(shop, alerts) == 200
    assert writes.struck <= THE_LEADERS_OWN


async def test_a_repeated_storm_without_a_place_costs_nothing(shop: World) -> None:
    """What is beyond the record's places is neither counted again nor does it push others out."""
    pod = await released(shop)
    alerts = [shop.alert(pod=pod, instance=f"i{n:04}") for n in range(1_000)]
    assert await post(shop, alerts) == 200
    before = shop.record(image="web:2")
    writes = written(shop)
    for _ in range(3):
        assert await post(shop, alerts) == 200
    after = shop.record(image="web:2")
    assert before is not None
    assert after is not None
    assert after.alerts_beyond == before.alerts_beyond
    assert {a.fingerprint for a in after.alerts} == {a.fingerprint for a in before.alerts}
    assert writes.struck <= THE_LEADERS_OWN


async def test_an_alert_that_undoes_finds_its_place_in_a_storm_of_others(shop: World) -> None:
    """A hundred alerts of old pods do not crowd out the one that is the candidate's, wherever in the post it stands."""
    pod = await released(shop)
    storm = [shop.alert(pod=pod, instance=f"i{n:03}") for n in range(100)]
    assert await post(shop, [shop.alert(alertname="Crashing", deployment="web"), *storm]) == 200
    await shop.phase(Phase.UNDONE, image="web:2", within=60)


async def test_while_the_api_server_is_away_nothing_is_answered_200(shop: World) -> None:
    """Every post is asked to come again, and is taken when the API server is back."""
    pod = await released(shop)
    away = shop.cluster.faults.add(
        InjectedFault(FaultKind.ERROR, frozenset({"update"}), "rolloutrecords", status=500)
    )
    alerts = [shop.alert(pod=pod, instance=f"i{n:02}") for n in range(10)]
    assert await asyncio.gather(*(post(shop, [one]) for one in alerts)) == [503] * 10
    shop.cluster.faults.remove(away)
    assert await asyncio.gather(*(post(shop, [one]) for one in alerts)) == [200] * 10
    record = shop.record(image="web:2")
    assert record is not None
    assert {entry.fingerprint for entry in record.alerts} == {one["fingerprint"] for one in alerts}
