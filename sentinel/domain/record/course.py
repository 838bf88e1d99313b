"""The course of a rule's evidence over a rollout: a bounded number of points, kept as one short text."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sentinel.values import dataclass, replace

MAX_POINTS = 120
_THINNED = 90


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """What one tick, or several that were put together, showed of a rule.

    `canary` and `baseline` are what was measured of them, in the limit's unit, on so many requests; None: nothing.
    `evidence` is the log evidence that counted at the end of the tick, None where the rule tests nothing. `weight` is
    the share of the workload that the candidate had reached.
    """

    at: datetime
    weight: float
    canary: float | None
    canary_total: int
    baseline: float | None
    baseline_total: int
    evidence: float | None

    def before(self, later: "CoursePoint") -> "CoursePoint":
        """This and the next point as one: of what was measured the mean by requests, of the rest the later."""
        return replace(
            later,
            canary=_mean(self.canary, self.canary_total, later.canary, later.canary_total),
            canary_total=self.canary_total + later.canary_total,
            baseline=_mean(self.baseline, self.baseline_total, later.baseline, later.baseline_total),
            baseline_total=self.baseline_total + later.baseline_total,
        )


@dataclass(frozen=True, slots=True)
class Course:
    """A rule's points since the rollout began, at most `MAX_POINTS`; the closest ones are put together first.

    `unit` is what is measured: a `share` of errors, `seconds`, or a plain `value`. `needed` is the log evidence that
    proves a fault. `points` is a text: for each point seconds since `since`, weight, canary, its requests, baseline,
    its requests, evidence.
    """

    since: datetime
    unit: str
    limit: float | None = None
    needed: float | None = None
    points: str = ""

    def after(self, point: CoursePoint) -> "Course":
        """The course with one more point."""
        text = f"{self.points};{self._text(point)}" if self.points else self._text(point)
        if text.count(";") >= MAX_POINTS:
            points = _thinned([self._point(each) for each in text.split(";")])
            text = ";".join(map(self._text, points))
        return replace(self, points=text)

    def read(self) -> tuple[CoursePoint, ...]:
        """The points, oldest first. A text that is not a course raises ValueError."""
        return tuple(self._point(text) for text in self.points.split(";") if text)

    def _text(self, point: CoursePoint) -> str:
        numbers = (
            (point.at - self.since).total_seconds(),
            point.weight,
            point.canary,
            point.canary_total or None,
            point.baseline,
            point.baseline_total or None,
            point.evidence,
        )
        return ",".join("" if number is None else f"{number:.7g}" for number in map(_rounded, numbers))

    def _point(self, text: str) -> CoursePoint:
        at, weight, canary, canary_total, baseline, baseline_total, evidence = (
            float(part) if part else None for part in text.split(",")
        )
        return CoursePoint(
            self.since + timedelta(seconds=at or 0.0),
            weight or 0.0,
            canary,
            round(canary_total or 0),
            baseline,
            round(baseline_total or 0),
            evidence,
        )


def _rounded(number: float | None) -> float | None:
    """Four digits, which is more than a plot shows; whole numbers stay as they are."""
    return number if number is None or number == int(number) else float(f"{number:.4g}")


def _thinned(points: Sequence[CoursePoint]) -> Sequence[CoursePoint]:
    kept = list(points)
    while len(kept) > _THINNED:
        ends = [kept[0].at - (kept[1].at - kept[0].at), *(point.at for point in kept)]
        closest = min(range(len(kept) - 1), key=lambda index: ends[index + 2] - ends[index])
        kept[closest : closest + 2] = [kept[closest].before(kept[closest + 1])]
    return kept


def _mean(one: float | None, weight: int, other: float | None, others: int) -> float | None:
    if one is None or other is None or not weight + others:
        return one if other is None else other
    return (one * weight + other * others) / (weight + others)
