"""A keyed work queue: one worker per key at a time, many keys at once, events folded, wake-ups remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class KeyedQueue(Generic[Key]):
    """Keys to be worked on by `run(work)`, never twice at once the same.

    A key added while it is being worked on is worked on once more afterwards; added ten times while waiting, once.
    `work` must not raise: it names its own failures. Memory is bounded by the number of keys.
    """

    def __init__(self, *, workers: int = 32) -> None:
        self._free = asyncio.Semaphore(workers)
        self._waiting: dict[Key, None] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._added = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def add(self, key: Key) -> None:
        """Work on this key as soon as a worker is free."""
        if self._closed:
            return
        if key in self._running:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._idle.clear()
        self._added.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on this key in so many seconds; of several wishes for a key the newest counts."""
        self.forget_timer(key)
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, key)

    def forget_timer(self, key: Key) -> None:
        """Drop the wake-up of a key."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def __len__(self) -> int:
        """How many keys wait for a worker."""
        return len(self._waiting)

    async def run(self, work: Callable[[Key], Awaitable[None]]) -> None:
        """Serve until cancelled."""
        while True:
            await self._added.wait()
            while self._waiting:
                await self._free.acquire()
                if not self._waiting:
                    self._free.release()
                    break
                key = next(iter(self._waiting))
                del self._waiting[key]
                task = asyncio.get_running_loop().create_task(self._serve(key, work), name=f"pass {key}")
                self._running[key] = task
            self._added.clear()

    async def _serve(self, key: Key, work: Callable[[Key], Awaitable[None]]) -> None:
        try:
            await work(key)
        finally:
            del self._running[key]
            self._free.release()
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            if not self._running and not self._waiting:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until nothing waits and nothing runs (timers may still be set)."""
        await self._idle.wait()

    async def drain(self, seconds: float) -> bool:
        """Take nothing new, let what runs finish for so many seconds, then cancel it; False if it had to be."""
        self._closed = True
        self._waiting.clear()
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
