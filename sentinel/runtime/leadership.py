"""Which of several replicas acts: leader election on a lease, reckoned by each replica's own clock alone.

The lease of Gray and Cheriton ("Leases", SOSP 1989), on a record under optimistic concurrency. It is safe because:

- a holder counts its lease from the moment at which it *sent* the renewal that succeeded, less a margin;
- another one counts from the moment at which it *received* the newest change of the record, which is later, and
  takes the lease only after its full duration without a change; its write fails if there was one after all;
- no time of day is compared with any other, and no two clocks with each other: only their rates must agree, to
  within the margin.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import inf
from typing import Protocol

from sentinel.domain.coordination import Lease
from sentinel.domain.errors import ClusterError, ConflictError, NotFoundError
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, LeaseStore, Telemetry
from sentinel.values import dataclass

log = logging.getLogger(__name__)

Duty = Callable[[], Awaitable[None]]
"""What the leader does, until it is cancelled."""

NOTICING = 1.0
"""So many seconds of a failover are for noticing that the lease has run out."""
POLL = 0.4
"""How often, in seconds, one that does not lead looks at the lease: a lease given up is taken this soon."""
_TICK = 0.001


class Leadership(Protocol):
    """Whether this replica acts."""

    hands_over: bool
    """Whether there may be a successor who waits for this one to end."""

    def left(self, namespace: str = "") -> float:
        """For how many seconds this replica surely leads in a namespace; 0 when it must not act there.

        Without one: for what concerns the whole cluster.
        """
        ...

    async def run(self, duty: Duty) -> None:
        """Have `duty` run whenever this replica leads, and cancelled as soon as it does not."""
        ...

    async def resign(self, seconds: float) -> None:
        """Act no more, and let a successor take over at once; takes about so many seconds at the longest."""
        ...


class SoleLeader:
    """The only replica there is: it leads always."""

    hands_over = False

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def left(self, namespace: str = "") -> float:
        """Forever."""
        return inf

    async def run(self, duty: Duty) -> None:
        """Run it."""
        self._telemetry.gauge(MetricName.LEADER, 1, shard="0")
        await duty()

    async def resign(self, seconds: float) -> None:
        """Nobody waits for that."""


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """The times of an election in seconds, all in proportion to the lease's `term`."""

    term: float

    @classmethod
    def failing_over_within(cls, seconds: float) -> "LeaseTiming":
        """So that a leader that crashed is replaced within this time."""
        return cls(seconds - NOTICING)

    @property
    def held(self) -> float:
        """How long a holder counts on its lease: a margin of a fifth is for clocks and for late writes."""
        return self.term * 0.8

    @property
    def renewal(self) -> float:
        """How long after a renewal the next one is sent."""
        return self.term / 3

    @property
    def patience(self) -> float:
        """How long a request may take."""
        return self.term / 6

    @property
    def retry(self) -> float:
        """How long after a renewal that failed the next one is sent."""
        return self.term / 20


