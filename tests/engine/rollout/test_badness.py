"""Known bad is one thing, wherever it is asked for: as a target, when it comes again, and when it is forgiven."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout.badness import forgivable, known_bad
from tests.engine.builders import in_state, undone_to
from tests.engine.snapshots import at


def undone(restored: float, attempt: int = 1, **changes: float) -> Record:
    """NEW, undone and restored then."""
    times = {name: at(value) for name, value in changes.items()}
    made = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(restored)), ended_at=at(restored), **times)
    return replace(made, name=f"api-new-{attempt}", attempt=attempt)


def test_it_counts_from_the_end_of_the_undo() -> None:
    """Restored, patched, decided: as far as it has come."""
    bad = known_bad([undone(90)], "new")
    assert bad is not None
    assert bad.at == at(90)
    patched = known_bad([in_state(Phase.UNDOING, undo=undone_to(patched_at=at(70)))], "new")
    assert patched is not None
    assert patched.at == at(70)


def test_to_forgive_one_attempt_is_to_forgive_the_revision() -> None:
    """Whichever of its rollouts is named: what is forgotten is the last of them, and with it all."""
    first, second = undone(90, 1), undone(190, 2)
    meant = forgivable([second, first], name=first.name)
    assert meant == second
    forgiven = undone(190, 2, forgiven_at=200)
    assert known_bad([forgiven, first], "new") is None
    assert forgivable([forgiven, first], name=first.name) is None


def test_an_undo_under_way_cannot_be_forgiven() -> None:
    """First it comes to its end."""
    assert forgivable([in_state(Phase.UNDOING, undo=undone_to())]) is None


@given(st.permutations(range(4)))
def test_the_order_of_the_records_does_not_matter(order: list[int]) -> None:
    """What was promoted after it was undone is good, and what was undone after that is bad again."""
    story = [
        undone(10, 1),
        in_state(Phase.SUPERSEDED, promoted_at=at(20), ended_at=at(30)),
        undone(40, 3),
        in_state(Phase.SUPERSEDED, ended_at=at(50)),
    ]
    bad = known_bad([story[index] for index in order], "new")
    assert bad is not None
    assert bad.at == at(40)
    assert known_bad([story[index] for index in order if index != 2], "new") is None
