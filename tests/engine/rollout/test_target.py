"""Which revision an undo goes back to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState, UndoState
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.engine.rollout.badness import KnownBad, known_bad
from sentinel.engine.rollout.undo.target import NoTarget, UndoTarget, choose_target
from tests.engine.snapshots import NEW, OLD, at, record, revision, workload
from tests.support.states import state_of

WEEK = timedelta(days=7)
DAY = 86400.0
OLDER = revision("older", number=-1)


def promoted(of: Revision, when: float, **state: Any) -> Record:
    """A rollout that ended well, or not after all."""
    return record(of, None, state=state_of(**{"phase": Phase.PROMOTED, "promoted_at": at(when)} | state))


def undone(of: Revision, when: float, **state: Any) -> Record:
    """A rollout that was undone."""
    target = UndoState(RevisionRef.of(OLDER), at(when))
    return record(of, None, state=state_of(**{"phase": Phase.UNDONE, "undo": target} | state))


def chosen(
    *others: Record,
    stable: Revision | None = OLD,
    candidate: Revision = NEW,
    held: tuple[Revision, ...] = (OLD, OLDER),
    now: float = 0,
) -> UndoTarget | NoTarget:
    """The target of the rollout of NEW, given the workload's other records and what the cluster still holds."""
    mine = record(NEW, stable)
    return choose_target(mine, (mine, *others), workload(candidate=candidate, others=held), WEEK, at(now))


def digest_or_reason(result: UndoTarget | NoTarget) -> str:
    """What came out, in one word."""
    return result.revision.digest if isinstance(result, UndoTarget) else result.reason


def test_the_stable_of_this_rollout_comes_first() -> None:
    """What was fully available when the rollout began, however old, brought up to date."""
    result = chosen(promoted(OLDER, -60), promoted(OLD, -30 * DAY))
    assert result == UndoTarget(RevisionRef.of(OLD))


def test_a_stable_that_was_undone_is_passed_over() -> None:
    """The newest promoted revision takes its place."""
    middle = revision("middle", number=0)
    others = (undone(OLD, -60), promoted(OLDER, -3 * DAY), promoted(middle, -2 * DAY))
    assert digest_or_reason(chosen(*others, held=(OLD, middle, OLDER))) == "middle"


def test_a_stable_promoted_since_it_was_undone_is_good() -> None:
    """The later of the two counts, also within one rollout."""
    assert digest_or_reason(chosen(undone(OLD, -90), promoted(OLD, -60))) == "old"
    assert digest_or_reason(chosen(promoted(OLD, -90), undone(OLD, -60))) == "KnownBad"
    guarded = undone(OLD, -60, promoted_at=at(-90))
    assert digest_or_reason(chosen(guarded)) == "KnownBad"


@pytest.mark.parametrize("phase", [Phase.UNDONE, Phase.UNDOING])
def test_a_bad_end_without_an_undo_of_ours_counts(phase: Phase) -> None:
    """A rollout that ended badly is bad from its end, or else from its start."""
    ended = record(OLD, None, state=state_of(phase, ended_at=at(-30)))
    unended = record(OLD, None, state=RolloutState(phase))
    assert known_bad([ended], "old") == KnownBad(ended, at(-30))
    assert known_bad([unended], "old") == KnownBad(unended, at(0))
    assert known_bad([ended], "other") is None


def test_a_revision_observed_to_be_bad_is_not_known_bad() -> None:
    """What was only held, superseded, or deleted with its workload, condemns nothing."""
    for phase in (Phase.HELD, Phase.SUPERSEDED, Phase.FAILED):
        assert digest_or_reason(chosen(record(OLD, None, state=RolloutState(phase)))) == "old"


def test_a_template_that_no_object_holds_is_no_target() -> None:
    """A stable whose ReplicaSet is gone is passed over; without another there is none."""
    assert chosen(held=()) == NoTarget(
        "TemplateGone", "the template of revision old is no longer in the cluster"
    )
    unheld = revision("old", stored_in=None)
    assert digest_or_reason(chosen(promoted(OLDER, -60), held=(unheld, OLDER))) == "older"


def test_only_recent_promotions_stand_in_for_the_stable() -> None:
    """Within max_target_age; the refusal of the stable is said as well."""
    assert digest_or_reason(chosen(undone(OLD, -60), promoted(OLDER, -7 * DAY))) == "older"
    result = chosen(undone(OLD, -60), promoted(OLDER, -7 * DAY - 1))
    assert result == NoTarget(
        "TooOld",
        "revision 1 (api:old) was itself undone at 2026-03-01 11:59:00 UTC, "
        "and every other good revision was promoted more than 7 d ago",
    )


