"""When the samples of each service could be queried: the floor below which nobody can find a fault."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from tests.e2e.shops import Metrics
from tests.support.world import decision

EVERY = 0.2
"""Seconds between two looks."""
Shown = tuple[tuple[float, float], ...]
"""When it was seen that samples up to which time could be queried: both in seconds since a story began, ascending."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long a story took; up to when the samples reach that decided it, where samples did, and when they came.

    All in seconds since it began.
    """

    seconds: float
    proof: float | None = None
    shown: Shown = ()

    def least(self, proof: float | None) -> float | None:
        """When samples up to a time could be queried; None where nobody saw it."""
        return None if proof is None else min((now for now, at in self.shown if at >= proof), default=None)


@dataclass(slots=True)
class Arrivals:
    """By service, when (Unix seconds) which time was seen to be the one of its newest samples."""

    seen: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def note(self, now: float, newest: dict[str, float]) -> None:
        """Take in the times of each pod's newest sample."""
        for pod, at in newest.items():
            known = self.seen.setdefault(pod.rsplit("-", 2)[0], [])
            if not known or at > known[-1][1]:
                known.append((now, at))

    def took(self, service: str, record: Record, began: float, seconds: float) -> Took:
        """How long it took that a release of the service was undone by what its samples show."""
        undo = decision(record, Action.UNDO)
        until = record.state.course[undo.rule].read()[-1].at.timestamp()
        last = max(at for _, at in self.seen[service] if at <= until)
        shown = tuple((now - began, at - began) for now, at in self.seen[service])
        return Took(seconds, last - began, shown)


@contextlib.asynccontextmanager
async def watched(metrics: Metrics) -> AsyncIterator[Arrivals]:
    """Looks at the newest samples while the block lasts."""
    arrivals = Arrivals()

    async def look() -> None:
        while True:
            with contextlib.suppress(OSError, KeyError):
                now = time.time()
                arrivals.note(now, await metrics.newest(now))
            await asyncio.sleep(EVERY)

    task = asyncio.create_task(look())
    try:
        yield arrivals
    finally:
        task.cancel()
        await asyncio.wait({task})
