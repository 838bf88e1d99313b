"""What is kept between two reconciles: records that are over are looked at again only when somebody wrote them."""

from __future__ import annotations

from dataclasses import replace

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.reconciling.memory import Memory
from tests.engine.builders import in_state, undone_to
from tests.engine.snapshots import at

OVER = in_state(Phase.PROMOTED, ended_at=at(60))


def looked_at_again(*records: Record) -> tuple[Record, ...]:
    """Which of these a second reconcile looks at."""
    memory, key = Memory(), records[0].key
    assert memory.changed(key, records) == records
    memory.reported(key, records)
    return memory.changed(key, records)


def test_a_record_that_is_over_is_looked_at_once() -> None:
    """Nothing comes of it any more; one that lives is looked at by every reconcile."""
    assert looked_at_again(OVER, in_state(Phase.BAKING)) == (in_state(Phase.BAKING),)


def test_an_undone_record_is_looked_at_until_its_revert_is_noted() -> None:
    """Whether the undo is to be reverted in Git depends on the policy, and on who deploys, at that time."""
    undone = in_state(Phase.UNDONE, undo=undone_to(), ended_at=at(60))
    assert looked_at_again(undone) == (undone,)


def test_a_record_that_somebody_has_written_is_looked_at_again() -> None:
    """The write that ended a rollout may be seen late."""
    memory = Memory()
    memory.reported(OVER.key, (OVER,))
    written = replace(OVER, version="2")
    assert memory.changed(OVER.key, (written,)) == (written,)


def test_a_new_leader_looks_at_all_records() -> None:
    """What another replica reported meanwhile is not known."""
    memory = Memory()
    memory.reported(OVER.key, (OVER,))
    memory.forget()
    assert memory.changed(OVER.key, (OVER,)) == (OVER,)


def test_what_was_written_is_not_looked_at_again_soon() -> None:
    """What the watches show may be old: it must not keep everything else from being done."""
    memory, key = Memory(), OVER.key
    assert memory.looks_again(key, at(0))
    memory.looked_again(key, at(0))
    assert [memory.looks_again(key, at(seconds)) for seconds in (0, 29, 30)] == [False, False, True]


def test_a_new_leader_looks_again_at_once() -> None:
    """Another replica may have written, and been cut off, meanwhile."""
    memory = Memory()
    memory.looked_again(OVER.key, at(0))
    memory.forget()
    assert memory.looks_again(OVER.key, at(1))
