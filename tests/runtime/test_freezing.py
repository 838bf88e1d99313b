"""The kill switch, as the daemon heeds it."""

import asyncio

from sentinel.domain.coordination import Freeze
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, ForbiddenError
from sentinel.domain.notice import Bulletin
from sentinel.ports import SystemClock
from sentinel.runtime.freezing import LOOK_EVERY, FreezeSwitch


class Store:
    """A switch that can be out of reach."""

    def __init__(self) -> None:
        self.freeze: Freeze | None = None
        self.error: ClusterError | None = None

    async def read(self) -> Freeze | None:
        if self.error is not None:
            raise self.error
        return self.freeze


class Gauges:
    """Keeps the last value of each gauge."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        raise AssertionError(name)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        raise AssertionError(name)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.values[name] = value


class Watched:
    """A switch that is looked at by a running task, and what it told."""

    def __init__(self) -> None:
        self.store, self.gauges = Store(), Gauges()
        self.told: list[Bulletin] = []
        self.looked: list[bool] = []
        self.switch = FreezeSwitch(self.store, SystemClock(), self.gauges, self.told.append, self._look)

    def _look(self) -> None:
        self.looked.append(self.switch.frozen)

    async def after_a_look(self) -> bool:
        """Whether it is frozen once it has looked again."""
        task = asyncio.create_task(self.switch.run())
        await asyncio.sleep(LOOK_EVERY + 0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self.switch.frozen


async def test_a_freeze_and_its_end_are_heeded_and_told_once_each() -> None:
    """Everyone is told who and why, and everything is looked at anew."""
    watched = Watched()
    watched.store.freeze = Freeze("alice", reason="audit")
    assert await watched.after_a_look()
    assert await watched.after_a_look()
    assert watched.gauges.values == {"frozen": 1}
    watched.store.freeze = None
    assert not await watched.after_a_look()
    assert [bulletin.good for bulletin in watched.told] == [False, True]
    assert watched.told[0].lines[0] == "frozen by alice: audit"
    assert watched.looked == [True, False]


async def test_what_cannot_be_read_stays_as_it_was() -> None:
    """An API server that is away neither freezes nor thaws."""
    watched = Watched()
    watched.store.freeze = Freeze("alice")
    await watched.switch.look()
    watched.store.error = ClusterUnavailableError("away")
    assert await watched.after_a_look()


async def test_an_account_that_may_not_read_it_is_not_frozen() -> None:
    """Without the verb the sentinel works as ever; its log says that freezing is not heeded."""
    watched = Watched()
    watched.store.error = ForbiddenError("may not get leases")
    await watched.switch.look()
    assert not watched.switch.frozen
