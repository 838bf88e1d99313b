"""Requests offered, spread and counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.metrics.requests import BUCKETS, PodCounters, Quality
from clustersim.node.behaviour import Behaviour, crash_loop, crashes_after


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    """A cluster with four ready pods of `api`."""
    async with SimulatedCluster(options=ClusterOptions(serve=False)) as running:
        running.deploy("api", "app:v1", 4)
        await asyncio.sleep(10)
        yield running


def counters(cluster: SimulatedCluster) -> list[PodCounters]:
    return list(cluster.traffic.counters())


def total(cluster: SimulatedCluster, code: str = "") -> int:
    found = counters(cluster)
    return sum(c.requests.get(code, 0) if code else c.count for c in found)


async def test_the_offered_rate_arrives(cluster: SimulatedCluster) -> None:
    """100 requests a second for 1,000 s: 100,000, give or take what chance allows."""
    cluster.offer("api", 100)
    await asyncio.sleep(1000)
    assert total(cluster) == pytest.approx(100_000, abs=5 * 100_000**0.5)


async def test_even_arrivals_are_exact(cluster: SimulatedCluster) -> None:
    """Without chance: every request, spread evenly to within one."""
    cluster.offer("api", 7, arrivals="even")
    await asyncio.sleep(1000)
    assert sorted(c.count for c in counters(cluster)) == [1750] * 4


async def test_reading_often_changes_nothing(cluster: SimulatedCluster) -> None:
    """Fractions of requests between two readings are not lost."""
    cluster.offer("api", 0.7, arrivals="even")
    for _ in range(1000):
        await asyncio.sleep(1)
        total(cluster)
    assert total(cluster) in (699, 700)


async def test_the_error_share_is_the_images(cluster: SimulatedCluster) -> None:
    """12 % errors of an image show in its pods' counters, with its code."""
    cluster.serve("app:v1", Quality(errors=0.12, error_code="503"))
    cluster.offer("api", 100)
    await asyncio.sleep(1000)
    assert total(cluster, "503") / total(cluster) == pytest.approx(0.12, abs=0.006)


async def test_a_fault_can_begin_later(cluster: SimulatedCluster) -> None:
    """Before its time there are no errors, after it there are."""
    cluster.serve("app:v1", Quality(errors=0))
    cluster.serve("app:v1", Quality(errors=1), after=100)
    cluster.offer("api", 10, arrivals="even")
    await asyncio.sleep(100)
    assert total(cluster, "500") == 0
    await asyncio.sleep(100)
    assert total(cluster, "500") == pytest.approx(1000, abs=1)


async def test_an_outage_hits_every_image_and_ends(cluster: SimulatedCluster) -> None:
    """Both of two images answer badly while it lasts, and well again after it."""
    cluster.deploy("web", "web:v1", 2)
    for name in ("api", "web"):
        cluster.offer(name, 10, arrivals="even")
    cluster.serve("*", Quality(errors=0))
    await asyncio.sleep(10)
    cluster.outage(quality=Quality(errors=1))
    await asyncio.sleep(100)
    cluster.outage(False)
    failed = dict.fromkeys(("app:v1", "web:v1"), 0)
    for found in counters(cluster):
        failed[found.image] += found.requests.get("500", 0)
    assert all(count == pytest.approx(1000, abs=4) for count in failed.values())
    before = total(cluster, "500")
    await asyncio.sleep(100)
    assert total(cluster, "500") == before


async def test_latencies_fall_into_the_histogram(cluster: SimulatedCluster) -> None:
    """A median of 2 s: half the requests are at most 2.5 s bucket, the mean is the log-normal one."""
    cluster.serve("app:v1", Quality(latency=2.0, spread=0.5))
    cluster.offer("api", 100)
    await asyncio.sleep(1000)
    found = counters(cluster)
    below = sum(sum(c.buckets[: BUCKETS.index(2.5) + 1]) for c in found)
    assert below / total(cluster) == pytest.approx(0.672, abs=0.01)
    assert sum(c.seconds for c in found) / total(cluster) == pytest.approx(2.266, abs=0.03)
    assert all(sum(c.buckets) == c.count for c in found)


