"""Services, their slices, and the traffic that follows them."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.metrics.load import ToService
from clustersim.node.behaviour import Behaviour, never_ready
from clustersim.storage.history import Event
from clustersim.storage.resources import ENDPOINT_SLICES, PODS, SERVICES

QUIET = ClusterOptions(serve=False)


def switch(cluster: SimulatedCluster, colour: str) -> None:
    def select(service: dict[str, Any]) -> None:
        service["spec"]["selector"] = {"app": colour}

    cluster.change("web", select, resource=SERVICES)


def endpoints(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    return [e for s in cluster.store.list(ENDPOINT_SLICES) for e in s["endpoints"] or ()]


def served(cluster: SimulatedCluster) -> dict[str, int]:
    counts: dict[str, int] = {}
    for found in cluster.traffic.counters():
        counts[found.image] = counts.get(found.image, 0) + found.count
    return counts


async def two_colours(cluster: SimulatedCluster) -> None:
    """Blue and green, two pods each; the Service selects blue."""
    for colour in ("blue", "green"):
        cluster.deploy(colour, f"{colour}:v1", 2)
    cluster.expose("web", app="blue")
    await asyncio.sleep(20)


async def test_traffic_follows_the_selector() -> None:
    """Before the switch blue answers, after it green, and no request is lost."""
    async with SimulatedCluster(options=QUIET) as cluster:
        await two_colours(cluster)
        cluster.offer("web", 10, to=ToService("web"), arrivals="even")
        await asyncio.sleep(100)
        assert served(cluster) == {"blue:v1": 1000, "green:v1": 0}
        switch(cluster, "green")
        await asyncio.sleep(100)
        after = served(cluster)
        assert after["blue:v1"] <= 1002
        assert after["green:v1"] >= 998
        assert cluster.traffic.lost("default/web") == 0


async def test_the_switch_takes_11_to_67_ms() -> None:
    """In one event, whatever the number of pods."""
    async with SimulatedCluster(options=QUIET) as cluster:
        await two_colours(cluster)
        loop = asyncio.get_running_loop()
        times: list[float] = []

        def note(event: Event) -> None:
            if event.resource is ENDPOINT_SLICES:
                times.append(loop.time())

        cluster.store.subscribe(note)
        for colour in ("green", "blue") * 5:
            times.clear()
            begun = loop.time()
            switch(cluster, colour)
            await asyncio.sleep(1)
            (seen,) = times
            assert 0.011 <= seen - begun <= 0.067


async def test_a_switch_to_unready_pods_loses_the_requests() -> None:
    """They are in the slice, not ready, and nobody answers."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("green:v1", never_ready())
        await two_colours(cluster)
        switch(cluster, "green")
        await asyncio.sleep(1)
        cluster.offer("web", 10, to=ToService("web"), arrivals="even")
        await asyncio.sleep(100)
        assert [e["conditions"]["ready"] for e in endpoints(cluster)] == [False, False]
        assert cluster.traffic.lost("default/web") == 1000


async def test_a_terminating_pod_serves_but_is_not_ready() -> None:
    """Until it is gone; the others get its requests."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.behave("blue:v1", Behaviour(stop_after=10))
        await two_colours(cluster)
        name = cluster.pods("blue")[0]["metadata"]["name"]
        cluster.store.delete(PODS, "default", name)
        await asyncio.sleep(1)
        going = [e["conditions"] for e in endpoints(cluster) if e["targetRef"]["name"] == name]
        assert going == [{"ready": False, "serving": True, "terminating": True}]
        await asyncio.sleep(30)
        assert name not in [e["targetRef"]["name"] for e in endpoints(cluster)]


async def test_more_than_100_endpoints_need_more_slices() -> None:
    """And pods stay in the slice in which they are."""
    async with SimulatedCluster(options=QUIET) as cluster:
        cluster.deploy("blue", "blue:v1", 205)
        cluster.expose("web", app="blue")
        await asyncio.sleep(30)
        sizes = [len(s["endpoints"]) for s in cluster.store.list(ENDPOINT_SLICES)]
        assert sorted(sizes) == [5, 100, 100]
        cluster.scale("blue", 90)
        await asyncio.sleep(30)
        assert sum(len(s["endpoints"]) for s in cluster.store.list(ENDPOINT_SLICES)) == 90


async def test_the_slices_go_with_their_service() -> None:
    """They belong to it."""
    async with SimulatedCluster(options=QUIET) as cluster:
        await two_colours(cluster)
        cluster.store.delete(SERVICES, "default", "web")
        await asyncio.sleep(1)
        assert cluster.store.list(ENDPOINT_SLICES) == []
