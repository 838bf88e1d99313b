"""The course of a rule's evidence, as a record keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.record.course import MAX_POINTS, Course, CoursePoint

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EMPTY = Course(BEGAN, "share", 0.05, 4.6)
A_POINT = CoursePoint(BEGAN, 0.1, 0.025, 200, 0.01, 1800, 1.5)

points = st.lists(
    st.builds(
        lambda gap, canary, total: (gap, canary if total else None, total),
        st.floats(1, 600),
        st.floats(0, 1),
        st.integers(0, 100_000),
    ),
    max_size=400,
)


def test_what_was_put_in_comes_out() -> None:
    """Nothing measured stays nothing, and whole numbers stay exact."""
    alone = replace(A_POINT, at=BEGAN + timedelta(seconds=15), canary=None, canary_total=0, evidence=None)
    assert EMPTY.after(A_POINT).after(alone).read() == (A_POINT, alone)
    assert EMPTY.read() == ()


@given(points)
def test_it_is_bounded_and_no_request_is_lost(given_points: list[tuple[float, float | None, int]]) -> None:
    """However long it goes on: few points, few bytes, in order, all requests and the newest point among them."""
    course, now = EMPTY, BEGAN
    for gap, canary, total in given_points:
        now += timedelta(seconds=round(gap))
        course = course.after(CoursePoint(now, 0.5, canary, total, 0.01, 10, -12.34))
    found = course.read()

    assert len(found) <= MAX_POINTS
    assert len(course.points) <= 64 * MAX_POINTS
    assert [point.at for point in found] == sorted(point.at for point in found)
    assert sum(point.canary_total for point in found) == sum(total for _, _, total in given_points)
    assert not found or abs(found[-1].at - now) <= timedelta(seconds=1 + (now - BEGAN).total_seconds() / 1000)


def test_points_that_are_put_together_have_the_share_of_both() -> None:
    """By their requests: 2 of 100 and 30 of 300 are 32 of 400."""
    one = replace(A_POINT, canary=0.02, canary_total=100)
    later = replace(A_POINT, at=BEGAN + timedelta(seconds=15), canary=0.1, canary_total=300, evidence=2.0)

    both = one.before(later)

    assert both.canary == pytest.approx(0.08)
    assert (both.canary_total, both.at, both.evidence) == (400, later.at, 2.0)


def test_an_even_course_stays_even() -> None:
    """Its oldest part is not thinned more than its newest."""
    course = EMPTY
    for tick in range(2000):
        course = course.after(replace(A_POINT, at=BEGAN + timedelta(seconds=15 * tick)))
    at = [point.at for point in course.read()]
    gaps = [(after - before).total_seconds() for before, after in pairwise(at)]

    assert sum(gaps[:30]) < 3 * sum(gaps[30:60])
    assert sum(gaps[30:60]) < 3 * sum(gaps[:30])


def test_a_text_that_is_no_course_says_so() -> None:
    """Someone edited the record."""
    with pytest.raises(ValueError, match="could not convert"):
        replace(EMPTY, points="a,b").read()
