"""A second watch hastens what the shared one brings, and costs nothing where it cannot."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import PODS as STORED
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import PODS
from sentinel.adapters.kubernetes.watch import selected
from sentinel.adapters.kubernetes.watch.reflector import Reflector
from sentinel.adapters.kubernetes.watch.selected import SelectedWatch
from sentinel.adapters.kubernetes.workloads.trim_pods import PodEntry, trim_pod
from sentinel.ports import SystemClock
from tests.adapters.kubernetes.worlds import until

pytestmark = pytest.mark.sockets


class Both:
    """The shared watch of pods and a second one, of those of some colours."""

    def __init__(self, cluster: SimulatedCluster, client: ApiClient) -> None:
        self._cluster = cluster
        how: dict[str, Any] = {"clock": SystemClock(), "rng": random.Random(1)}
        self.shared: Reflector[PodEntry] = Reflector(
            client, RequestTarget(PODS), trim_pod, lambda *_: None, **how
        )
        self.second = SelectedWatch(client, self.shared, "colour", **how)

    def pod(self, name: str, colour: str) -> None:
        """Create a pod."""
        metadata = {"name": name, "namespace": "default", "labels": {"colour": colour}}
        spec = {"containers": [{"name": "main", "image": "app:v1"}]}
        self._cluster.store.create(STORED, {"metadata": metadata, "spec": spec})

    def deafen(self) -> None:
        """The shared watch gets no more events."""
        for watcher in self._cluster.api.watches.of(STORED):
            if not watcher.selects:
                watcher.offer = lambda _delivery: None  # type: ignore[method-assign]

    def selections(self) -> int:
        """How many watches of a selection are open."""
        return sum(watcher.selects for watcher in self._cluster.api.watches.of(STORED))

    def seen(self) -> set[str]:
        """The names of the pods that are known."""
        return {name for _, name in self.shared.entries}


@asynccontextmanager
async def watching(cluster: SimulatedCluster, client: ApiClient) -> AsyncIterator[Both]:
    """Both at work."""
    both = Both(cluster, client)
    tasks = [asyncio.create_task(each.run()) for each in (both.shared, both.second)]
    try:
        await both.shared.wait_synced()
        yield both
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_selected_does_not_wait_for_the_shared_watch(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """It is seen although nothing comes there; what is not selected is not."""
    async with watching(cluster, client) as both:
        both.second.select(["red"])
        await until(lambda: both.selections() == 1)
        both.deafen()
        both.pod("b", "blue")
        both.pod("r", "red")
        await until(lambda: both.seen() == {"r"})


async def test_what_came_between_the_two_watches_is_seen(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """The second watch goes on from where the shared one stands, not from when it is opened."""
    async with watching(cluster, client) as both:
        both.deafen()
        both.pod("r", "red")
        both.second.select(["red"])
        await until(lambda: both.seen() == {"r"})


async def test_another_selection_takes_a_new_watch(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Soon, and once for all that is asked for meanwhile."""
    opened = cluster.faults.add(InjectedFault(FaultKind.DUPLICATE, verbs=frozenset({"watch"}), path="pods"))
    async with watching(cluster, client) as both:
        both.second.select(["red"])
        await until(lambda: both.selections() == 1)
        before = opened.struck
        both.second.select(["red", "blue"])
        both.second.select(["red", "blue", "green"])
        await until(lambda: opened.struck == before + 1 and both.selections() == 1)
        both.deafen()
        both.pod("b", "blue")
        both.pod("g", "green")
        await until(lambda: both.seen() == {"b", "g"})


async def test_a_smaller_selection_keeps_the_watch(cluster: SimulatedCluster, client: ApiClient) -> None:
    """What is no longer wanted does no harm; an empty selection ends it."""
    opened = cluster.faults.add(InjectedFault(FaultKind.DUPLICATE, verbs=frozenset({"watch"}), path="pods"))
    async with watching(cluster, client) as both:
        both.second.select(["red", "blue"])
        await until(lambda: both.selections() == 1)
        before = opened.struck
        both.second.select(["red"])
        await asyncio.sleep(10 * selected.SETTLES)
        assert (opened.struck, both.selections()) == (before, 1)
        both.second.select([])
        await until(lambda: both.selections() == 0)
        assert both.second.age is None


async def test_an_object_that_leaves_the_selection_is_not_taken_for_gone(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """A pod taken out of its revision, to be looked at, is still there."""
    async with watching(cluster, client) as both:
        both.pod("r", "red")
        both.second.select(["red"])
        await until(lambda: both.selections() == 1)
        both.deafen()
        cluster.store.mutate(STORED, "default", "r", lambda pod: pod["metadata"]["labels"].clear())
        both.pod("other", "red")
        await until(lambda: "other" in both.seen())
        assert "r" in both.seen()


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_refused_watch_leaves_the_shared_one_alone(
    cluster: SimulatedCluster, client: ApiClient, status: int
) -> None:
    """Nothing is missing, and it is tried again."""
    async with watching(cluster, client) as both:
        fault = InjectedFault(
            FaultKind.ERROR, verbs=frozenset({"watch"}), path="pods", status=status, count=2
        )
        refused = cluster.faults.add(fault)
        both.second.select(["red"])
        await until(lambda: refused.struck == 1)
        both.pod("r", "red")
        await until(lambda: both.seen() == {"r"})
        assert both.second.age is None
        await until(lambda: both.selections() == 1, seconds=1000)


async def test_a_value_that_is_none_and_more_than_fit_are_left_out(
    cluster: SimulatedCluster, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has the rest refused; the first values count."""
    monkeypatch.setattr(selected, "MOST_CHARACTERS", 9)
    async with watching(cluster, client) as both:
        both.second.select([") or (x", "red", "blue", "green"])
        await until(lambda: both.selections() == 1)
        both.deafen()
        both.pod("g", "green")
        both.pod("b", "blue")
        await until(lambda: both.seen() == {"b"})
