"""Leaders of several shards: each namespace has one at most, soon one again, and never two by two divisions."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.coordination import Lease
from sentinel.domain.errors import ClusterUnavailableError, ConflictError
from sentinel.runtime.leadership import LeaseElection, LeaseTiming
from sentinel.runtime.sharding import LEAVING, Claims, ShardedLeadership, ShardLeases, shard_of
from tests.runtime.doubles import Counts
from tests.runtime.elections import FAILOVER, LeaseServer, Line, OwnClock, Weather

NAMESPACES = tuple(f"team-{number}" for number in range(12))


@dataclass
class Cluster:
    """Its leases by the number of shards and the shard."""

    leases: defaultdict[tuple[int, int], LeaseServer] = field(
        default_factory=lambda: defaultdict(LeaseServer)
    )


@dataclass
class Directory:
    """A `LeaseDirectory` over a line that takes its time."""

    cluster: Cluster
    shards: int
    weather: Weather

    async def others(self, *, timeout: float) -> Mapping[str, Lease]:
        """The leases of other numbers of shards."""
        if self.weather.there is None or self.weather.back is None:
            await asyncio.sleep(timeout)
            raise ClusterUnavailableError("no answer in time", reason="Timeout")
        await asyncio.sleep(self.weather.there)
        found = {
            f"{shard}-of-{shards}": server.lease
            for (shards, shard), server in self.cluster.leases.items()
            if shards != self.shards and server.lease is not None
        }
        await asyncio.sleep(self.weather.back)
        return found


class Replica:
    """One process that stands for election in every shard."""

    def __init__(self, name: str, cluster: Cluster, shards: int) -> None:
        self.name = name
        self.weather = Weather()
        self.works = 0
        self.began = 0
        clock = OwnClock(offset=len(name) * 100.0)
        directory = Directory(cluster, shards, self.weather)
        claims = Claims(self._led)
        self.elections: list[LeaseElection] = []
        for shard in range(shards):
            line = Line(cluster.leases[shards, shard], self.weather)
            leases = ShardLeases(line, directory, clock.monotonic, claims)
            timing = LeaseTiming.failing_over_within(FAILOVER)
            rng = random.Random(f"{name} {shard}")
            self.elections.append(LeaseElection(leases, name, timing, clock, Counts(), rng, shard=shard))
        self.leadership = ShardedLeadership(self.elections)
        self.task = asyncio.ensure_future(self.leadership.run(self._duty))

    def _led(self) -> int:
        return sum(election.left() > 0 for election in self.elections)

    async def _duty(self) -> None:
        self.works += 1
        self.began += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.works -= 1

    @property
    def leads(self) -> list[int]:
        """The shards that it leads now."""
        return [shard for shard, election in enumerate(self.elections) if election.left() > 0]

    async def kill(self) -> None:
        """End it as SIGKILL does."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def terminate(self) -> None:
        """End it as SIGTERM does."""
        await self.leadership.resign(3.0)
        await self.kill()


def acting(replicas: list[Replica]) -> Counter[str]:
    """How many replicas act in each namespace."""
    alive = [one for one in replicas if not one.task.done()]
    return Counter(name for name in NAMESPACES for one in alive if one.leadership.left(name) > 0)


@given(st.integers(1, 8), st.sets(st.text(min_size=1, max_size=20), max_size=30))
def test_one_shard_more_moves_only_what_it_gets(shards: int, namespaces: set[str]) -> None:
    """So that a larger number does not change every namespace's leader."""
    for namespace in namespaces:
        assert shard_of(namespace, shards + 1) in {shard_of(namespace, shards), shards}


def test_namespaces_are_spread_evenly() -> None:
    """No shard has much more than its part, and the first one speaks for the cluster."""
    parts = Counter(shard_of(f"team-{number}", 4) for number in range(2000))
    assert set(parts) == {0, 1, 2, 3}
    assert max(parts.values()) < 1.2 * 500
    assert shard_of("", 4) == 0


async def test_replicas_that_start_together_lead_one_shard_each() -> None:
    """A free lease is left to those that lead less."""
    cluster = Cluster()
    replicas = [Replica(name, cluster, 3) for name in "abc"]
    await asyncio.sleep(10)
    assert sorted(len(one.leads) for one in replicas) == [1, 1, 1]
    assert set(acting(replicas).values()) == {1}
    for one in replicas:
        await one.kill()


