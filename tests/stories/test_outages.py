"""Stories of a metrics source that is away for long."""

import asyncio

import aiohttp

from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World, actions


async def circuit(here: World) -> float:
    """What our own metrics say of Prometheus' circuit: 1 while it is left alone."""
    assert here.application is not None
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{here.application.http.url}/metrics") as page,
    ):
        text = await page.text()
    line = next(line for line in text.splitlines() if line.startswith("sentinel_source_circuit_open{"))
    return float(line.rpartition(" ")[2])


async def test_a_source_that_stays_away_is_left_alone_and_taken_up_again(shop: World) -> None:
    """The rollout holds and says why, the metric shows it, and both are over soon after the source is back."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    assert await circuit(shop) == 0
    shop.cluster.prometheus.status = 503
    record = await shop.phase(Phase.HELD, image="web:2", within=300)
    assert record.state.hold is not None
    assert record.state.hold.reason == "EvidenceMissing"
    assert "prometheus failed" in record.state.hold.message
    assert "is not available (HTTP 503)" in record.state.hold.message
    assert await circuit(shop) == 1
    await asyncio.sleep(600)
    shop.cluster.prometheus.status = None
    await asyncio.sleep(90)
    assert await circuit(shop) == 0
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]