class LeaseElection:
    """Implements `Leadership` among the replicas that share a lease. `identity` must be no other process's.

    `elapsed` is the clock that it reckons by: seconds that never go back, and best such that also count while the
    machine sleeps.
    """

    hands_over = True

    def __init__(
        self,
        leases: LeaseStore,
        identity: str,
        timing: LeaseTiming,
        clock: Clock,
        telemetry: Telemetry,
        rng: random.Random,
        elapsed: Callable[[], float] | None = None,
        *,
        shard: int = 0,
    ) -> None:
        self._shard = str(shard)
        self._leases = leases
        self._identity = identity
        self._timing = timing
        self._clock = clock
        self._telemetry = telemetry
        self._rng = rng
        self._elapsed = elapsed or clock.monotonic
        self._until = -inf
        self._seen: Lease | None = None
        self._seen_at = -inf
        self._asking = asyncio.Lock()
        self._serving: asyncio.Task[None] | None = None
        self._resigned = False
        self._problem = ""

    def left(self, namespace: str = "") -> float:
        """For how many seconds this replica surely leads; 0 when it must not act."""
        return 0.0 if self._resigned else max(0.0, self._until - self._elapsed())

    async def run(self, duty: Duty) -> None:
        """Stand for election forever; what `duty` raises is raised, and then this replica no longer leads."""
        self._telemetry.gauge(MetricName.LEADER, 0, shard=self._shard)
        while True:
            while not await self._attempt():
                await self._clock.sleep(POLL * self._rng.uniform(0.7, 1.0))
            await self._lead(duty)

    async def resign(self, seconds: float) -> None:
        """Write nothing more, end the duty, and empty the lease so that a successor need not wait for its end."""
        self._resigned = True
        serving = self._serving
        if serving is not None:
            serving.cancel()
            _done, late = await asyncio.wait({serving}, timeout=seconds)
            if late:
                log.warning("the lease is kept until it expires: the leader's work has not ended")
                return
        try:
            async with asyncio.timeout(seconds), self._asking:
                await self._give_up()
        except (ClusterError, TimeoutError) as error:
            log.warning("the lease could not be released, it expires: %s", error or "no answer in time")

    # -- leading

    async def _lead(self, duty: Duty) -> None:
        self._became(leading=True)
        loop = asyncio.get_running_loop()
        serving = self._serving = loop.create_task(_as_coroutine(duty), name="the leader's work")
        keeping = loop.create_task(self._keep(), name="lease")
        try:
            await asyncio.wait({serving, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._until = -inf
            for task in (serving, keeping):
                task.cancel()
            ends = await asyncio.gather(serving, keeping, return_exceptions=True)
            self._serving = None
            self._became(leading=False)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def _became(self, *, leading: bool) -> None:
        self._problem = ""
        self._telemetry.gauge(MetricName.LEADER, 1 if leading else 0, shard=self._shard)
        self._telemetry.count(MetricName.LEADER_TRANSITIONS_TOTAL, to="leader" if leading else "follower")
        log.info("this replica leads" if leading else "this replica no longer leads")

    async def _keep(self) -> None:
        """Renew the lease until it is lost, or expires without an answer."""
        pause = self._timing.renewal
        while (left := self.left()) > 0:
            await self._clock.sleep(min(pause * self._rng.uniform(0.9, 1.0), left + _TICK))
            pause = self._timing.renewal if await self._renew() else self._timing.retry

    async def _renew(self) -> bool:
        async with self._asking:
            left, mine = self.left(), self._seen
            if left <= 0 or mine is None:
                return False
            try:
                await self._put(replace(mine, renewed_at=self._clock.now()), min(self._timing.patience, left))
            except (ConflictError, NotFoundError):
                await self._look_who_leads()
                return False
            except ClusterError as error:
                self._complain("the lease was not renewed", error)
                return False
        return True

    async def _look_who_leads(self) -> None:
        """The lease is not as we wrote it: go on only if it is ours all the same, e.g. by a write of unknown end."""
        try:
            lease = await self._look(min(self._timing.patience, self.left()))
        except ClusterError as error:
            self._complain("the lease was not read", error)
            return
        if lease is None or lease.holder != self._identity:
            self._until = -inf
            log.warning("the lease was lost to %s", (lease.holder if lease else "") or "nobody")

    async def _give_up(self) -> None:
        for _attempt in range(2):
            mine = self._seen
            if mine is None or mine.holder != self._identity:
                return
            try:
                given_up = replace(mine, holder="", renewed_at=self._clock.now())
                self._note(await self._leases.write(given_up, timeout=self._timing.patience))
            except ConflictError:
                await self._look(self._timing.patience)

    # -- becoming the leader

    async def _attempt(self) -> bool:
        """Look at the lease and take it where it is free; whether this replica leads now."""
        async with self._asking:
            if self._resigned:
                return False
            try:
                seen = await self._look(self._timing.patience)
                if not self._is_free(seen):
                    return False
                await self._put(self._claim(seen), self._timing.patience)
            except ConflictError:
                return False  # another one was quicker
            except ClusterError as error:
                self._complain("the lease was not read or not taken", error)
                return False
        return self.left() > 0

    def _is_free(self, seen: Lease | None) -> bool:
        """Whether nobody can think that it leads.

        A lease that was deleted while another one held it is waited for as if it were there still.
        """
        known = seen or self._seen
        if known is None or known.holder in ("", self._identity):
            return True
        return self._elapsed() >= self._seen_at + (known.duration or self._timing.term)

    def _claim(self, seen: Lease | None) -> Lease:
        now = self._clock.now()
        before = seen.transitions if seen else 0
        ours = seen is not None and seen.holder == self._identity
        return Lease(
            holder=self._identity,
            duration=self._timing.term,
            transitions=before if seen is None or ours else before + 1,
            acquired_at=seen.acquired_at if seen is not None and ours else now,
            renewed_at=now,
            version=seen.version if seen else "",
        )

    # -- the record

    async def _look(self, timeout: float) -> Lease | None:
        lease = await self._leases.read(timeout=timeout)
        if lease is not None:
            self._note(lease)
        return lease

    async def _put(self, lease: Lease, timeout: float) -> None:
        """Write the lease as ours. It counts from when this was sent, however late the answer came."""
        sent = self._elapsed()
        self._note(await self._leases.write(lease, timeout=timeout))
        self._until = sent + self._timing.held
        self._problem = ""

    def _note(self, lease: Lease) -> None:
        if self._seen is None or lease.version != self._seen.version:
            self._seen, self._seen_at = lease, self._elapsed()

    def _complain(self, what: str, error: ClusterError) -> None:
        """Say what is wrong, once, and not at every attempt."""
        if str(error) != self._problem:
            log.warning("%s: %s", what, error)
        self._problem = str(error)


async def _as_coroutine(duty: Duty) -> None:
    await duty()
