"""Holds on who deploys a workload: when one is claimed, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, UndoState
from sentinel.domain.workload.keeper import Keeper, KeeperHold, KeeperHoldEnd, KeeperMark, KeeperRef
from sentinel.domain.workload.revision import ObjectRef
from sentinel.engine.keepers.claiming import claim, refusal
from sentinel.engine.keepers.reviewing import OVERDUE, review
from tests.engine.snapshots import OLD, at, changed
from tests.engine.snapshots import record as recorded
from tests.engine.snapshots import workload as at_work

T0 = at(0)

DAY = timedelta(days=1)
REF = KeeperRef("Tool", "ops", "shop")
OTHER = KeeperRef("Tool", "ops", "bank")
SETTINGS = {"automated": {"prune": True}}
WEB, API = (ObjectRef("apps/v1", "Deployment", "shop", name) for name in ("web", "api"))
MARK = KeeperMark(("shop/web-1",), T0 + DAY, SETTINGS)


def keeper(**changes: Any) -> Keeper:
    """A tool's object that deploys the workload by itself."""
    return replace(Keeper(REF, reverts=True, settings=SETTINGS, source="a"), **changes)


def held(**changes: Any) -> KeeperHold:
    """A hold that was put in force at T0, and seen."""
    hold = KeeperHold(REF, SETTINGS, T0, T0 + DAY, "CrashLoop", source="a", placed_at=T0, seen=True)
    return replace(hold, **changes)


def record_with(hold: KeeperHold | None, name: str = "web-1") -> Record:
    """An undone rollout with this hold."""
    record = replace(recorded(), name=name)
    undo = UndoState(RevisionRef.of(OLD), T0, patched_at=T0)
    return record.with_state(replace(record.state, phase=Phase.UNDONE, undo=undo, keeper_hold=hold))


def outcome(
    hold: KeeperHold, *, after: float = 60, **of_keeper: Any
) -> tuple[KeeperHoldEnd | None, bool] | None:
    """Why the hold ends, and whether people are called, `after` seconds; None if there is nothing to do."""
    workload = changed(at_work(), keeper=keeper(**{"held": True, "mark": MARK, **of_keeper}))
    found = review(record_with(hold), hold, workload, T0 + timedelta(seconds=after))
    return None if found is None else (found.hold.ending, found.escalate)


def test_what_reverts_nothing_needs_no_hold() -> None:
    """Nor is its undo refused."""
    by_hand = keeper(reverts=False, why_not="whatever")
    assert claim(by_hand, (), "CrashLoop", T0, DAY) is None
    assert refusal(by_hand, (), T0) == ""


def test_a_hold_keeps_what_was_there_before() -> None:
    """With its reason and its end."""
    found = claim(keeper(), (), "CrashLoop", T0, DAY)
    assert found is not None
    assert (found.original, found.source, found.until, found.lever) == (SETTINGS, "a", T0 + DAY, REF)


def test_a_source_that_is_being_deployed_is_not_noted_yet() -> None:
    """What it names then may still be the source before."""
    found = claim(keeper(settled=False), (), "CrashLoop", T0, DAY)
    assert found is not None
    assert found.source == ""


def test_a_second_rollouts_hold_has_the_firsts_original() -> None:
    """What the tool shows by then is the hold itself."""
    now = keeper(held=True, settings={"automated": {"enabled": False}})
    found = claim(now, [record_with(held())], "CrashLoop", T0, DAY)
    assert found is not None
    assert found.original == SETTINGS
    marked = replace(now, mark=MARK, settings=SETTINGS)
    found = claim(marked, [record_with(held(original={}))], "CrashLoop", T0, DAY)
    assert found is not None
    assert found.original == SETTINGS


def test_a_hold_on_another_workload_of_the_same_tool_says_nothing_of_this_one() -> None:
    """Where the hold is on the workload, each has its own original and its own count."""
    over = {"on": API, "ended_at": T0, "ending": KeeperHoldEnd.SOURCE_CHANGED}
    lasting = record_with(held(on=API, original={"reconcile": "enabled"}), "api-1")
    found = claim(keeper(on=WEB, settings={}), [lasting], "CrashLoop", T0, DAY)
    assert found is not None
    assert (found.original, found.lever) == ({}, WEB)
    often = [record_with(held(**over), "api-1"), record_with(held(**over, placed_at=at(5)), "api-2")]
    assert refusal(keeper(on=WEB), often, at(60)) == ""
    assert "held 2 times" in refusal(keeper(on=API), often, at(60))


