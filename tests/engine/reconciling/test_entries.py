"""Decisions as they are written down, each by an id that makes it happen once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.decision import Decision
from sentinel.domain.record.entries import Action, DecisionEntry, OutcomeKind
from sentinel.domain.record.record import MAX_DECISIONS, Record
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.engine.reconciling.entries import ONCE_PER_ROLLOUT, entry_for, overtaken
from tests.engine.builders import in_state, undoing
from tests.engine.snapshots import OLD, at, record


def made(of: Record, action: Action, reason: str = "Why", seconds: float = 70) -> DecisionEntry:
    """The entry of a decision that leaves the state as it is."""
    return entry_for(of, Decision(of.state, None, action, reason), at(seconds))


def test_whoever_decides_the_same_writes_the_same() -> None:
    """At another time and from another process."""
    for action in Action:
        assert made(record(), action).id == made(record(), action, seconds=99).id


def test_what_happens_once_has_one_id_in_a_rollout() -> None:
    """Whatever was decided before, and for whatever reason."""
    later = record().with_decision(made(record(), Action.HOLD))
    for action in ONCE_PER_ROLLOUT:
        assert made(record(), action).id == made(later, action, "Other").id


def test_what_may_happen_again_has_an_id_each_time() -> None:
    """A second hold for the same reason is another decision."""
    first = made(record(), Action.HOLD)
    assert made(record().with_decision(first), Action.HOLD).id != first.id


def test_the_step_and_the_reason_tell_decisions_apart() -> None:
    """At one step one advance; for two reasons two holds."""
    assert made(in_state(step=1), Action.ADVANCE).id != made(in_state(step=0), Action.ADVANCE).id
    assert made(record(), Action.HOLD, "A").id != made(record(), Action.HOLD, "B").id


def test_rollouts_do_not_share_ids() -> None:
    """Another candidate, attempt or workload, other ids."""
    others = (
        replace(record(), workload_uid="uid-2"),
        replace(record(), attempt=2),
        replace(record(), candidate=RevisionRef("next")),
    )
    assert len({made(r, Action.UNDO).id for r in (record(), *others)}) == 4


@given(st.integers(1, 2 * MAX_DECISIONS))
def test_ids_stay_unique_when_old_decisions_are_dropped(count: int) -> None:
    """A history longer than a record keeps repeats none."""
    ours, seen = record(), set()
    for _ in range(count):
        entry = made(ours, Action.HOLD)
        ours = ours.with_decision(entry)
        seen.add(entry.id)
    assert len(seen) == count


def test_an_undo_names_its_target() -> None:
    """Where it goes back to is part of the entry; other decisions have none."""
    assert made(undoing(), Action.UNDO).target == OLD.digest
    assert made(record(), Action.UNDO).target == ""
    assert made(undoing(), Action.ESCALATE).target == ""


def test_an_entry_carries_what_was_decided() -> None:
    """Reason, step, rule, numbers, and whether a human was called; its outcome is open."""
    decision = Decision(
        in_state(Phase.HELD, step=1).state,
        None,
        Action.HOLD,
        "NoData",
        "no evidence",
        rule="r",
        numbers={"n": 1},
        escalate=True,
    )
    entry = entry_for(record(), decision, at(70))
    assert (entry.at, entry.step, entry.rule, entry.numbers) == (at(70), 1, "r", {"n": 1})
    assert (entry.message, entry.revision, entry.escalated, entry.outcome) == (
        "no evidence",
        "new",
        True,
        None,
    )


@pytest.mark.parametrize(
    ("end", "kind"), [(Phase.UNDONE, OutcomeKind.DONE), (Phase.SUPERSEDED, OutcomeKind.REFUSED)]
)
def test_a_decision_that_the_end_overtook_has_an_outcome(end: Phase, kind: OutcomeKind) -> None:
    """An open undo is done where the rollout ends undone, and nothing that was decided stays open."""
    open_one = undoing().with_decision(made(undoing(), Action.UNDO))
    ended = Decision(in_state(end).state, None, Action.SUPERSEDE, "NewerRevision")
    closed = overtaken(open_one, ended, at(90))
    assert closed.pending is None
    assert [entry.outcome.kind for entry in closed.decisions if entry.outcome] == [kind]
