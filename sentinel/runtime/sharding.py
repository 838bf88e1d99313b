"""Several leaders of one cluster: its namespaces are divided among shards, and each shard has its own Lease.

A replica may lead several shards. Whenever the shards that it leads change, it ends what it was doing and takes up its
work again, exactly as a single leader does that loses or wins its lease.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import lru_cache, partial
from hashlib import blake2b
from math import inf

from sentinel.domain.coordination import Lease
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, ConflictError
from sentinel.ports import LeaseDirectory, LeaseStore
from sentinel.runtime.leadership import Duty, Leadership
from sentinel.values import dataclass

LEAVING = 1.0
"""So many seconds, for each shard that it leads already, a replica leaves a free one to others."""
_STREAK = 2.0
_HELD_SHARE = 0.8
"""For this share of its duration a holder counts on its lease; see `LeaseTiming.held`."""


@lru_cache(maxsize=4096)
def shard_of(namespace: str, shards: int) -> int:
    """The shard of a namespace, by rendezvous hashing: with one shard more, only the namespaces that it gets move.

    The first shard speaks for the cluster itself, whose namespace is empty.
    """
    if not namespace:
        return 0

    def score(shard: int) -> bytes:
        return blake2b(f"{shard}/{namespace}".encode(), digest_size=8).digest()

    return max(range(shards), key=score)


class ShardedLeadership:
    """Implements `Leadership` by an election for each shard."""

    hands_over = True

    def __init__(self, elections: Sequence[Leadership]) -> None:
        self._elections = tuple(elections)
        self._held: set[int] = set()
        self._serving: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._resigned = False

    def left(self, namespace: str = "") -> float:
        """For how many seconds this replica surely leads the namespace's shard."""
        return self._elections[shard_of(namespace, len(self._elections))].left()

    async def run(self, duty: Duty) -> None:
        """Stand for election in every shard; `duty` runs while any is led, and again whenever others are."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        work = partial(_reporting, duty, failed)
        standing = [
            loop.create_task(
                election.run(partial(self._hold, shard, work)), name=f"election of shard {shard}"
            )
            for shard, election in enumerate(self._elections)
        ]
        try:
            await asyncio.wait({*standing, failed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in standing:
                task.cancel()
            ends = await asyncio.gather(*standing, return_exceptions=True)
            await self._serve(work, set())
        for end in (failed.exception() if failed.done() else None, *ends):
            if isinstance(end, Exception):
                raise end

    async def resign(self, seconds: float) -> None:
        """Act no more in any shard, and let successors in."""
        self._resigned = True
        await asyncio.gather(*(election.resign(seconds) for election in self._elections))

    async def _hold(self, shard: int, work: Duty) -> None:
        """What winning one shard's lease comes to, until it is lost: then nothing is done for it from then on."""
        await self._serve(work, {shard})
        try:
            await asyncio.Event().wait()
        finally:
            await self._serve(work, set(), lost={shard})

    async def _serve(self, work: Duty, won: set[int], lost: frozenset[int] | set[int] = frozenset()) -> None:
        async with self._changing:
            serving, self._serving = self._serving, None
            if serving is not None:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
            self._held = (self._held | won) - lost
            if self._held and not self._resigned:
                self._serving = asyncio.ensure_future(work())


async def _reporting(duty: Duty, failed: asyncio.Future[None]) -> None:
    try:
        await duty()
    except Exception as error:
        if not failed.done():
            failed.set_exception(error)


@dataclass(slots=True)
class Claims:
    """The claims of one replica, made one after the other: `led` says how many shards it leads by now."""

    led: Callable[[], int]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ShardLeases:
    """Implements `LeaseStore` for one shard: what guards a claim beside the lease itself.

    Replicas that divide the cluster into different numbers of shards, as during an update of the settings, would act
    on the same namespaces. So a claim looks at the leases of other numbers before *and after* it is written: of two
    that claim at the same moment, at least one sees the other, as the API server puts their requests in an order.
    A free lease is left to replicas that lead less.
    """

    def __init__(
        self, leases: LeaseStore, others: LeaseDirectory, elapsed: Callable[[], float], claims: Claims
    ) -> None:
        self._leases = leases
        self._others = others
        self._elapsed = elapsed
        self._claims = claims
        self._until = -inf
        self._seen: dict[str, tuple[Lease, float]] = {}
        self._tried_at = self._free_since = -inf

    async def read(self, *, timeout: float) -> Lease | None:
        """The lease as it is now."""
        return await self._leases.read(timeout=timeout)

    async def write(self, lease: Lease, *, timeout: float) -> Lease:
        """Renew the lease, give it up, or claim it.

        Raises ConflictError where a claim is left to others, ClusterUnavailableError, its reason `OtherShards`, where
        somebody acts by another number of shards.
        """
        sent = self._elapsed()
        if lease.holder and sent >= self._until:
            async with self._claims.turn:
                return await self._claim(lease, sent, timeout)
        written = await self._leases.write(lease, timeout=timeout)
        self._until = sent + lease.duration * _HELD_SHARE if lease.holder else -inf
        return written

    async def _claim(self, lease: Lease, sent: float, timeout: float) -> Lease:
        self._leave_to_others(self._elapsed())
        await self._look(timeout)
        written = await self._leases.write(lease, timeout=timeout)
        try:
            await self._look(timeout)
        except ClusterError:
            with suppress(ClusterError):
                await self._leases.write(replace(written, holder=""), timeout=timeout)
            raise
        self._until = sent + lease.duration * _HELD_SHARE
        return written

    def _leave_to_others(self, now: float) -> None:
        if now > self._tried_at + _STREAK:
            self._free_since = now
        self._tried_at = now
        if now < self._free_since + LEAVING * self._claims.led():
            raise ConflictError("it is left to replicas that lead fewer shards", reason="LeftToOthers")

    async def _look(self, timeout: float) -> None:
        """Raise where a lease of another number of shards may be held; each is reckoned by our own clock."""
        found = await self._others.others(timeout=timeout)
        now = self._elapsed()
        for name, lease in found.items():
            known = self._seen.get(name)
            if known is None or known[0].version != lease.version:
                self._seen[name] = lease, now
        for name, (lease, since) in self._seen.items():
            if lease.holder and now < since + lease.duration:
                raise ClusterUnavailableError(
                    f"{lease.holder} holds the Lease {name}, by another leadership.shards than ours",
                    reason="OtherShards",
                )
