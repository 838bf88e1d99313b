"""What a policy's rules would find at the traffic that a rollout has seen, and how soon."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, Method
from sentinel.domain.policy.strategy import Step
from sentinel.domain.record.course import Course
from sentinel.domain.record.record import Record
from sentinel.engine.evidence.history import calibration_in
from sentinel.engine.rules.segment import segment_of
from sentinel.engine.statistics.power import Traffic, power
from sentinel.values import dataclass

MORE_ERRORS = (0.01, 0.02, 0.05, 0.1, 0.25)
"""A fault adds this share of failed requests to those of the baseline."""
LEAST_BASE = 1e-4
"""A baseline that failed no request is taken to fail one in ten thousand."""
FEWEST_POINTS = 2


@dataclass(frozen=True, slots=True)
class DetectionTime:
    """How soon a fault that adds `more` failed requests is proven at a step, in seconds.

    Half of the time within `half`, nine times in ten within `most`; None: not at all. `within_limit`: the rule allows
    so many failed requests.
    """

    more: float
    half: float | None
    most: float | None
    within_limit: bool


@dataclass(frozen=True, slots=True)
class DetectionStep:
    """One canary step, from 1."""

    step: int
    weight: float
    bake: float
    times: tuple[DetectionTime, ...]


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """A rule's power at the traffic of a rollout: `rps` requests per second over both arms, of which the share `base`
    failed in the baseline, in clusters of up to `dispersion`."""

    rule: str
    rps: float
    base: float
    dispersion: float
    limit: float
    steps: tuple[DetectionStep, ...]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The least fault that the first canary step proves within its bake, nine times in ten, at the traffic last seen.

    `more` is the share of failed requests that it adds, None: not even the largest that is looked for; `most` are the
    seconds that it takes.
    """

    rule: str
    rps: float
    weight: float
    bake: float
    more: float | None
    most: float | None


def sensitivity_of(records: Iterable[Record], policy: Policy) -> Sensitivity | str:
    """What a policy finds at a workload's traffic, or why that is not known; the newest of its `records` first."""
    rules = [
        one for one in policy.rules if isinstance(one, ErrorRateRule) and one.method is Method.SEQUENTIAL
    ]
    steps = [(number, step) for number, step in enumerate(policy.strategy.steps) if 0 < step.weight < 1]
    if not rules:
        return "no rule compares errors"
    if not steps:
        return "no canary step"
    for record in records:
        found = [one for rule in rules if (one := _least(rule, record, policy, *steps[0])) is not None]
        if found:
            return min(found, key=lambda one: one.more if one.more is not None else 1.0)
    return "no traffic seen yet"


def _least(
    rule: ErrorRateRule, record: Record, policy: Policy, number: int, step: Step
) -> Sensitivity | None:
    traffic = _traffic_at(rule, record, step)
    if traffic is None:
        return None
    bake = step.bake.total_seconds()
    times = _at_step(rule, number, step, policy, traffic).times
    least = next((one for one in times if one.most is not None and one.most <= bake), None)
    more, most = (least.more, least.most) if least is not None else (None, None)
    return Sensitivity(rule.name, traffic.rps, step.weight, bake, more, most)


def _traffic_at(rule: ErrorRateRule, record: Record, step: Step) -> Traffic | None:
    """The traffic that a rule saw in a rollout, as it is at a step."""
    course = record.state.course.get(rule.name)
    seen = _traffic(course, rule.interval) if course is not None else None
    if seen is None:
        return None
    learnt = calibration_in(record.state.analysis.get(rule.name))
    return Traffic(*seen, step.weight, learnt.dispersion if learnt is not None else 1.0)


def detection_of(record: Record, policy: Policy) -> tuple[DetectionReport, ...]:
    """For each rule on errors that tests sequentially and has seen traffic in this rollout, at each canary step."""
    found = (_of_rule(rule, record, policy) for rule in policy.rules if isinstance(rule, ErrorRateRule))
    return tuple(one for one in found if one is not None)


def _of_rule(rule: ErrorRateRule, record: Record, policy: Policy) -> DetectionReport | None:
    steps = tuple(enumerate(step for step in policy.strategy.steps if 0 < step.weight < 1))
    if rule.method is not Method.SEQUENTIAL or not steps:
        return None
    seen = _traffic_at(rule, record, steps[0][1])
    if seen is None:
        return None
    shown = tuple(
        _at_step(rule, number, step, policy, replace(seen, weight=step.weight)) for number, step in steps
    )
    return DetectionReport(rule.name, seen.rps, seen.base, seen.dispersion, rule.limit, shown)


def _traffic(course: Course, interval: timedelta) -> tuple[float, float] | None:
    """Requests per second over both arms, and the baseline's share of errors; None where too little was seen."""
    points = course.read()
    requests = sum(point.canary_total + point.baseline_total for point in points)
    baseline = sum(point.baseline_total for point in points)
    if len(points) < FEWEST_POINTS or not requests or not baseline:
        return None
    seconds = (points[-1].at - points[0].at + interval).total_seconds()
    errors = sum((point.baseline or 0.0) * point.baseline_total for point in points)
    return requests / seconds, min(max(errors / baseline, LEAST_BASE), 0.99)


def _at_step(rule: ErrorRateRule, number: int, step: Step, policy: Policy, traffic: Traffic) -> DetectionStep:
    share = segment_of(
        number, len(policy.strategy.steps), concurrent=True, bake_over=True, min_requests=1
    ).share
    times = tuple(
        _time(rule, traffic, more, rule.alpha * share) for more in MORE_ERRORS if traffic.base + more < 1
    )
    return DetectionStep(number + 1, step.weight, step.bake.total_seconds(), times)


def _time(rule: ErrorRateRule, traffic: Traffic, more: float, alpha: float) -> DetectionTime:
    rate = traffic.base + more
    if rate <= rule.limit:
        return DetectionTime(more, None, None, within_limit=True)
    limit = min(max(rule.limit, LEAST_BASE), 0.99)
    found = power(traffic, rate, limit=limit, alpha=alpha, interval=rule.interval)
    half, most = (None if one is None else one.total_seconds() for one in (found.half, found.most))
    return DetectionTime(more, half, most, within_limit=False)
