"""The report on a terminal."""

import io

from rich.console import Console

from sentinel.app.rehearsal.model import Rehearsed, RehearsedVerdict, RevisionFate
from sentinel.app.rehearsal.table import print_table
from tests.app.rehearsal.results import report, result, rollout


def printed(*results: Rehearsed) -> str:
    """The table of these results."""
    stream = io.StringIO()
    print_table(report(*results), Console(file=stream, width=160))
    return stream.getvalue()


def test_a_line_says_what_would_have_been_and_what_was() -> None:
    """The verdict, when, by which rule, what really happened, and how much sooner."""
    (line,) = (
        line
        for line in printed(result(RehearsedVerdict.UNDO, RevisionFate.ROLLED_BACK, minutes=30)).splitlines()
        if "│" in line
    )
    for part in (
        "shop/web",
        "new1",
        "undo",
        "2 min",
        "error-rate",
        "rolled back after 30 min",
        "28 min",
    ):
        assert part in line


def test_the_evidence_stands_below_unless_it_was_simply_promoted() -> None:
    """What was undone or could not be rehearsed needs a reason; what passed does not."""
    text = printed(
        result(RehearsedVerdict.UNDO, message="too many errors"),
        result(RehearsedVerdict.PROMOTE, name="good", message="all well"),
        Rehearsed(rollout(name="lost"), RehearsedVerdict.FAILED, problem="no pods"),
        result(RehearsedVerdict.UNDECIDED, name="short"),
    )
    assert "web new1: too many errors" in text
    assert "all well" not in text
    assert "lost new1: no pods" in text
    assert "short new1: no decision" in text


def test_suspected_false_undos_are_marked_and_counted() -> None:
    """In the line and in the sums."""
    text = printed(result(RehearsedVerdict.UNDO))
    assert "undo (false?)" in text
    assert "kept 1 (suspected false)" in text


def test_markup_in_names_and_messages_is_text() -> None:
    """Square brackets are rich's markup."""
    assert "[red]x[/nope]" in printed(result(RehearsedVerdict.UNDO, message="[red]x[/nope]"))


def test_no_rollout_prints_the_sums_alone() -> None:
    """An empty table tells nothing."""
    text = printed()
    assert "│" not in text
    assert "0 rollouts" in text
