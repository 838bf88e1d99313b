"""Plots: lines with gaps, marks where they belong."""

import re
from datetime import timedelta

from sentinel.app.rehearsal.model import Curve, MeasuredPoint, RehearsedVerdict, RevisionFate
from sentinel.app.rehearsal.plot import BASELINE, CANDIDATE, DECIDED, LEFT, RIGHT, WIDTH, plot
from tests.app.rehearsal.results import T0, result, rollout


def line(svg: str, colour: str) -> str:
    """The path of one arm."""
    found = re.search(
        rf'<path d="([^"]*)" fill="none" stroke="{colour}" stroke-width="2" stroke-linecap', svg
    )
    return found[1] if found else ""


def curve(*values: float | None) -> Curve:
    """A curve of the candidate, a point each minute."""
    points = (MeasuredPoint(T0 + timedelta(minutes=index), value, None) for index, value in enumerate(values))
    return Curve("r", "", None, tuple(points))


def test_a_line_breaks_where_nothing_was_measured() -> None:
    """Two pieces, and none for an arm that was never measured."""
    svg = plot(curve(1.0, 2.0, None, 3.0, 4.0), rollout(), None)
    assert line(svg, CANDIDATE).count("M") == 2
    assert not line(svg, BASELINE)


def test_the_decision_stands_at_its_time() -> None:
    """Half way through the measurements is half way across."""
    told = result(RehearsedVerdict.UNDO, after=2).decisive
    svg = plot(curve(1.0, 1.0, 1.0, 1.0, 1.0), rollout(), told)
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    assert f'<path d="M{middle:.1f} ' in svg
    assert DECIDED in svg


def test_what_really_happened_is_marked_within_the_plot() -> None:
    """A rollback long after the measurements would squeeze them, and is left to the text."""
    values = (1.0,) * 11
    assert "in reality rolled back" in plot(
        curve(*values), rollout(RevisionFate.ROLLED_BACK, minutes=5), None
    )
    assert "in reality rolled back" not in plot(
        curve(*values), rollout(RevisionFate.ROLLED_BACK, minutes=50), None
    )


def test_no_value_at_all_still_draws() -> None:
    """Nothing measured, or nothing but zero."""
    assert plot(curve(None), rollout(), None).endswith("</svg>")
    assert plot(curve(0.0, 0.0), rollout(), None).endswith("</svg>")