async def test_a_shard_is_taken_over_alone() -> None:
    """When one replica crashes, the others go on with theirs, and one of them takes its shard as well."""
    cluster = Cluster()
    replicas = [Replica(name, cluster, 2) for name in "ab"]
    await asyncio.sleep(10)
    first, second = replicas
    kept = second.leads
    await first.kill()
    for _ in range(100):
        await asyncio.sleep((FAILOVER + LEAVING) / 100)
        assert set(kept) <= set(second.leads)
    assert second.leads == [0, 1]
    assert (second.works, second.began) == (1, 2)
    await second.kill()


async def test_a_replica_that_ends_lets_others_in_at_once() -> None:
    """Its work ends before its leases are free."""
    cluster = Cluster()
    replicas = [Replica(name, cluster, 3) for name in "ab"]
    await asyncio.sleep(10)
    await replicas[0].terminate()
    assert replicas[0].works == 0
    await asyncio.sleep(2 * LEAVING + 1.5)
    assert replicas[1].leads == [0, 1, 2]
    await replicas[1].kill()


async def test_work_that_fails_ends_the_leadership() -> None:
    """The supervisor has to know, as it does of a single leader's."""
    replica = Replica("a", Cluster(), 2)
    await replica.kill()

    async def fails() -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        await replica.leadership.run(fails)


async def test_another_number_of_shards_waits_until_nobody_acts_by_the_former() -> None:
    """During an update of the settings the old replicas go on, and the new ones begin when the last old one is gone."""
    cluster = Cluster()
    old = Replica("old", cluster, 1)
    await asyncio.sleep(1)
    new = [Replica(name, cluster, 3) for name in "abc"]
    await asyncio.sleep(60)
    assert [one.leads for one in new] == [[], [], []]
    assert old.leads == [0]
    await old.terminate()
    await asyncio.sleep(5)
    assert set(acting(new).values()) == {1}
    for one in new:
        await one.kill()


async def test_a_claim_that_met_another_division_is_given_up() -> None:
    """Written before the other one was seen: nothing is done by it, and the lease is free again."""
    cluster = Cluster()
    seen: list[Mapping[str, Lease]] = [{}, {"0-of-3": Lease("other", 14.0, version="1")}]

    class Late:
        async def others(self, *, timeout: float) -> Mapping[str, Lease]:
            return seen.pop(0)

    leases = ShardLeases(Line(cluster.leases[1, 0]), Late(), OwnClock().monotonic, Claims(lambda: 0))
    with pytest.raises(ClusterUnavailableError, match="0-of-3"):
        await leases.write(Lease("me", 14.0), timeout=1)
    lease = cluster.leases[1, 0].lease
    assert lease is not None
    assert lease.holder == ""


async def test_a_free_lease_is_left_to_others_for_a_while() -> None:
    """A second for each shard that is led already."""
    cluster, clock = Cluster(), OwnClock()
    leases = ShardLeases(
        Line(cluster.leases[2, 1]), Directory(cluster, 2, Weather()), clock.monotonic, Claims(lambda: 2)
    )
    for _ in range(4):
        with pytest.raises(ConflictError, match="fewer"):
            await leases.write(Lease("me", 14.0), timeout=1)
        await asyncio.sleep(LEAVING / 2)
    assert (await leases.write(Lease("me", 14.0), timeout=1)).holder == "me"


@pytest.mark.parametrize("seed", range(6))
async def test_nobody_acts_where_another_does(seed: int) -> None:
    """Whatever starts, ends, crashes or is cut off, by one number of shards or another; and at the end all is led."""
    rng, cluster = random.Random(seed), Cluster()
    replicas: list[Replica] = []
    for number in range(25):
        alive = [one for one in replicas if not one.task.done()]
        match rng.choice(["start", "start", "kill", "terminate", "cut", "mend"]):
            case "start" if len(alive) < 4:
                replicas.append(Replica(f"r{number}", cluster, rng.choice([1, 2, 3])))
            case "kill" if alive:
                await rng.choice(alive).kill()
            case "terminate" if alive:
                await rng.choice(alive).terminate()
            case "cut" if alive:
                rng.choice(alive).weather.there = None
            case "mend":
                for one in alive:
                    one.weather.there = 0.005
        for _ in range(rng.randrange(80)):
            await asyncio.sleep(0.25)
            assert all(count == 1 for count in acting(replicas).values())
    for one in replicas:
        await one.kill()
    last = [Replica(name, cluster, 2) for name in ("x", "y")]
    await asyncio.sleep(2 * FAILOVER)
    assert [acting(last)[name] for name in NAMESPACES] == [1] * len(NAMESPACES)
    for one in last:
        await one.kill()