def test_a_keeper_is_held_twice_an_hour_at_most() -> None:
    """A third hold would be a fight; those of other keepers, those that joined one and older ones do not count."""
    over = {"ended_at": at(10), "ending": KeeperHoldEnd.LIFTED}
    later = {"placed_at": at(20), "ended_at": at(30), "ending": KeeperHoldEnd.LIFTED}
    records = [record_with(held(**over), "web-1"), record_with(held(**later), "web-2")]
    assert "held 2 times within an hour" in refusal(keeper(), records, at(3599))
    assert refusal(keeper(), records, at(3600)) == ""
    assert refusal(keeper(held=True), records, at(40)) == ""
    joined = {"placed_at": at(5), "ended_at": at(30)}
    for harmless in (
        held(**joined),
        held(**{**later, "keeper": OTHER}),
        held(**{**later, "placed_at": None}),
    ):
        assert refusal(keeper(), [records[0], record_with(harmless, "web-2")], at(40)) == ""


def test_nothing_is_done_about_a_hold_whose_reason_lasts() -> None:
    """The same source, still held, in time."""
    assert outcome(held()) is None


@pytest.mark.parametrize(
    ("of_keeper", "ends", "called"),
    [
        ({"source": "b"}, KeeperHoldEnd.SOURCE_CHANGED, False),
        ({"held": False}, KeeperHoldEnd.LIFTED, True),
        ({"mark": None}, KeeperHoldEnd.LIFTED, True),
        ({"mark": replace(MARK, holders=("shop/api-1",))}, KeeperHoldEnd.LIFTED, True),
        ({"lists": False}, KeeperHoldEnd.NOT_IN_SOURCE, True),
        ({"ref": OTHER}, KeeperHoldEnd.KEEPER_GONE, True),
        ({"confirmed": False}, KeeperHoldEnd.KEEPER_GONE, True),
    ],
)
def test_a_hold_ends_with_its_reason(of_keeper: dict[str, Any], ends: KeeperHoldEnd, called: bool) -> None:
    """And people are called where nobody meant that."""
    assert outcome(held(), **of_keeper) == (ends, called)


def test_a_source_that_is_being_deployed_does_not_count_as_changed() -> None:
    """It is compared once that is over."""
    assert outcome(held(), source="b", settled=False) is None


def test_a_hold_that_only_people_release_outlasts_a_change_of_source() -> None:
    """The undone revision came back once."""
    assert outcome(held(by_people=True), source="b") is None


def test_a_hold_is_not_lifted_before_it_was_seen() -> None:
    """The watch may show what was before it, for a minute at most."""
    assert outcome(held(seen=False), after=30, held=False) is None
    assert outcome(held(seen=False), after=60, held=False) == (KeeperHoldEnd.LIFTED, True)


def test_what_cannot_be_read_now_may_be_as_it_was() -> None:
    """Only its time runs."""
    assert outcome(held(), readable=False, confirmed=False) is None


def test_a_hold_of_an_undo_that_was_not_made_is_released() -> None:
    """It has no reason."""
    hold = held()
    record = record_with(hold)
    record = record.with_state(replace(record.state, phase=Phase.HELD, undo=None))
    found = review(record, hold, changed(at_work(), keeper=keeper(held=True)), T0)
    assert found is not None
    assert found.hold.ending is KeeperHoldEnd.NOT_UNDONE


def test_a_hold_ends_with_its_workload() -> None:
    """And is released, for what else the tool deploys."""
    found = review(record_with(held()), held(), None, T0)
    assert found is not None
    assert found.hold.ending is KeeperHoldEnd.WORKLOAD_DELETED


def test_a_release_that_was_begun_is_completed() -> None:
    """Whatever the tool shows."""
    begun = held(ending=KeeperHoldEnd.SOURCE_CHANGED)
    found = review(record_with(begun), begun, changed(at_work(), keeper=keeper()), T0)
    assert found is not None
    assert found.hold == begun


def test_a_hold_that_lasts_too_long_is_told_once_and_stays() -> None:
    """Without it the bad revision would come back."""
    assert outcome(held(), after=DAY.total_seconds()) == (None, True)
    assert outcome(held(overdue_told=True), after=2 * DAY.total_seconds()) is None
    assert OVERDUE == "KeeperHoldOverdue"


def test_a_tool_that_agrees_with_what_was_restored_is_released() -> None:
    """If it compared well after the undo, and that is what is there."""
    record, hold = record_with(held(by_people=True)), held(by_people=True)
    for seconds, ends in ((2, None), (10, KeeperHoldEnd.SOURCE_AGREES)):
        agreed = keeper(held=True, mark=MARK, agreed_at=T0 + timedelta(seconds=seconds))
        workload = changed(at_work(), candidate=OLD, keeper=agreed)
        found = review(record, hold, workload, T0 + timedelta(seconds=60))
        assert (found.hold.ending if found else None) == ends
