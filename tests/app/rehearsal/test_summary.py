"""The counts over all rehearsals, and how they are said."""

from sentinel.app.rehearsal.model import RehearsedVerdict, RevisionFate
from sentinel.app.rehearsal.summary import sentences, summary_of
from tests.app.rehearsal.results import report, result

RESULTS = (
    result(RehearsedVerdict.UNDO, RevisionFate.ROLLED_BACK, minutes=30, after=2),
    result(RehearsedVerdict.UNDO, RevisionFate.ROLLED_BACK, minutes=12, after=2),
    result(RehearsedVerdict.UNDO, RevisionFate.KEPT),
    result(RehearsedVerdict.UNDO, RevisionFate.REPLACED, minutes=40),
    result(RehearsedVerdict.PROMOTE, RevisionFate.ROLLED_BACK, minutes=50),
    result(RehearsedVerdict.PROMOTE),
    result(RehearsedVerdict.HOLD),
    result(RehearsedVerdict.UNGUARDED),
    result(RehearsedVerdict.FAILED),
)


def test_every_rollout_is_counted_by_what_was_decided_and_what_became_of_it() -> None:
    """Undone ones are confirmed, suspected false, or unclear."""
    summary = summary_of(RESULTS)
    assert (summary.rollouts, summary.undone, summary.promoted, summary.held) == (9, 4, 2, 1)
    assert (summary.confirmed, summary.suspected_false, summary.unclear, summary.missed) == (2, 1, 1, 1)
    assert (summary.unguarded, summary.failed, summary.undecided) == (1, 1, 0)


def test_time_saved_is_summed_over_confirmed_undos() -> None:
    """28 and 10 minutes."""
    summary = summary_of(RESULTS)
    assert (summary.saved_total, summary.saved_median) == (38 * 60, 19 * 60)
    assert summary_of(()).saved_median is None


def test_the_sentences_name_what_matters() -> None:
    """False ones, missed ones, and how much sooner."""
    text = "\n".join(sentences(summary_of(RESULTS)))
    assert "kept 1 (suspected false)" in text
    assert "people rolled back 1 that the rules would not have undone" in text
    assert "19 min faster in the median, 38 min in total" in text


def test_the_report_as_json_holds_sums_and_rollouts() -> None:
    """A program reads both."""
    plain = report(*RESULTS).as_json()
    assert plain["summary"]["suspected_false"] == 1
    assert len(plain["rollouts"]) == 9
    assert plain["rollouts"][0]["saved_seconds"] == 28 * 60
