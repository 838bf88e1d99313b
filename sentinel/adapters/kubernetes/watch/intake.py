"""In which order a watch's events are taken in when many come at once.

A drained node pool is thousands of events in one stream, and to take one in costs ten times what it costs to see whose
it is. What belongs to a rollout in flight must not wait behind them: it is taken at once, and the others when nothing
more comes for a moment.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from sentinel.adapters.kubernetes.api.raw import ObjectKey
from sentinel.adapters.kubernetes.watch.decoding import controller_at_a_glance

AT_ONCE = 8
"""So many events are taken in between two turns of the loop: several watches take theirs in one turn."""
MOST_WAITING = 64 * 1024 * 1024
"""Bytes of events that may wait, those of 6,000 large pods; beyond, the oldest are taken in before more is read."""
QUIET_TURNS = 3
"""For so many turns of the loop nothing must have come before what waits is taken: the next bytes of a stream that is
read as fast as it is sent need two."""

Ahead = Callable[[str], bool]
"""Whether the events of what this controller (its uid) owns go ahead of others."""


class Body(Protocol):
    """A stream of bytes, as aiohttp reads it."""

    def read_nowait(self) -> bytes:
        """What has come, empty where nothing has."""
        ...

    def readany(self) -> Awaitable[bytes]:
        """What comes next, empty at the end."""
        ...


Overtaken = Callable[[ObjectKey], bool]
"""Whether a newer event of this object was taken in before."""
Take = Callable[[bytes, Overtaken, bool], ObjectKey | None]
"""Takes an event in unless it was overtaken; returns whose it is. The last argument: no event after it was taken in, so
that the watch goes on from here if it ends."""


class Intake:
    """The lines of one resource's watch. Without `ahead` each is taken as it comes.

    `later`: so many turns of the loop later, which lets the answer to a write of ours be taken before its event, where
    both came at once: then nobody needs to read the event.
    """

    def __init__(self, take: Take, ahead: Ahead | None = None, later: int = 0) -> None:
        self._take = take
        self._ahead = ahead
        self._later = later
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._count = self._newest = 0
        self._overtaken: dict[ObjectKey, int] = {}

    async def more(self, body: Body) -> bytes:
        """What comes next, empty at the end; meanwhile what waits is taken in."""
        quiet = 0
        while self._waiting:
            if came := body.read_nowait():
                return came
            quiet += 1
            if quiet >= QUIET_TURNS:
                self._take_waiting()
            await asyncio.sleep(0)
        return await body.readany()

    async def take(self, lines: list[bytes], *, in_order: bool) -> None:
        """Take these lines in, or have them wait unless they must be taken `in_order`. Raises what `Take` raises."""
        for _ in range(0 if in_order else self._later):
            await asyncio.sleep(0)
        sorts = None if in_order or not (self._waiting or len(lines) > AT_ONCE) else self._ahead
        taken = 0
        for line in lines:
            self._count += 1
            if sorts is not None and _may_wait(line, sorts):
                self._waiting.append((self._count, line))
                self._bytes += len(line)
                continue
            self._take_in(self._count, line)
            taken += 1
            if taken % AT_ONCE == 0:
                await asyncio.sleep(0)
        while self._bytes > MOST_WAITING:
            self._take_waiting()
            await asyncio.sleep(0)

    async def take_all(self) -> None:
        """Take in whatever waits, as before a watch begins again: its events are older than all that it brings."""
        while self._waiting:
            self._take_waiting()
            await asyncio.sleep(0)

    def _take_in(self, number: int, line: bytes) -> None:
        newest, self._newest = number > self._newest, max(number, self._newest)
        key = self._take(line, lambda key: number < self._overtaken.get(key, 0), newest)
        if self._waiting and key is not None and newest:
            self._overtaken[key] = number

    def _take_waiting(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            number, line = self._waiting.popleft()
            self._bytes -= len(line)
            self._take_in(number, line)
        if not self._waiting:
            self._overtaken.clear()


def _may_wait(line: bytes, ahead: Ahead) -> bool:
    controller = controller_at_a_glance(line)
    return controller is not None and not ahead(controller)
