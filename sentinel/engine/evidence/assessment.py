"""All rules of a policy on one rollout at one moment: new evidence in, verdicts and the tests' next states out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import cast

from sentinel.domain.evidence import CountTick, HistogramTick, Missing, Tick, ValueSample
from sentinel.domain.policy.rules import (
    CrashLoopRule,
    ErrorRateRule,
    HealthRule,
    LatencyRule,
    MetricRule,
    QueryRule,
    Rule,
)
from sentinel.domain.record.course import Course
from sentinel.domain.record.state import Json, Phase
from sentinel.domain.record.written import Written
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.charting import charted
from sentinel.engine.evidence.history import CALIBRATION, calibration_in, calibration_kept, learns, settled
from sentinel.engine.evidence.judged import JudgedRollout, in_their_segments, rules_in, waited_while_up
from sentinel.engine.evidence.measured import Measured, whole_until
from sentinel.engine.evidence.starting import STABLE_START, START, limit_of, start_in, starts_kept
from sentinel.engine.rules.crash_exposure import crash_tick
from sentinel.engine.rules.crashes import crashes_until, judge_crashes
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.rules.flagrant import FLAGRANT, condemned, flagrant_run
from sentinel.engine.rules.latency import judge_latency
from sentinel.engine.rules.pod_rules import judge_crash_loop, judge_health
from sentinel.engine.rules.query_rule import judge_query
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile, Starts
from sentinel.values import dataclass, replace

SCALED_TO_ZERO = "ScaledToZero"
Holds = Callable[[str, tuple[float, ...], bool], bool]


@dataclass(frozen=True, slots=True)
class Assessment:
    """Every rule's verdict, and the tests' states to go on from."""

    verdicts: tuple[RuleVerdict, ...]
    analysis: Mapping[str, Json]
    measured_until: Mapping[str, datetime]
    course: Mapping[str, Course] = field(default_factory=dict)


def assess(rollout: JudgedRollout, measured: Sequence[Measured], holds: Holds) -> Assessment:
    """Judge every rule that speaks in the rollout's phase.

    `holds` evaluates a query rule's condition. After promotion only crash loops speak; nothing does during an undo.
    At zero replicas nothing is judged: what is measured then, is not of the candidate.
    """
    analysis = dict(rollout.state.analysis)
    until = dict(rollout.state.measured_until)
    course = dict(rollout.state.course)
    if rollout.workload.exposure.wanted == 0:
        for metric, waited in waited_while_up(rollout, measured):
            analysis[metric.name], _, charts = _judge_metric(metric, rollout, waited, holds)
            course.update({metric.name: charts} if charts is not None else {})
        until.update(whole_until(measured))
        idle = tuple(_scaled_to_zero(rule) for rule in rules_in(rollout.policy, rollout.state.phase))
        return Assessment(idle, analysis, until, course)
    verdicts = []
    for rule in rules_in(rollout.policy, rollout.state.phase):
        if isinstance(rule, HealthRule):
            verdicts.append(_judge_health(rule, rollout))
            continue
        if isinstance(rule, CrashLoopRule):
            crashes, verdict = _judge_crashes(rule, rollout)
            analysis.update({rule.name: crashes} if crashes is not None else {})
            verdicts.append(verdict)
            continue
        state, verdict, charts = _judge_metric(
            rule, rollout, [m for m in measured if m.rule == rule.name], holds
        )
        analysis[rule.name] = state
        course.update({rule.name: charts} if charts is not None else {})
        verdicts.append(verdict)
    until.update(whole_until(measured))
    return Assessment(tuple(verdicts), analysis, until, course)


def _scaled_to_zero(rule: Rule) -> RuleVerdict:
    message = "scaled to zero: there is nothing to judge"
    return RuleVerdict(rule.name, VerdictKind.PENDING, SCALED_TO_ZERO, message)


def _judge_health(rule: HealthRule, rollout: JudgedRollout) -> RuleVerdict:
    workload, baseline = rollout.workload, rollout.baseline
    return judge_health(
        rule, workload, workload.candidate, baseline, rollout.now, ever_pulled=rollout.ever_pulled
    )


def _judge_crashes(rule: CrashLoopRule, rollout: JudgedRollout) -> tuple[Json | None, RuleVerdict]:
    """The gate for crash loops, and where it lets the candidate pass, crashes as counts beside it.

    A rule that names how many restarts a pod may have has nothing counted: that goes by the first crash of each.
    """
    workload, baseline = rollout.workload, rollout.baseline
    gate = judge_crash_loop(rule, workload, workload.candidate, baseline, rollout.now)
    state: Json | None = rollout.state.analysis.get(rule.name)
    if rule.restarts is not None:
        return state, gate
    if baseline is None or not rollout.segment.concurrent or rollout.state.phase is Phase.PROMOTED:
        return state, gate
    since = crashes_until(state) or rollout.began
    tick = crash_tick(workload, baseline, since, rollout.now, rollout.policy.strategy.warmup)
    state, counted = judge_crashes(rule.name, rule.alpha, state, tick, rollout.segment_at(rollout.now))
    if gate.kind is VerdictKind.PASS and counted.kind is not VerdictKind.PENDING:
        return state, counted
    return state, replace(gate, numbers={**counted.numbers, **gate.numbers})


def _judge_metric(
    rule: MetricRule, rollout: JudgedRollout, measured: Sequence[Measured], holds: Holds
) -> tuple[Json, RuleVerdict, Course | None]:
    """Take the ticks in, in order; the verdict is the last one's, or the standing one without any.

    A tick that proves a fault is the verdict, though later ones came with it: had they come by and by, it would have
    been. A look since the last tick is judged on top of them. If it proves a fault that is the verdict; nothing else of
    it is kept.
    """
    kept, used = _calibration(rule, rollout)
    before: Json | None = rollout.state.analysis.get(rule.name)
    state, starts = before, _starts(rule, before, rollout)
    run = _run(rule, before, starts)
    course = rollout.state.course.get(rule.name)
    proven: RuleVerdict | None = None
    for tick, then in in_their_segments(rollout, before, [one for one in measured if not one.look]):
        if isinstance(rule, ErrorRateRule) and isinstance(tick, CountTick) and run is not None:
            run = flagrant_run(rule, {FLAGRANT: run}, tick, rollout.workload)
        state, verdict = _step(rule, state, tick, then, holds, used, starts)
        course = charted(course, rule, tick, verdict, rollout.state, then.segment)
        if starts is not None and isinstance(tick, CountTick | HistogramTick):
            starts = starts.after(tick.starts)
        if run is not None:
            verdict = condemned(verdict, run, rollout.known_flagrant)
        proven = verdict if proven is None and verdict.kind is VerdictKind.FAIL else proven
    verdict = proven or verdict
    missing = rollout.unmeasured.get(rule.name)
    assert state is not None
    ahead = _newest_look(rule, rollout, measured)
    if ahead is not None:
        _, seen = _step(rule, state, ahead.tick, rollout, holds, used, starts)
        if seen.kind is VerdictKind.FAIL:
            verdict, course = seen, charted(course, rule, ahead.tick, seen, rollout.state, rollout.segment)
    more: dict[str, object] = {}
    if kept is not None:
        more[CALIBRATION] = calibration_kept(kept, before)
    if starts is not None:
        more |= starts_kept(starts, before)
    if run is not None and any(run):
        more[FLAGRANT] = run
    state = state.beside(more) if isinstance(state, Written) else {**state, **more}
    return state, _unmeasured(verdict, missing) if missing else verdict, course


def _newest_look(rule: MetricRule, rollout: JudgedRollout, measured: Sequence[Measured]) -> Measured | None:
    """The newest look; None where it begins before the newest whole tick ends: then the tick has it all."""
    since = whole_until(measured).get(rule.name, rollout.state.measured_until.get(rule.name))
    looks = [one for one in measured if one.look and not isinstance(one.tick, ValueSample)]
    newest = max(looks, key=lambda one: one.until, default=None)
    if newest is None or isinstance(newest.tick, ValueSample):
        return None
    return newest if newest.tick.since == since else None


def _run(rule: MetricRule, state: Json | None, starts: Starts | None) -> list[int] | None:
    """The run of flagrant ticks so far; None where the start is known, or the rule does not count errors."""
    if starts is None or starts.profile is not None or not isinstance(rule, ErrorRateRule):
        return None
    return cast(list[int], (state or {}).get(FLAGRANT, [0, 0, 0]))


def _starts(rule: MetricRule, state: Json | None, rollout: JudgedRollout) -> Starts | None:
    """How the pods started so far; None for a rule that does not compare starts."""
    if not learns(rule):
        return None
    assert not isinstance(rule, QueryRule), "a free query learns nothing"
    profile = start_in(state, STABLE_START) or rollout.started.get(rule.name)
    known = profile if profile is not None and not profile.thin else None
    return Starts(start_in(state, START) or StartProfile(limit_of(rule)), known)


def _calibration(rule: MetricRule, rollout: JudgedRollout) -> tuple[Calibration | None, Calibration]:
    """What a rule learnt and keeps, None as long as nothing is learnt; and what it is judged with now."""
    if not learns(rule):
        return None, Calibration()
    before, learnt = rollout.remembered.get(rule.name), rollout.learnt.get(rule.name)
    kept = calibration_in(rollout.state.analysis.get(rule.name))
    if kept is None and learnt is not None:
        kept = settled(learnt, before)
    return kept, kept or before or Calibration()


def _step(
    rule: MetricRule,
    state: Json | None,
    tick: Tick | None,
    rollout: JudgedRollout,
    holds: Holds,
    calibration: Calibration,
    starts: Starts | None,
) -> tuple[Json, RuleVerdict]:
    until, segment = rollout.known_until(rule, tick), rollout.segment_of(rule, tick)
    phi, placebo = calibration.dispersion, calibration.placebo
    if isinstance(rule, ErrorRateRule):
        assert tick is None or isinstance(tick, CountTick)
        return judge_error_rate(
            rule, state, tick, segment, until, dispersion=phi, placebo=placebo, starts=starts
        )
    if isinstance(rule, LatencyRule):
        assert tick is None or isinstance(tick, HistogramTick)
        return judge_latency(
            rule, state, tick, segment, until, dispersion=phi, placebo=placebo, starts=starts
        )
    assert isinstance(rule, QueryRule)
    assert tick is None or isinstance(tick, ValueSample)
    return judge_query(rule, state, tick, holds, segment, rollout.now)


def _unmeasured(verdict: RuleVerdict, missing: Missing) -> RuleVerdict:
    """A source that did not answer takes a pass away, but never a fail: what is proven stays proven.

    Nor does it end an outage: that is over when evidence says so.
    """
    if verdict.kind is VerdictKind.FAIL or verdict.everywhere:
        return verdict
    message = f"no evidence: {missing}"
    return RuleVerdict(verdict.rule, VerdictKind.INCONCLUSIVE, missing.reason.value, message, verdict.numbers)
