"""What is urgent goes first, also between its steps: work that comes for hundreds of rollouts at once lets it pass.

An undo waits for the API server several times. If ticks are made and routine is looked at in each turn of the loop in
between, an undo with hundreds of rollouts in flight takes several times as long as alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

PAUSE = 0.01
"""Seconds that a piece of work waits at most; there are some hundred of them every few seconds, so none is starved."""

GiveWay = Callable[[], Awaitable[None]]
"""Awaited before each of many pieces of work."""


async def next_turn() -> None:
    """Let whatever is ready run first."""
    await asyncio.sleep(0)


class Precedence:
    """Whether something urgent is worked on."""

    def __init__(self) -> None:
        self.urgent = 0
        """How many urgent things are worked on."""
        self._none = asyncio.Event()
        self._none.set()

    def begins(self) -> None:
        """Something urgent is worked on from now on."""
        self.urgent += 1
        self._none.clear()

    def ends(self) -> None:
        """One of these is done."""
        self.urgent -= 1
        if not self.urgent:
            self._none.set()

    async def give_way(self, at_most: float = PAUSE) -> None:
        """Let whatever is ready run first, then what is urgent to its end, for so many seconds."""
        await asyncio.sleep(0)
        if not self._none.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(at_most):
                    await self._none.wait()
