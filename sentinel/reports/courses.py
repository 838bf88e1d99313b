"""What each rule of a rollout has shown over time, as columns for plots."""

from sentinel.domain.record.course import Course
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class CourseReport:
    """What a rule has shown over time, as columns. `at` is in seconds since 1970, None: nothing was measured.

    `unit` is `share`, `seconds` or `value`; `needed` and `evidence` are log evidence.
    """

    rule: str
    unit: str
    limit: float | None
    needed: float | None
    at: tuple[float, ...]
    weight: tuple[float, ...]
    canary: tuple[float | None, ...]
    canary_total: tuple[int, ...]
    baseline: tuple[float | None, ...]
    baseline_total: tuple[int, ...]
    evidence: tuple[float | None, ...]


def course_report(rule: str, course: Course) -> CourseReport:
    """The course of a rule, by its name."""
    points = course.read()
    return CourseReport(
        rule=rule,
        unit=course.unit,
        limit=course.limit,
        needed=course.needed,
        at=tuple(point.at.timestamp() for point in points),
        weight=tuple(point.weight for point in points),
        canary=tuple(point.canary for point in points),
        canary_total=tuple(point.canary_total for point in points),
        baseline=tuple(point.baseline for point in points),
        baseline_total=tuple(point.baseline_total for point in points),
        evidence=tuple(point.evidence for point in points),
    )
