"""What a result says, and that it survives JSON."""

import json
from datetime import timedelta

import pytest

from sentinel.app.rehearsal.model import Rehearsed, RehearsedVerdict, RevisionFate, rehearsed_of
from tests.app.rehearsal.results import result


@pytest.mark.parametrize("verdict", list(RehearsedVerdict))
def test_a_result_survives_json(verdict: RehearsedVerdict) -> None:
    """What a resume file keeps is the very same result."""
    original = result(verdict, RevisionFate.ROLLED_BACK, minutes=30)
    assert rehearsed_of(json.loads(json.dumps(original.as_json()))) == original


def test_time_is_saved_where_people_went_back_as_well() -> None:
    """Only against a real rollback can it be said how much sooner the rules would have been."""
    assert result(RehearsedVerdict.UNDO, RevisionFate.ROLLED_BACK, minutes=30, after=2).saved == timedelta(
        minutes=28
    )
    assert result(RehearsedVerdict.UNDO, RevisionFate.KEPT).saved is None
    assert result(RehearsedVerdict.HOLD, RevisionFate.ROLLED_BACK, minutes=30).saved is None


def test_undoing_what_people_kept_is_suspected_false() -> None:
    """A revision that still runs was hardly bad."""
    assert result(RehearsedVerdict.UNDO, RevisionFate.KEPT).suspected_false
    assert not result(RehearsedVerdict.UNDO, RevisionFate.REPLACED).suspected_false
    assert not result(RehearsedVerdict.PROMOTE, RevisionFate.KEPT).suspected_false


def test_letting_pass_what_people_rolled_back_is_a_miss() -> None:
    """Whatever the rules came to, if not an undo."""
    missed: list[Rehearsed] = [
        result(verdict, RevisionFate.ROLLED_BACK, minutes=9) for verdict in RehearsedVerdict
    ]
    assert {one.verdict for one in missed if not one.missed} == {RehearsedVerdict.UNDO}
