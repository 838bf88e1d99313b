"""A keyed work queue: one worker per key at a time, many keys at once, events folded, wake-ups remembered.

What concerns a rollout in flight goes ahead of other events, which come for hundreds of keys at once when nodes are
drained, and events go ahead of routine, which comes for hundreds of keys in the same moment when a tick's evidence
arrives: a fault must not wait behind either. Between two of these the event loop runs, for the same reason, and while
something urgent is worked on they are begun at some distance.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

from sentinel.runtime.precedence import Precedence

Key = TypeVar("Key")

MOST_AHEAD = 16
"""So many keys in a row while others wait behind them, then one of those: urgency may delay and never starve."""
DISTANCE, PATIENCE = 0.025, 1.0
"""Seconds between two that are not urgent while something urgent is worked on; none once one waits for so many."""


class Turn(IntEnum):
    """Which keys go first."""

    URGENT = 0
    EVENT = 1
    ROUTINE = 2


Waited = Callable[[Turn, float], None]
"""Called with the turn of each key that is served, and how many seconds it waited for it."""


class _Wish(NamedTuple):
    """Whose turn a key has, and since when somebody wants it looked at, by the loop's clock."""

    turn: Turn
    since: float

    def joined(self, turn: Turn) -> "_Wish":
        return self if turn >= self.turn else self._replace(turn=turn)


class KeyedQueue(Generic[Key]):
    """Keys to be worked on by `run(work)`, never twice at once the same.

    A key added while it is being worked on is worked on once more afterwards; added ten times while waiting, once.
    `work` must not raise: it names its own failures. Memory is bounded by the number of keys.
    """

    def __init__(self, *, workers: int = 32, waited: Waited = lambda _turn, _seconds: None) -> None:
        self.precedence = Precedence()
        self._free = asyncio.Semaphore(workers)
        self._spur = asyncio.Event()
        self._waited = waited
        self._waiting: dict[Key, _Wish] = {}
        self._lanes: dict[Turn, dict[Key, None]] = {turn: {} for turn in Turn}
        self._ahead = self._let_in = 0
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: dict[Key, _Wish] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._added = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def add(self, key: Key, turn: Turn = Turn.URGENT) -> None:
        """Work on this key as soon as a worker is free, when nothing waits whose turn is before."""
        if self._closed:
            return
        wish = _Wish(turn, asyncio.get_running_loop().time())
        if key in self._running:
            self._again[key] = self._again.get(key, wish).joined(turn)
        else:
            self._wait(key, wish)

    def _wait(self, key: Key, wish: _Wish) -> None:
        before = self._waiting.get(key)
        joined = wish if before is None else before.joined(wish.turn)
        if joined is not before:
            if before is not None:
                del self._lanes[before.turn][key]
            self._waiting[key] = joined
            self._lanes[joined.turn][key] = None
        self._idle.clear()
        self._added.set()
        if wish.turn is Turn.URGENT:
            self._spur.set()

    def add_after(self, key: Key, seconds: float, turn: Turn = Turn.URGENT) -> None:
        """Work on this key in so many seconds; of several wishes for a key the newest counts."""
        self.forget_timer(key)
        if self._closed:
            return
        if seconds <= 0:
            self.add(key, turn)
            return
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, key, turn)

    def forget_timer(self, key: Key) -> None:
        """Drop the wake-up of a key."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _due(self, key: Key, turn: Turn) -> None:
        self._timers.pop(key, None)
        self.add(key, turn)

    def __len__(self) -> int:
        """How many keys wait for a worker."""
        return len(self._waiting)

    async def run(self, work: Callable[[Key], Awaitable[None]]) -> None:
        """Serve until cancelled."""
        begins = asyncio.get_running_loop().time()
        while True:
            await self._added.wait()
            while len(self):
                if not self._lanes[Turn.URGENT]:
                    await self._keep_distance()
                await self._free.acquire()
                if not len(self):
                    self._free.release()
                    break
                key, (turn, since) = self._next()
                self._waited(turn, asyncio.get_running_loop().time() - max(since, begins))
                task = asyncio.get_running_loop().create_task(self._serve(key, work), name=f"reconcile {key}")
                self._running[key] = task
                if turn is Turn.URGENT:
                    self.precedence.begins()
                    task.add_done_callback(self._passed)
            self._added.clear()

    async def _keep_distance(self) -> None:
        """Before one that is not urgent: let the loop run, and what is urgent, unless one has waited for long."""
        await asyncio.sleep(0)
        heads = [next(iter(lane)) for lane in self._lanes.values() if lane]
        waited = asyncio.get_running_loop().time() - min(
            (self._waiting[key].since for key in heads), default=0.0
        )
        if self._lanes[Turn.URGENT] or not self.precedence.urgent or waited > PATIENCE:
            return
        self._spur.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(DISTANCE):
                await self._spur.wait()

    def _passed(self, _task: asyncio.Task[None]) -> None:
        self.precedence.ends()
        if not self.precedence.urgent:
            self._spur.set()

    def _next(self) -> tuple[Key, _Wish]:
        """Take the key that is next, and what was wished of it."""
        first, *behind = (turn for turn in Turn if self._lanes[turn])
        let_in = bool(behind) and self._ahead >= MOST_AHEAD
        self._ahead = 0 if let_in or not behind else self._ahead + 1
        self._let_in += let_in
        turn = behind[self._let_in % len(behind)] if let_in else first
        key = next(iter(self._lanes[turn]))
        del self._lanes[turn][key]
        return key, self._waiting.pop(key)

    async def _serve(self, key: Key, work: Callable[[Key], Awaitable[None]]) -> None:
        try:
            await work(key)
        finally:
            del self._running[key]
            self._free.release()
            if key in self._again and not self._closed:
                self._wait(key, self._again.pop(key))
            if not self._running and not len(self):
                self._idle.set()

    async def idle(self) -> None:
        """Wait until nothing waits and nothing runs (timers may still be set)."""
        await self._idle.wait()

    async def abandon(self) -> None:
        """Cancel what is being worked on and wait for its end. What waits goes on waiting, for the next `run`."""
        running = dict(self._running)
        for task in running.values():
            task.cancel()
        if running:
            await asyncio.wait(running.values())
        for key, task in running.items():
            if self._running.get(key) is task:  # cancelled before it had begun
                del self._running[key]
                self._free.release()
        if not self._running and not len(self):
            self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Take nothing new, let what runs finish for so many seconds, then cancel it; False if it had to be."""
        self._closed = True
        self._waiting.clear()
        for lane in self._lanes.values():
            lane.clear()
        self._again.clear()
        for key in list(self._timers):
            self.forget_timer(key)
        running = list(self._running.values())
        if not running:
            self._idle.set()
            return True
        _done, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return not late
