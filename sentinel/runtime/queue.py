"""A keyed work queue: one worker per key at a time, many keys at once, events folded, wake-ups remembered.

What an event calls for goes ahead of routine, which comes for hundreds of keys in the same moment when a tick's
evidence arrives: a fault must not wait behind it. Between two of routine the event loop runs, for the same reason.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")

MOST_AHEAD = 16
"""So many urgent keys in a row, then one of routine: urgency may delay it and never starve it."""


class KeyedQueue(Generic[Key]):
    """Keys to be worked on by `run(work)`, never twice at once the same.

    A key added while it is being worked on is worked on once more afterwards; added ten times while waiting, once.
    `work` must not raise: it names its own failures. Memory is bounded by the number of keys.
    """

    def __init__(self, *, workers: int = 32) -> None:
        self._free = asyncio.Semaphore(workers)
        self._urgent: dict[Key, None] = {}
        self._routine: dict[Key, None] = {}
        self._ahead = 0
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: dict[Key, bool] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._added = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def add(self, key: Key, *, routine: bool = False) -> None:
        """Work on this key as soon as a worker is free; if it is `routine`, when nothing urgent waits."""
        if self._closed:
            return
        if key in self._running:
            self._again[key] = routine and self._again.get(key, True)
            return
        if not routine:
            self._routine.pop(key, None)
            self._urgent[key] = None
        elif key not in self._urgent:
            self._routine[key] = None
        self._idle.clear()
        self._added.set()

    def add_after(self, key: Key, seconds: float, *, routine: bool = False) -> None:
        """Work on this key in so many seconds; of several wishes for a key the newest counts."""
        self.forget_timer(key)
        if self._closed:
            return
        if seconds <= 0:
            self.add(key, routine=routine)
            return
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, key, routine)

    def forget_timer(self, key: Key) -> None:
        """Drop the wake-up of a key."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _due(self, key: Key, routine: bool) -> None:
        self._timers.pop(key, None)
        self.add(key, routine=routine)

    def __len__(self) -> int:
        """How many keys wait for a worker."""
        return len(self._urgent) + len(self._routine)

    async def run(self, work: Callable[[Key], Awaitable[None]]) -> None:
        """Serve until cancelled."""
        while True:
            await self._added.wait()
            while len(self):
                await self._free.acquire()
                if not len(self):
                    self._free.release()
                    break
                key, routine = self._next()
                task = asyncio.get_running_loop().create_task(self._serve(key, work), name=f"reconcile {key}")
                self._running[key] = task
                if routine:
                    await asyncio.sleep(0)
            self._added.clear()

    def _next(self) -> tuple[Key, bool]:
        """Take the key whose turn it is, and whether it is routine."""
        routine = not self._urgent or (bool(self._routine) and self._ahead >= MOST_AHEAD)
        self._ahead = 0 if routine else self._ahead + 1
        waiting = self._routine if routine else self._urgent
        key = next(iter(waiting))
        del waiting[key]
        return key, routine

    async def _serve(self, key: Key, work: Callable[[Key], Awaitable[None]]) -> None:
        try:
            await work(key)
        finally:
            del self._running[key]
            self._free.release()
            if key in self._again:
                self.add(key, routine=self._again.pop(key))
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
        self._urgent.clear()
        self._routine.clear()
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
