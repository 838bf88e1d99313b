"""Whether an undo needs a hold on who deploys the workload, and which."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sentinel.domain.record.record import Record
from sentinel.domain.workload.keeper import Keeper, KeeperHold, Lever

HOLDS_AN_HOUR = 2
"""One object is held this often within an hour at most: nobody who takes holds back is fought."""
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
    if _held_lately(keeper.lever, records, now) >= HOLDS_AN_HOUR:
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

    What is held for another rollout already keeps what was there before that.
    """
    if not keeper.holdable:
        return None
    original = keeper.settings or {}
    if keeper.mark is None:
        others = (record.keeper_hold for record in records)
        shared = (hold.original for hold in others if hold is not None and hold.lever == keeper.lever)
        original = next(shared, original)
    return KeeperHold(
        keeper=keeper.ref,
        original=original,
        since=now,
        until=now + lasts,
        reason=reason,
        source=keeper.source if keeper.settled else "",
        on=keeper.on,
        by_people=by_people,
    )


def _held_lately(lever: Lever, records: Iterable[Record], now: datetime) -> int:
    """How often it was put in force: a hold that began while another one was, joined that."""
    holds = (record.state.keeper_hold for record in records)
    spans = sorted(
        (hold.placed_at, hold.ended_at or now)
        for hold in holds
        if hold is not None and hold.lever == lever and hold.placed_at is not None
    )
    times, free_from = 0, now - _HOUR
    for placed, ended in spans:
        times += placed > free_from
        free_from = max(free_from, ended)
    return times