async def test_only_ready_pods_get_requests(cluster: SimulatedCluster) -> None:
    """A pod that is not ready is sent nothing, the others everything."""
    cluster.behave("app:v2", Behaviour(ready_after=None))
    cluster.set_image("api", "app:v2")
    cluster.offer("api", 10, arrivals="even")
    await asyncio.sleep(100)
    assert {c.image for c in counters(cluster) if c.count} == {"app:v1"}
    assert total(cluster) == pytest.approx(1000, abs=2)


async def test_requests_without_a_ready_pod_are_lost(cluster: SimulatedCluster) -> None:
    """They are counted as lost, and only they."""
    cluster.scale("api", 0)
    await asyncio.sleep(10)
    cluster.offer("api", 10, arrivals="even")
    await asyncio.sleep(100)
    assert cluster.traffic.lost("default/api") == pytest.approx(1000, abs=1)


async def test_a_restart_resets_the_counters(cluster: SimulatedCluster) -> None:
    """A new run of a container counts from zero, under the same name."""
    cluster.offer("api", 40, arrivals="even")
    await asyncio.sleep(100)
    assert {c.count for c in counters(cluster)} == {1000}
    cluster.behave("app:v1", crashes_after(1, times=1))
    await asyncio.sleep(10)
    assert all(0 < c.count < 100 and c.restarts == 1 for c in counters(cluster))


async def test_a_container_that_does_not_run_shows_nothing(cluster: SimulatedCluster) -> None:
    """In CrashLoopBackOff there is nobody to ask."""
    cluster.behave("app:v1", crash_loop())
    await asyncio.sleep(10)
    assert counters(cluster) == []


async def test_sticky_clients_load_pods_unevenly(cluster: SimulatedCluster) -> None:
    """With popular clients that stick to a pod, one pod gets far more than another."""
    cluster.offer("api", 100, affinity="sticky")
    await asyncio.sleep(1000)
    counts = sorted(c.count for c in counters(cluster))
    assert counts[-1] > 1.5 * counts[0]


async def test_all_requests_of_a_broken_client_fail_where_it_sticks(cluster: SimulatedCluster) -> None:
    """One pod has all the errors of the one client, and the others have none."""
    cluster.serve("*", Quality(errors=0))
    cluster.offer("api", 100, affinity="sticky", clients=40, broken=(3,))
    await asyncio.sleep(1000)
    failed = [c.requests.get("500", 0) for c in counters(cluster)]
    assert sorted(failed)[-2] == 0
    assert max(failed) > 1000


async def test_sticky_clients_stay_when_others_come() -> None:
    """The favourites among the pods keep their share when the set does not change."""
    async with SimulatedCluster(options=ClusterOptions(serve=False)) as cluster:
        cluster.deploy("api", "app:v1", 4)
        cluster.offer("api", 100, arrivals="even", affinity="sticky")
        await asyncio.sleep(10)
        first = {c.pod: c.count for c in counters(cluster)}
        await asyncio.sleep(1000)
        later = {c.pod: c.count for c in counters(cluster)}
    assert sorted(first, key=lambda pod: first[pod]) == sorted(later, key=lambda pod: later[pod])


async def test_the_same_seed_gives_the_same_traffic() -> None:
    """Two runs count the same."""

    async def run() -> list[dict[str, int]]:
        async with SimulatedCluster(options=ClusterOptions(serve=False, seed=5)) as cluster:
            cluster.deploy("api", "app:v1", 4)
            cluster.offer("api", 100)
            await asyncio.sleep(100)
            return [c.requests for c in counters(cluster)]

    assert await run() == await run()
