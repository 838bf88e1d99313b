"""What a policy's rules would find at the traffic that a rollout has seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, Method
from sentinel.domain.record.course import Course, CoursePoint
from sentinel.domain.record.record import Record
from sentinel.reports.detection import detection_of
from tests.engine.builders import CANARY, PLAIN, in_state
from tests.engine.snapshots import at

RULE = ErrorRateRule("error-rate", CountQuery("prometheus", "t", "e"), 0.05)
GUARDED = replace(CANARY, rules=(RULE,))


def seen(rps: float, ticks: int = 20) -> Record:
    """A rollout at 10 % of so many requests per second, of which the baseline fails 1 %."""
    course = Course(at(15), "share", 0.05, 6.0)
    for tick in range(1, ticks + 1):
        ours, theirs = round(rps * 1.5), round(rps * 13.5)
        course = course.after(CoursePoint(at(15 * tick), 0.1, 0.01, ours, 0.01, theirs, 0.0))
    return in_state(course={"error-rate": course})


def test_the_traffic_is_that_of_the_rollout() -> None:
    """Both arms' requests per second, and the share that the baseline failed."""
    (found,) = detection_of(seen(200), GUARDED)

    assert (round(found.rps), round(found.base, 4), found.limit) == (200, 0.01, 0.05)
    assert [(step.step, step.weight, step.bake) for step in found.steps] == [(1, 0.1, 60.0), (2, 0.5, 60.0)]


def test_worse_faults_and_more_traffic_are_found_sooner() -> None:
    """What the limit allows is not looked for."""
    slow, fast = (detection_of(seen(rps), GUARDED)[0].steps[0].times for rps in (50, 500))

    assert [time.within_limit for time in fast] == [True, True, False, False, False]
    found = [time.half for time in fast if time.half is not None]
    assert found == sorted(found, reverse=True)
    for little, much in zip(slow, fast, strict=True):
        assert little.most is None or much.most is None or much.most <= little.most


def test_without_traffic_steps_or_a_test_nothing_is_promised() -> None:
    """No course, too short a one, no canary steps, a plain threshold."""
    threshold = replace(RULE, method=Method.THRESHOLD, hold=timedelta(minutes=1))

    assert detection_of(in_state(), GUARDED) == ()
    assert detection_of(seen(200, ticks=1), GUARDED) == ()
    assert detection_of(seen(200), replace(PLAIN, rules=(RULE,))) == ()
    assert detection_of(seen(200), replace(CANARY, rules=(threshold,))) == ()
