"""Reverts in Git are proposed beside everything else: retried, given up by a named reason, once for a record."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest

from sentinel.domain.errors import ClusterUnavailableError, RevertError
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import RevisionRef, UndoState
from sentinel.domain.revert import RevertReason, SourceChange
from sentinel.domain.workload.keeper import KeeperHold, KeeperRef
from sentinel.ports import Forge
from sentinel.runtime.reverts.queue import Reverts
from tests.engine.builders import in_state
from tests.runtime.doubles import Counts, LoopClock, Shelf

KEEPER = KeeperRef("Argo CD Application", "argocd", "shop")


class Sources:
    """A history that always answers with an error, and counts how often it is asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    async def change_of(self, keeper: KeeperRef, began: datetime, *, timeout: float) -> SourceChange:
        """Fail."""
        self.asked += 1
        raise self.error


class NoForges:
    """No server at all."""

    def of(self, repository: str) -> Forge:
        """Refuse."""
        raise RevertError("not allowed", reason=RevertReason.NOT_ALLOWED)


def undone() -> Record:
    """A record whose undo was just made, of a workload that was held."""
    now = LoopClock().now()
    hold = KeeperHold(KEEPER, {}, now, now, "ErrorRate")
    undo = UndoState(RevisionRef("good"), now, patched_at=now)
    record = in_state()
    return replace(record.with_state(replace(record.state, undo=undo, keeper_hold=hold)), uid="1")


async def after(seconds: float, error: Exception, *, leads: bool = True) -> tuple[Shelf, Sources, Record]:
    """What is noted so long after an undo, with a history that fails so."""
    shelf, sources, record = Shelf(), Sources(error), undone()
    shelf.records[record.name] = record
    reverts = Reverts(
        NoForges(),
        sources,
        shelf,
        lambda _: True,
        lambda: leads,
        LoopClock(),
        Counts(),
        random.Random(1),
    )
    for _ in range(3):
        reverts.look(record, None)
    task = asyncio.create_task(reverts.run())
    await asyncio.sleep(seconds)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return shelf, sources, shelf.records[record.name]


async def test_what_no_retry_helps_is_noted_at_once_by_its_reason() -> None:
    """However often it is looked at, it is tried once."""
    error = RevertError("no history", reason=RevertReason.SOURCE_UNKNOWN)
    _, sources, record = await after(60, error)
    assert record.revert is not None
    assert record.revert.reason is RevertReason.SOURCE_UNKNOWN
    assert (record.revert.message, sources.asked) == ("no revert is proposed in Git: no history", 1)


async def test_an_outage_is_waited_out_for_an_hour_and_then_said() -> None:
    """With growing pauses."""
    error = RevertError("down", reason=RevertReason.UNREACHABLE, retryable=True)
    _, sources, record = await after(1800, error)
    assert record.revert is None
    assert 5 < sources.asked < 30
    _, _, record = await after(4200, error)
    assert record.revert is not None
    assert record.revert.reason is RevertReason.UNREACHABLE


async def test_a_server_that_asks_for_time_gets_it() -> None:
    """No request before it is over."""
    error = RevertError("slow down", reason=RevertReason.UNREACHABLE, retryable=True, retry_after=500)
    _, sources, _ = await after(499, error)
    assert sources.asked == 1


async def test_only_the_leader_proposes() -> None:
    """Another replica leads by now, and sees the same record."""
    _, sources, record = await after(60, ClusterUnavailableError("down"), leads=False)
    assert (sources.asked, record.revert) == (0, None)


@pytest.mark.parametrize("error", [ValueError("a defect"), KeyError("x")])
async def test_a_defect_is_noted_and_not_met_again(error: Exception) -> None:
    """It may not be tried at every reconcile."""
    _, sources, record = await after(600, error)
    assert sources.asked == 1
    assert record.revert is not None
    assert record.revert.reason is RevertReason.REFUSED
