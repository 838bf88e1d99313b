"""In which order a watch's events are taken in when many come at once.

A drained node pool is thousands of events in one stream, and to take one in costs several times what it costs to see
whose it is. What belongs to a rollout in flight must not wait behind them: it is taken at once, and the others when
nothing more comes for a moment. Of the events that wait for an object only the newest is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from sentinel.adapters.kubernetes.api.raw import ObjectKey
from sentinel.adapters.kubernetes.watch.decoding import glance

AT_ONCE = 8
"""So many events are taken in between two turns of the loop: several watches take theirs in one turn."""
MOST_WAITING = 32 * 1024 * 1024
"""Bytes of events that may wait; beyond, the oldest are taken in before more is read."""
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


@dataclass(frozen=True, slots=True)
class Steps:
    """What a watch does with a line: `now` in its turn, `passed` when it must wait (with its version), `late` after
    that."""

    now: Callable[[bytes], None]
    passed: Callable[[str], None]
    late: Callable[[bytes], None]


class Intake:
    """The lines of one resource's watch. Without `ahead` each is taken as it comes."""

    def __init__(self, steps: Steps, ahead: Ahead | None = None) -> None:
        self._steps = steps
        self._ahead = ahead
        self._waiting: dict[ObjectKey, bytes] = {}
        self._bytes = 0

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
        """Take these lines in, or have them wait unless they must be taken `in_order`. Raises what the steps raise."""
        sorts = self._ahead if self._waiting or len(lines) > AT_ONCE else None
        taken = 0
        for line in lines:
            if in_order or sorts is None:
                self._steps.now(line)
            elif not self._goes_ahead(line, sorts):
                continue
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

    def _goes_ahead(self, line: bytes, ahead: Ahead) -> bool:
        """Take a line in that goes ahead of others, or have it wait; whether it was taken."""
        seen = glance(line)
        if seen is None:
            self._steps.now(line)
            return True
        self._bytes -= len(self._waiting.get(seen.key, b""))
        if ahead(seen.controller):
            self._waiting.pop(seen.key, None)
            self._steps.now(line)
            return True
        self._waiting[seen.key] = line
        self._bytes += len(line)
        self._steps.passed(seen.version)
        return False

    def _take_waiting(self) -> None:
        for line in self._oldest():
            self._steps.late(line)

    def _oldest(self) -> Iterator[bytes]:
        for key in tuple(islice(self._waiting, AT_ONCE)):
            line = self._waiting.pop(key)
            self._bytes -= len(line)
            yield line