def test_a_revision_promoted_twice_is_as_young_as_its_last_promotion() -> None:
    """Rolled out again last week is recent."""
    twice = (promoted(OLDER, -20 * DAY), promoted(OLDER, -DAY), promoted(OLDER, -30 * DAY))
    assert digest_or_reason(chosen(undone(OLD, -60), *twice)) == "older"


def test_a_first_deployment_has_no_target() -> None:
    """Without a stable and without promotions there is nothing to go back to."""
    assert digest_or_reason(chosen(stable=None)) == "FirstDeployment"
    assert digest_or_reason(chosen(promoted(OLDER, -60), stable=None)) == "older"


def test_the_candidate_is_never_its_own_target() -> None:
    """Promoted before, it still is not gone back to."""
    assert digest_or_reason(chosen(promoted(NEW, -60), stable=None)) == "FirstDeployment"


def test_a_template_that_was_changed_meanwhile_is_not_undone() -> None:
    """When the spec no longer has what was judged, nothing is chosen."""
    assert digest_or_reason(chosen(candidate=revision("newer"))) == "Superseded"


@pytest.mark.parametrize(
    ("mark", "stable_mark", "outcome"),
    [("migration 5", "", "Irreversible"), ("migration 5", "migration 5", "old"), ("", "migration 4", "old")],
)
def test_an_irreversible_candidate_is_not_crossed(mark: str, stable_mark: str, outcome: str) -> None:
    """The mark counts only where its value differs from the target's."""
    candidate = revision("new", number=2, irreversible=mark)
    held = (revision("old", number=1, irreversible=stable_mark), OLDER)
    assert digest_or_reason(chosen(promoted(OLDER, -60), candidate=candidate, held=held)) == outcome


def test_an_irreversible_revision_in_between_is_not_crossed() -> None:
    """A stand-in on the other side of a marked revision is no target; one on this side is."""
    marked = revision("old", number=1, irreversible="schema 9")
    known_bad = undone(OLD, -60)
    assert digest_or_reason(chosen(known_bad, promoted(OLDER, -60), held=(marked, OLDER))) == "KnownBad"
    newer = revision("older", number=2)
    assert digest_or_reason(chosen(known_bad, promoted(OLDER, -60), held=(marked, newer))) == "older"


@pytest.mark.parametrize("unknown", ["target", "marked"])
def test_without_an_order_a_marked_revision_may_lie_between(unknown: str) -> None:
    """A kind without numbers must not have an undo cross what is irreversible."""
    marked = revision("marked", number=0, order=0 if unknown == "marked" else 3, irreversible="schema 9")
    old = revision("old", number=0, order=0 if unknown == "target" else 5)
    assert digest_or_reason(chosen(stable=old, held=(old, marked))) == "Irreversible"


def test_an_older_marked_revision_is_not_between_without_numbers_either() -> None:
    """The order alone tells."""
    marked = revision("marked", number=0, order=3, irreversible="schema 9")
    old = revision("old", number=0, order=5)
    assert digest_or_reason(chosen(stable=old, held=(old, marked))) == "old"


def test_the_refusal_names_the_mark() -> None:
    """Who marked it wrote why; that is passed on."""
    result = chosen(candidate=revision("new", number=2, irreversible="drops a column"))
    assert isinstance(result, NoTarget)
    assert result.message == (
        "revision 2 (api:new) is marked irreversible: drops a column; revision 1 (api:old) cannot be restored across it"
    )


revisions = st.lists(
    st.builds(
        lambda n, held, mark: revision(
            f"r{n}", number=n, stored_in=ObjectRef("", "", "", f"rs-{n}") if held else None, irreversible=mark
        ),
        st.integers(0, 4),
        st.booleans(),
        st.sampled_from(["", "", "schema 9"]),
    ),
    max_size=5,
    unique_by=lambda made: made.digest,
)
histories = st.lists(
    st.builds(
        lambda n, when, bad: (undone if bad else promoted)(revision(f"r{n}"), when),
        st.integers(0, 4),
        st.floats(-10 * DAY, -1),
        st.booleans(),
    ),
    max_size=8,
)


@given(revisions, histories, st.integers(0, 4))
def test_every_target_is_fit(held: list[Revision], history: list[Record], stable: int) -> None:
    """Never the candidate, never known bad, always held, never across a mark, and young or the stable."""
    result = chosen(*history, stable=revision(f"r{stable}"), held=tuple(held))
    if isinstance(result, NoTarget):
        return
    digest = result.revision.digest
    target = next(r for r in held if r.digest == digest)
    assert target.stored_in is not None
    assert known_bad(history, digest) is None
    assert not any(r.irreversible not in ("", target.irreversible) for r in held if r.order > target.order)
    ages = [
        at(0) - r.state.ending.promoted_at
        for r in history
        if r.candidate.digest == digest and r.state.ending.promoted_at
    ]
    assert digest == f"r{stable}" or min(ages) <= WEEK
