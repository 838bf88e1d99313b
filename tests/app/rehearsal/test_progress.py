"""A run that was cut short goes on where it was."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.app.rehearsal.model import RehearsedVerdict, RevisionFate
from sentinel.app.rehearsal.progress import Kept
from sentinel.domain.errors import ConfigurationError
from tests.app.rehearsal.results import T0, result, rollout


def test_what_was_done_is_known_to_the_next_run(tmp_path: Path) -> None:
    """Results of the same rules are read back."""
    path = tmp_path / "kept.jsonl"
    done = result(RehearsedVerdict.PROMOTE)
    Kept(path, "rules").add(done)
    assert Kept(path, "rules").get(done.rollout) == done


def test_other_rules_begin_anew(tmp_path: Path) -> None:
    """A changed rule may decide otherwise."""
    path = tmp_path / "kept.jsonl"
    Kept(path, "rules").add(result(RehearsedVerdict.PROMOTE))
    assert Kept(path, "others").get(rollout()) is None


def test_a_rollout_that_has_ended_since_is_done_anew(tmp_path: Path) -> None:
    """What really became of it was not known then."""
    path = tmp_path / "kept.jsonl"
    Kept(path, "rules").add(result(RehearsedVerdict.PROMOTE))
    assert Kept(path, "rules").get(rollout(RevisionFate.ROLLED_BACK, minutes=30)) is None


def test_one_that_is_still_young_is_done_anew_once_more_of_it_is_recorded(tmp_path: Path) -> None:
    """After a day nothing more is decided; before that, later samples may decide."""
    path = tmp_path / "kept.jsonl"
    done = result(RehearsedVerdict.HOLD)
    old = replace(done, rollout=replace(done.rollout, until=T0 + timedelta(days=2)))
    Kept(path, "rules").add(done)
    later = replace(rollout(), until=T0 + timedelta(days=3))
    assert Kept(path, "rules").get(later) is None
    Kept(path, "rules").add(old)
    assert Kept(path, "rules").get(later) == old


def test_failures_are_tried_again(tmp_path: Path) -> None:
    """Prometheus may be back."""
    path = tmp_path / "kept.jsonl"
    Kept(path, "rules").add(result(RehearsedVerdict.FAILED))
    assert Kept(path, "rules").get(rollout()) is None


def test_a_line_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    """An interrupted run leaves half a line; the rest of the file counts, and can be added to."""
    path = tmp_path / "kept.jsonl"
    Kept(path, "rules").add(result(RehearsedVerdict.PROMOTE))
    with path.open("a") as stream:
        stream.write('\n{"rules": "rules", "rollo')
    kept = Kept(path, "rules")
    assert kept.get(rollout()) is not None
    kept.add(result(RehearsedVerdict.UNDO, name="other"))
    assert Kept(path, "rules").get(rollout(name="other")) is not None


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A folder that is not there is said before hours are lost."""
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Kept(tmp_path / "absent" / "kept.jsonl", "rules").add(result(RehearsedVerdict.PROMOTE))
