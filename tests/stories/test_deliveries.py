"""Stories of what deliveries come to: DORA's figures after the records are gone, and the daemon's own counters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.inspect.reading import ClusterReader
from sentinel.domain.record.state import Phase
from sentinel.reports.dora import DoraFigures, dora
from tests.adapters.kubernetes.worlds import access_to
from tests.support.world import NAMESPACE, World


async def figures(shop: World) -> DoraFigures:
    """Those of the last week, as `sentinel dora` reads them."""
    async with ApiClient(access_to(shop.cluster.url, "admin")) as client:
        reader = ClusterReader(client)
        records, histories = await reader.records(NAMESPACE), await reader.histories(NAMESPACE)
    assert len(records) == 2
    return dora(records, histories, shop.cluster.now(), (7,))[0].figures[0]


async def release(shop: World, image: str) -> None:
    """Roll out an image that was committed half an hour ago, as CI says, and see it promoted."""
    committed = (shop.cluster.now() - timedelta(minutes=30)).isoformat()

    def change(deployment: dict[str, Any]) -> None:
        template = deployment["spec"]["template"]
        template["spec"]["containers"][0]["image"] = image
        template["metadata"].setdefault("annotations", {})["rollback-sentinel.dev/committed-at"] = committed

    shop.cluster.change("web", change, namespace=NAMESPACE)
    await shop.phase(Phase.PROMOTED, image=image)


async def test_deliveries_count_on_after_their_records_are_gone(plain: World) -> None:
    """Two records are kept, and three deployments with their lead times are known."""
    await plain.stop()
    plain.environ["SENTINEL_RECORDS__KEEP"] = "2"
    await plain.start()
    for image in ("web:2", "web:3", "web:4"):
        await release(plain, image)
    found = await figures(plain)
    assert (found.total.deployments, found.total.failed, found.total.lead.count) == (3, 0, 3)
    assert found.lead_time is not None
    assert 1800 <= found.lead_time <= 1800 + 900
