"""What a tick adds to the course of a rule's evidence, for people to look at; no decision depends on it."""

from math import inf, isfinite

from sentinel.domain.evidence import CountTick, HistogramTick, Tick, ValueSample
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, Method, MetricRule
from sentinel.domain.record.course import Course, CoursePoint
from sentinel.domain.record.state import RolloutState
from sentinel.domain.verdict import RuleVerdict
from sentinel.engine.rules.latency_report import estimate
from sentinel.engine.rules.segment import Segment
from sentinel.engine.rules.standing import needed_evidence


def charted(
    course: Course | None,
    rule: MetricRule,
    tick: Tick | None,
    verdict: RuleVerdict,
    state: RolloutState,
    segment: Segment,
) -> Course | None:
    """The course with the tick's point, on which the verdict was reached; a tick that measured nothing adds none."""
    point = _point(rule, tick, verdict, state.weight) if tick is not None else None
    if point is None:
        return course
    return (course or _begun(rule, segment, point)).after(point)


def _begun(rule: MetricRule, segment: Segment, first: CoursePoint) -> Course:
    if not isinstance(rule, ErrorRateRule | LatencyRule):
        return Course(first.at, "value")
    needed = needed_evidence(rule.alpha, segment) if rule.method is Method.SEQUENTIAL else inf
    unit = "share" if isinstance(rule, ErrorRateRule) else "seconds"
    return Course(first.at, unit, rule.limit, round(needed, 3) if isfinite(needed) else None)


def _point(rule: MetricRule, tick: Tick, verdict: RuleVerdict, weight: float) -> CoursePoint | None:
    if isinstance(tick, ValueSample):
        value = tick.values[0] if len(tick.values) == 1 and isfinite(tick.values[0]) else None
        return CoursePoint(tick.at, weight, value, 0, None, 0, None) if value is not None else None
    ours, theirs = tick.candidate, tick.baseline
    requests = theirs.total if theirs is not None else 0
    if not ours.total and not requests:
        return None
    canary, baseline = _measured(rule, tick)
    return CoursePoint(tick.until, weight, canary, ours.total, baseline, requests, _evidence(verdict))


def _measured(rule: MetricRule, tick: CountTick | HistogramTick) -> tuple[float | None, float | None]:
    """What the tick measured of both arms, in the limit's unit."""
    if isinstance(tick, CountTick):
        return tick.candidate.rate, tick.baseline.rate if tick.baseline is not None else None
    assert isinstance(rule, LatencyRule)
    baseline = estimate(rule, tick.baseline) if tick.baseline is not None else None
    return estimate(rule, tick.candidate), baseline


def _evidence(verdict: RuleVerdict) -> float | None:
    """The log evidence that counts: both proofs, or the limit's alone."""
    found = [verdict.numbers.get(name) for name in ("log_e_ratio", "log_e_limit")]
    ratio, limit = (None if one is None or isinstance(one, str) else float(one) for one in found)
    if limit is None or ratio is None or verdict.alone:
        return limit
    return min(ratio, limit)
