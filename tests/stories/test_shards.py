"""Stories of two daemons that share the namespaces of one cluster: each acts in its own, and takes the other's over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import EVENTS, LEASES
from sentinel.domain.record.state import Phase
from sentinel.runtime.sharding import LEAVING, shard_of
from tests.stories.test_two_replicas import LEASE_TIME, Shop
from tests.support.account import HOME
from tests.support.line import line_to
from tests.support.world import NAMESPACE, PLAIN_POLICY, ROLLING, actions, world

ELSEWHERE = "search"
POLICY = PLAIN_POLICY.replace("[shop]", f"[{NAMESPACE}, {ELSEWHERE}]")
WORKLOADS = {"web": NAMESPACE, "find": ELSEWHERE}


def leaders(both: Shop, namespace: str) -> list[int]:
    """The daemons that act in a namespace now."""
    alive = [(index, one) for index, one in enumerate(both.replicas) if index not in both.ended]
    return [index for index, one in alive if one.leadership.left(namespace) > 0]


@asynccontextmanager
async def two_shards(folder: Path) -> AsyncIterator[Shop]:
    """A Deployment in a namespace of each shard, and two daemons that lead one shard each."""
    async with (
        world(folder, POLICY, SENTINEL_LEADERSHIP__SHARDS="2") as here,
        line_to(here.cluster.url) as one,
        line_to(here.cluster.url) as two,
    ):
        for name, namespace in WORKLOADS.items():
            here.cluster.deploy(name, f"{name}:1", 4, namespace=namespace, **ROLLING)
        await here.settle()
        both = Shop(here, [one, two])
        try:
            await asyncio.gather(both.start(0), both.start(1))
            here.application = both.replicas[0]
            await here.until(
                lambda: sorted([*leaders(both, NAMESPACE), *leaders(both, ELSEWHERE)]) == [0, 1], within=5
            )
            for name in WORKLOADS:
                await here.phase(Phase.UNJUDGED, name)
            yield both
        finally:
            here.application = None
            for index in {0, 1} - both.ended:
                await both.end(index)


def undos(both: Shop, name: str) -> int:
    """How many Events tell of an undo of a Deployment."""
    events = both.here.cluster.store.list(EVENTS, WORKLOADS[name])
    return sum(event["reason"] == "SentinelUndo" for event in events)


async def test_each_acts_in_its_namespaces_and_takes_those_of_one_that_crashed(tmp_path: Path) -> None:
    """One undo in each namespace, by its leader; after a crash the other one leads both, and undoes there as well."""
    assert shard_of(NAMESPACE, 2) != shard_of(ELSEWHERE, 2)
    async with two_shards(tmp_path) as both:
        here = both.here
        for name, namespace in WORKLOADS.items():
            here.cluster.behave(f"{name}:2", crash_loop())
            here.cluster.set_image(name, f"{name}:2", namespace=namespace)
        for name in WORKLOADS:
            record = await here.phase(Phase.UNDONE, name, image=f"{name}:2", within=300)
            assert actions(record) == ["undo", "restored"]
            assert undos(both, name) == 1
        (lost,) = leaders(both, ELSEWHERE)
        here.application = both.replicas[1 - lost]
        await both.crash(lost)
        await here.until(lambda: leaders(both, ELSEWHERE) == [1 - lost], within=LEASE_TIME + 2 * LEAVING)
        assert leaders(both, NAMESPACE) == [1 - lost]
        here.cluster.behave("find:3", crash_loop())
        here.cluster.set_image("find", "find:3", namespace=ELSEWHERE)
        record = await here.phase(Phase.UNDONE, "find", image="find:3", within=300)
        assert actions(record) == ["undo", "restored"]


async def test_each_shard_has_a_lease_of_its_own(tmp_path: Path) -> None:
    """As `kubectl get lease` shows them, each with its holder; a replica that ends gives up its own alone."""
    async with two_shards(tmp_path) as both:

        def holder(shard: int) -> str:
            name = f"rollback-sentinel{'-1-of-2' if shard else ''}"
            lease = both.here.cluster.store.get(LEASES, HOME, name)
            found: str = lease["spec"].get("holderIdentity", "")
            return found

        assert len({holder(0), holder(1), ""}) == 3
        (ending,) = leaders(both, NAMESPACE)
        kept = holder(1)
        both.here.application = both.replicas[1 - ending]
        await both.end(ending)
        await both.here.until(lambda: leaders(both, NAMESPACE) == [1 - ending], within=2 * LEAVING + 1)
        assert holder(0) == holder(1) == kept
