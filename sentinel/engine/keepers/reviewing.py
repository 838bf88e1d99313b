"""The end of a hold on a keeper: it is released when its reason is over, and people learn of the rest."""

from datetime import datetime, timedelta

from sentinel.domain.figures import duration
from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.keeper import Keeper, KeeperHold, KeeperHoldEnd
from sentinel.values import dataclass, replace

OVERDUE = "KeeperHoldOverdue"
"""The reason of an escalation: a hold is in force for longer than it was meant to be."""


REFUSED_FOR = timedelta(hours=1)
"""How long a release that the API server refused is left alone; `sentinel release` makes it sooner."""
SEEN_WITHIN = timedelta(minutes=1)
COMPARED_AFTER = timedelta(seconds=5)
"""A comparison that ended sooner after the undo may have begun before it."""


@dataclass(frozen=True, slots=True)
class HoldReview:
    """What a look at a hold comes to: the hold as it is to be noted, and what is to be done or said.

    `message` is empty where there is nothing to say. `escalate`: people are called.
    """

    hold: KeeperHold
    message: str = ""
    escalate: bool = False


def review(record: Record, hold: KeeperHold, workload: Workload | None, now: datetime) -> HoldReview | None:
    """What to do about the record's hold, None if nothing.

    `workload` is None when it is gone.
    """
    if hold.ending is not None:
        return HoldReview(hold, f"the release of {hold.keeper} is completed")
    if workload is None:
        return _released(hold, KeeperHoldEnd.WORKLOAD_DELETED, "the workload was deleted")
    if _not_undone(record):
        return _released(hold, KeeperHoldEnd.NOT_UNDONE, "the undo was not made")
    if hold.placed_at is None:
        return None
    keeper = workload.keeper
    if keeper is not None and not keeper.readable:
        return _overdue(hold, now)
    if keeper is None or not keeper.confirmed or keeper.ref != hold.keeper:
        why = f"{hold.keeper}, which was held, no longer deploys the workload: it was deleted, renamed, or dropped it"
        return _ended(hold, KeeperHoldEnd.KEEPER_GONE, why)
    return _by_keeper(record, hold, workload, keeper, now)


def refused_at(record: Record, hold: KeeperHold) -> datetime | None:
    """When the API server last refused the release of the hold, None where it did not."""
    ends = [entry for entry in record.decisions if entry.action is Action.RELEASE and entry.at >= hold.since]
    outcome = ends[-1].outcome if ends else None
    return outcome.at if outcome is not None and outcome.kind is OutcomeKind.FAILED else None


def _by_keeper(
    record: Record, hold: KeeperHold, workload: Workload, keeper: Keeper, now: datetime
) -> HoldReview | None:
    if not keeper.lists:
        why = f"the source of {keeper} no longer holds the workload, which stays until a person deletes it"
        return _ended(hold, KeeperHoldEnd.NOT_IN_SOURCE, f"released {keeper}: {why}")
    held = keeper.held_for(record.full_name)
    if not held and (hold.seen or _must_be_seen(hold, now)):
        return _ended(hold, KeeperHoldEnd.LIFTED, _said_of_lifted(keeper))
    if _agrees(record, workload, keeper):
        return _released(hold, KeeperHoldEnd.SOURCE_AGREES, "its source wants what was restored")
    if keeper.settled and hold.source and keeper.source != hold.source and not hold.by_people:
        return _released(hold, KeeperHoldEnd.SOURCE_CHANGED, "its source changed")
    noted = replace(
        hold,
        seen=hold.seen or held,
        source=hold.source or (keeper.source if keeper.settled else ""),
    )
    return _overdue(noted, now) or (HoldReview(noted) if noted != hold else None)


def _said_of_lifted(keeper: Keeper) -> str:
    if not keeper.held:
        return f"someone lifted the hold on {keeper}: it deploys again what its source wants, and is not held again"
    others = f"for {', '.join(keeper.mark.holders)}" if keeper.mark is not None else "by others"
    return f"someone lifted this workload's hold on {keeper}, which stays held {others}"


def _agrees(record: Record, workload: Workload, keeper: Keeper) -> bool:
    """Whether the tool compared the workload after the undo, and found what was restored as its source wants it."""
    undo = record.state.undo
    if undo is None or undo.patched_at is None or workload.candidate.digest != undo.target.digest:
        return False
    return keeper.agreed_at is not None and keeper.agreed_at > undo.patched_at + COMPARED_AFTER


def _must_be_seen(hold: KeeperHold, now: datetime) -> bool:
    """Whether the watch has had time enough to show it in force."""
    return hold.placed_at is not None and now >= hold.placed_at + SEEN_WITHIN


def _not_undone(record: Record) -> bool:
    """Whether the undo that the hold was for came to nothing: it is neither under way nor done."""
    undo = record.state.undo
    made = undo is not None and (undo.patched_at is not None or undo.target_seen)
    return not made and record.state.phase not in (Phase.UNDOING, Phase.UNDONE) and record.pending is None


def _released(hold: KeeperHold, end: KeeperHoldEnd, why: str) -> HoldReview:
    return HoldReview(replace(hold, ending=end), f"released {hold.keeper}: {why}")


def _ended(hold: KeeperHold, end: KeeperHoldEnd, message: str) -> HoldReview:
    """It ends in a way that nobody may have meant: people are called."""
    return HoldReview(replace(hold, ending=end), message, escalate=True)


def _overdue(hold: KeeperHold, now: datetime) -> HoldReview | None:
    if now < hold.until or hold.overdue_told:
        return None
    message = (
        f"{hold.keeper} is still held, {duration(now - hold.since)} after the undo: revert the release in its source, "
        "or release it (sentinel release)"
    )
    return HoldReview(replace(hold, overdue_told=True), message, escalate=True)
