"""Whether an undo needs a hold on who deploys the workload, and which."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sentinel.domain.record.record import Record
from sentinel.domain.workload.keeper import Keeper, KeeperHold, KeeperRef

HOLDS_AN_HOUR = 2
"""A keeper is held this often within an hour at most: nobody who takes holds back is fought."""
_HOUR = timedelta(hours=1)


def refusal(keeper: Keeper, records: Iterable[Record], now: datetime) -> str:
    """Why the keeper would take an undo back, and cannot be held; empty where it can, or needs not.

    `records` are those of all workloads.
    """
    if not keeper.reverts:
        return ""
    if keeper.why_not:
        return keeper.why_not
    if keeper.held:
        return ""
    if _held_lately(keeper.ref, records, now) >= HOLDS_AN_HOUR:
        return f"{keeper} would take the undo back, and was held {HOLDS_AN_HOUR} times within an hour already"
    return ""


def claim(
    keeper: Keeper,
    records: Iterable[Record],
    reason: str,
    now: datetime,
    lasts: timedelta,
    *,
    by_people: bool = False,
) -> KeeperHold | None:
    """The hold for an undo that is decided now; None where nothing would take it back.

    A keeper that is held for another rollout keeps what was there before that.
    """
    if not keeper.reverts or keeper.why_not:
        return None
    other = next((r.keeper_hold for r in records if holds(r, keeper.ref)), None)
    original = keeper.settings or {}
    if other is not None and keeper.mark is None:
        original = other.original
    return KeeperHold(
        keeper=keeper.ref,
        original=original,
        since=now,
        until=now + lasts,
        reason=reason,
        source=keeper.source if keeper.settled else "",
        shared=other is not None,
        by_people=by_people,
    )


def holds(record: Record, keeper: KeeperRef) -> bool:
    """Whether the record has a hold on this keeper."""
    hold = record.keeper_hold
    return hold is not None and hold.keeper == keeper


def _held_lately(keeper: KeeperRef, records: Iterable[Record], now: datetime) -> int:
    placed = (
        hold.placed_at
        for record in records
        if (hold := record.state.keeper_hold) is not None and hold.keeper == keeper and not hold.shared
    )
    return sum(at is not None and at > now - _HOUR for at in placed)
