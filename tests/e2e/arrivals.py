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

EVERY = 0.2
"""Seconds between two looks."""
Shown = tuple[tuple[float, float], ...]
"""When it was seen that samples up to which time could be queried: both in seconds since a story began, ascending."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long a story took; of each step that samples decided, up to when they reach, and when it was decided.

    All in seconds since it began.
    """

    seconds: float
    decided: tuple[tuple[float, float], ...] = ()
    shown: Shown = ()

    def least(self, usual: Took) -> float | None:
        """How long this story must have taken here, had it gone as elsewhere; None where samples did not decide it.

        What was decided there by samples of so long after the decision before, needs such samples here.
        """
        least, before = 0.0, 0.0
        for proof, decided in usual.decided:
            needed = least + proof - before
            shown = min((now for now, at in self.shown if at >= needed), default=None)
            if shown is None:
                return None
            least, before = shown, decided
        return least or None


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
        """How long it took that a release of the service was decided by what its samples show."""
        seen = self.seen[service]
        shown = tuple((now - began, at - began) for now, at in seen)
        decided = []
        for entry in record.decisions:
            if entry.action is Action.UNDO:
                until = record.state.course[entry.rule].read()[-1].at.timestamp()
                proof = max(at for _, at in seen if at <= until)
            elif entry.action in (Action.ADVANCE, Action.PROMOTE):
                proof = max(at for now, at in seen if now <= entry.at.timestamp())
            else:
                continue
            decided.append((proof - began, entry.at.timestamp() - began))
        return Took(seconds, tuple(decided), shown)


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
