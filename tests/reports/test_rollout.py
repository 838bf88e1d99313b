"""The views of records that pages are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sentinel.domain.alert import AlertStatus
from sentinel.domain.record.course import Course, CoursePoint
from sentinel.domain.record.entries import Action, AlertEntry
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.keeper import KeeperHold, KeeperRef
from sentinel.reports.board import row_of
from sentinel.reports.rollout import report_of
from tests.engine.builders import CANARY, entry, held, in_state
from tests.engine.snapshots import at


def test_a_row_says_where_a_rollout_is() -> None:
    """The step of how many, who is held besides, and which alerts fire."""
    fires = AlertEntry("f", "High", AlertStatus.FIRING, {}, at(1), at(2))
    over = replace(fires, fingerprint="g", status=AlertStatus.RESOLVED)
    keeper = KeeperHold(KeeperRef("Argo CD", "argocd", "shop"), {}, at(5), at(500), "Undo")
    record = replace(held("Alert", keeper_hold=keeper, step=1, weight=0.5), alerts=(fires, over))

    row = row_of(record, CANARY)

    assert (row.standing, row.step, row.steps, row.weight) == ("Held", 2, 2, 0.5)
    assert (row.firing, row.keeper, row.held_since) == (1, "Argo CD argocd/shop", at(60))


def test_without_its_policy_a_rollout_has_steps_of_an_unknown_number() -> None:
    """A policy that no longer loads hides nothing else."""
    row = row_of(in_state(), None)
    report = report_of(in_state(), None, (), ())

    assert (row.step, row.steps, report.steps) == (1, None, ())


def test_words_are_looked_for_in_all_texts_of_a_row() -> None:
    """All of them must occur, in any case and any order."""
    row = row_of(in_state(), None)

    assert row.matches(("api", "deployment"))
    assert row.matches(())
    assert not row.matches(("api", "undone"))


def test_a_decision_has_its_figures_in_words_and_its_numbers() -> None:
    """Of each rule that measured something; the outcome is empty while it is not known."""
    numbers = {
        "error-rate.candidate_errors": 5,
        "error-rate.candidate_total": 100,
        "error-rate.limit": 0.01,
        "error-rate.odds": 4096.0,
        "pods": 3,
    }
    decided = entry(Action.ADVANCE, "WithinLimit", numbers=numbers, step=1, outcome=None)

    (shown,) = report_of(replace(in_state(), decisions=(decided,)), CANARY, (), ()).decisions

    assert (shown.action, shown.step, shown.outcome, shown.outcome_at) == ("advance", 2, "", None)
    (figures,) = shown.figures
    assert (figures.rule, figures.canary, figures.baseline) == (
        "error-rate",
        "5% (5 of 100 requests failed)",
        "",
    )
    assert (figures.limit, figures.evidence) == ("1%", "4,096:1")
    assert shown.numbers == numbers


def test_the_course_of_the_evidence_comes_as_columns() -> None:
    """What was not measured is None."""
    course = Course(at(0), "seconds", 0.5, 4.6).after(CoursePoint(at(15), 0.1, 0.2, 10, None, 0, 1.5))

    (shown,) = report_of(in_state(course={"latency": course}), CANARY, (), ()).courses

    assert (shown.rule, shown.unit, shown.limit, shown.needed) == ("latency", "seconds", 0.5, 4.6)
    assert (shown.at, shown.canary, shown.baseline) == ((at(15).timestamp(),), (0.2,), (None,))
    assert (shown.canary_total, shown.baseline_total, shown.evidence) == ((10,), (0,), (1.5,))


def test_a_hold_says_what_it_means_and_what_ends_it() -> None:
    """In the words of its kind."""
    hold = report_of(held("EnvironmentOutage"), CANARY, (), ()).hold

    assert hold is not None
    assert "over their limits, too" in hold.meaning
    assert hold.ends.startswith("its cause, gone for")


def test_the_guard_window_is_shown_for_as_long_as_it_lasts() -> None:
    """From the promotion on, until the rollout is over."""
    guarded = in_state(Phase.PROMOTED, promoted_at=at(100))
    over = in_state(Phase.PROMOTED, promoted_at=at(100), ended_at=at(9000))

    assert report_of(guarded, CANARY, (), ()).guard_until == at(100) + timedelta(hours=1)
    assert report_of(over, CANARY, (), ()).guard_until is None
