"""Replicas that stand for election on one lease, over lines that lose and delay, each on a clock of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sentinel.domain.coordination import Lease
from sentinel.domain.errors import ClusterUnavailableError, ConflictError, NotFoundError
from sentinel.runtime.leadership import LeaseElection, LeaseTiming
from tests.runtime.doubles import Counts

FAILOVER = 15.0


@dataclass
class LeaseServer:
    """Where the one lease is kept, under optimistic concurrency."""

    lease: Lease | None = None
    versions: int = 0
    holders: list[str] = field(default_factory=list)

    def write(self, lease: Lease) -> Lease:
        """Make or replace it."""
        if self.lease is None and lease.version:
            raise NotFoundError("there is no such lease", reason="NotFound", status=404)
        if lease.version != (self.lease.version if self.lease else ""):
            raise ConflictError("it is another one by now", reason="Conflict", status=409)
        self.versions += 1
        self.lease = replace(lease, version=str(self.versions))
        self.holders.append(lease.holder)
        return self.lease


@dataclass
class Weather:
    """What becomes of requests: seconds until they arrive and until the answer is back; None: it is lost.

    `deaf`: time-outs fire late, as in a process that is paused while it waits.
    """

    there: float | None = 0.005
    back: float | None = 0.005
    deaf: bool = False


@dataclass
class Line:
    """One replica's line to the server: a `LeaseStore`. What was sent arrives though nobody waits for it any more."""

    server: LeaseServer
    weather: Weather = field(default_factory=Weather)
    answered: Callable[[], None] = lambda: None

    async def read(self, *, timeout: float) -> Lease | None:
        """The lease."""
        return await self._exchange(lambda: self.server.lease, timeout)

    async def write(self, lease: Lease, *, timeout: float) -> Lease:
        """Make or replace it."""
        written = await self._exchange(lambda: self.server.write(lease), timeout)
        assert written is not None
        return written

    async def _exchange(self, ask: Callable[[], Lease | None], timeout: float) -> Lease | None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Lease | None] = loop.create_future()
        weather = self.weather

        def arrive() -> None:
            try:
                said: Lease | Exception | None = ask()
            except (ConflictError, NotFoundError) as error:
                said = error
            if weather.back is not None:
                loop.call_later(weather.back, deliver, said)

        def deliver(said: Lease | Exception | None) -> None:
            if answer.done():
                return
            if isinstance(said, Exception):
                answer.set_exception(said)
            else:
                answer.set_result(said)

        if weather.there is not None:
            loop.call_later(weather.there, arrive)
        try:
            async with asyncio.timeout(timeout * 20 if weather.deaf else timeout):
                return await answer
        except TimeoutError as error:
            raise ClusterUnavailableError("no answer in time", reason="Timeout") from error
        finally:
            loop.call_soon(self.answered)


@dataclass
class OwnClock:
    """A replica's clock: off by anything, a little fast or slow, and it may oversleep. Its time of day is nonsense."""

    offset: float = 0.0
    rate: float = 1.0
    oversleep: float = 0.0
    jump: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The time of day, as someone set it."""
        return datetime(2026, 1, 1, tzinfo=UTC) + self.jump

    def monotonic(self) -> float:
        """Its seconds."""
        return self.offset + self.rate * asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait, and longer."""
        await asyncio.sleep(seconds / self.rate + self.oversleep)


class Replica:
    """One process that stands for election."""

    def __init__(self, name: str, server: LeaseServer, clock: OwnClock | None = None) -> None:
        self.name = name
        self.line = Line(server)
        self.clock = clock or OwnClock()
        self.telemetry = Counts()
        self.served: list[tuple[float, float]] = []
        self.election = LeaseElection(
            self.line,
            name,
            LeaseTiming.failing_over_within(FAILOVER),
            self.clock,
            self.telemetry,
            random.Random(name),
        )
        self.task: asyncio.Task[None] | None = None

    @property
    def leads(self) -> bool:
        """Whether it would act now."""
        return self.task is not None and self.election.left() > 0

    def start(self) -> Replica:
        """Run it."""
        self.task = asyncio.get_running_loop().create_task(self.election.run(self._duty))
        return self

    async def _duty(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await asyncio.Event().wait()
        finally:
            self.served.append((began, loop.time()))

    async def kill(self) -> None:
        """End it as SIGKILL does: nothing is given up."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def terminate(self) -> None:
        """End it as SIGTERM does."""
        await self.election.resign(3.0)
        await self.kill()
