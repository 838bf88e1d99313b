"""A real Prometheus scrapes the simulated cluster, in both of the ways that it offers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from clustersim.cluster import SimulatedCluster
from clustersim.metrics.requests import Quality
from tests.support.prometheus import real_prometheus


async def query(url: str, text: str) -> list[dict[str, Any]]:
    async with (
        ClientSession() as session,
        session.get(f"{url}/api/v1/query", params={"query": text}) as response,
    ):
        result: list[dict[str, Any]] = (await response.json())["data"]["result"]
        return result


@pytest.mark.real
@pytest.mark.real_time
async def test_both_ways_of_scraping_give_the_same_series() -> None:
    """One target with all pods under its own labels, or one target a pod found by HTTP service discovery."""
    async with SimulatedCluster() as cluster:
        cluster.deploy("api", "app:v1", 2)
        cluster.serve("app:v1", Quality(errors=0.5))
        cluster.offer("api", 200)
        address = cluster.metrics_url.removeprefix("http://")
        discovery = f"{cluster.metrics_url}/http_sd"
        by_pod = "count by (namespace, pod, code) (http_requests_total{job='%s'})"
        async with real_prometheus([address], discovery=discovery) as url:
            async with asyncio.timeout(120):
                while True:
                    one = await query(url, by_pod % "pods")
                    other = await query(url, by_pod % "discovered")
                    if len(one) == len(other) == 4:
                        break
                    await asyncio.sleep(0.2)

            def labels(result: list[dict[str, Any]]) -> list[Any]:
                return sorted(tuple(sorted(element["metric"].items())) for element in result)

            assert labels(one) == labels(other)
            assert await query(url, "up == 0") == []
            (total,) = await query(url, 'sum(http_request_duration_seconds_bucket{job="pods",le="+Inf"})')
            assert float(total["value"][1]) > 0
