"""All rules of a policy on one rollout: which speak, what evidence comes to, what missing evidence takes away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import (
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    Missing,
    MissingReason,
    Tick,
    ValueSample,
)
from sentinel.domain.policy.rules import (
    CountQuery,
    CrashLoopRule,
    ErrorRateRule,
    HealthRule,
    HistogramQuery,
    LatencyRule,
    Method,
    QueryRule,
    Rule,
    ValueQuery,
)
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.assessment import Assessment, assess
from sentinel.engine.evidence.judged import JudgedRollout, rules_in
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.rules.segment import segment_of
from tests.engine.builders import PLAIN, rollout, state
from tests.engine.snapshots import OLD, at, pod

ERRORS = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)
LATENCY = LatencyRule("latency", HistogramQuery("prometheus", "h"), 1.0)
DEPTH = QueryRule("depth", ValueQuery("prometheus", "q"), failure="value > 10")
CRASH = CrashLoopRule("crash-loop")
HEALTH = HealthRule("health")
INF = float("inf")
DOWN = Missing(MissingReason.SOURCE_UNREACHABLE, "prometheus", "no route")


def holds(_condition: str, values: tuple[float, ...], _scalar: bool) -> bool:
    """Evaluates `value > 10`."""
    return values[0] > 10


def judge(*rules: Rule, ticks: tuple[Measured, ...] = (), **changes: Any) -> Assessment:
    """Judge rules on a rollout whose bake is over, at 100 s."""
    return assess(rollout_of(*rules, **changes), ticks, holds)


def rollout_of(*rules: Rule, analysis: Any = None, **changes: Any) -> JudgedRollout:
    """A rollout with these rules whose bake is over, at 100 s."""
    pods = tuple(pod(f"new-{n}") for n in range(3))
    made = JudgedRollout(
        replace(PLAIN, rules=rules),
        rollout(3, pods=pods),
        OLD,
        state(Phase.BAKING),
        segment_of(0, 0, concurrent=True, min_requests=100),
        True,
        at(0),
        at(100),
        bake_ends=at(60),
    )
    if analysis is not None:
        made = replace(made, state=replace(made.state, analysis=analysis))
    return replace(made, **changes)


def only(found: Assessment) -> RuleVerdict:
    """The one verdict."""
    (verdict,) = found.verdicts
    return verdict


def counted(bad: int, until: float = 90, *, stable_bad: int = 0, total: int = 1000) -> Measured:
    """A tick of the error rate rule."""
    tick = CountTick(at(until - 15), at(until), Counts(total, bad), Counts(total, stable_bad), {})
    return Measured("errors", at(until), tick)


def measured(rule: Rule, tick: Tick) -> Measured:
    """A tick of a rule, up to 90 s."""
    return Measured(rule.name, at(90), tick)


@pytest.mark.parametrize(
    ("ends", "until", "kind"),
    [
        pytest.param(89.5, 75, VerdictKind.PENDING, id="a whole tick comes a moment after the end"),
        pytest.param(90.0, 75, VerdictKind.PENDING, id="a whole tick ends with the bake"),
        pytest.param(91.0, 75, VerdictKind.PENDING, id="a whole tick that ended before it is under way"),
        pytest.param(91.0, 90, VerdictKind.PASS, id="it came"),
        pytest.param(88.5, 75, VerdictKind.PASS, id="the next tick is farther away"),
        pytest.param(100.0, 85.5, VerdictKind.PASS, id="the tick after one that ended with a bake is longer"),
    ],
)
@pytest.mark.parametrize(
    "rule", [ERRORS, replace(ERRORS, method=Method.THRESHOLD)], ids=lambda rule: rule.method
)
def test_no_step_passes_while_a_tick_of_its_bake_is_about_to_come(
    rule: ErrorRateRule, ends: float, until: float, kind: VerdictKind
) -> None:
    """What a rule asks about at the end of a bake, or a moment after it, is waited for: it may show a fault."""
    begun = rollout_of(rule, bake_ends=at(ends))
    before = assess(begun, (counted(0, until),), holds)
    standing = replace(begun.state, analysis=before.analysis, measured_until=before.measured_until)
    assert only(assess(replace(begun, state=standing), (), holds)).kind is kind


@pytest.mark.parametrize(
    ("promotes", "bad", "can", "kind"),
    [
        pytest.param(True, 0, True, VerdictKind.PENDING, id="a promotion"),
        pytest.param(False, 40, True, VerdictKind.PENDING, id="the newest tick was bad"),
        pytest.param(False, 0, True, VerdictKind.PASS, id="an earlier step of a good candidate"),
        pytest.param(True, 40, False, VerdictKind.PASS, id="nothing was scraped since"),
    ],
)
def test_what_is_final_or_doubtful_is_measured_up_to_the_end_of_the_bake(
    promotes: bool, bad: int, can: bool, kind: VerdictKind
) -> None:
    """Nothing but crashes and alerts undoes after a promotion, and errors that have just begun go on."""
    begun = rollout_of(ERRORS, bake_ends=at(100), promotes=promotes, ends_with=lambda *_: can)
    before = assess(begun, (counted(bad, 85.5),), holds)
    standing = replace(begun.state, analysis=before.analysis, measured_until=before.measured_until)
    waiting = replace(begun, state=standing)
    assert only(assess(waiting, (), holds)).kind is kind
    assert only(assess(waiting, (counted(0, 100),), holds)).kind is VerdictKind.PASS


def test_each_rule_speaks_in_its_order() -> None:
    """One verdict for each, by name."""
    found = judge(CRASH, HEALTH, ERRORS, LATENCY, DEPTH)
    assert [verdict.rule for verdict in found.verdicts] == [
        "crash-loop",
        "health",
        "errors",
        "latency",
        "depth",
    ]


def test_pods_are_judged_by_the_pod_rules() -> None:
    """Ready pods pass, without any metric."""
    assert [v.kind for v in judge(CRASH, HEALTH).verdicts] == [VerdictKind.PASS, VerdictKind.PASS]


def test_good_evidence_passes_and_is_dated() -> None:
    """Enough requests under the limit, up to when they were counted."""
    found = judge(ERRORS, ticks=(counted(1),))
    assert only(found).kind is VerdictKind.PASS
    assert found.measured_until == {"errors": at(90)}


@pytest.mark.parametrize(
    ("settle", "kind"), [(timedelta(0), VerdictKind.PENDING), (timedelta(minutes=2), VerdictKind.PASS)]
)
def test_what_a_source_brings_late_is_not_stale(settle: timedelta, kind: VerdictKind) -> None:
    """Evidence that is as new as its source ever has it lets a rule pass."""
    late = judge(ERRORS, ticks=(counted(1),), now=at(220), settles={"errors": settle})
    assert only(late).kind is kind


def test_bad_evidence_fails() -> None:
    """Over the limit and worse than the baseline."""
    assert only(judge(ERRORS, ticks=(counted(400),))).kind is VerdictKind.FAIL


def test_slow_answers_fail() -> None:
    """The latency rule takes histograms."""
    slow, fast = Histogram((1.0, 5.0, INF), (0, 900, 100)), Histogram((1.0, 5.0, INF), (1000, 0, 0))
    tick = HistogramTick(at(75), at(90), slow, fast)
    assert only(judge(LATENCY, ticks=(measured(LATENCY, tick),))).kind is VerdictKind.FAIL


@pytest.mark.parametrize(("value", "kind"), [(11.0, VerdictKind.FAIL), (9.0, VerdictKind.PASS)])
def test_a_query_is_judged_by_its_condition(value: float, kind: VerdictKind) -> None:
    """The query rule takes values."""
    sample = ValueSample(at(90), (value,), scalar=True)
    assert only(judge(DEPTH, ticks=(measured(DEPTH, sample),))).kind is kind


def test_several_measurements_are_taken_in_in_order() -> None:
    """As one after the other would have been: the state adds up."""
    first = judge(ERRORS, ticks=(counted(1, 75),))
    second = judge(
        ERRORS, ticks=(counted(1, 90),), state=replace(state(Phase.BAKING), analysis=first.analysis)
    )
    both = judge(ERRORS, ticks=(counted(1, 75), counted(1, 90)))
    assert both.analysis == second.analysis
    assert both.measured_until == {"errors": at(90)}


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_what_comes_at_once_proves_what_it_would_have_by_and_by(errors: list[int]) -> None:
    """A fault that one tick proves is not taken back by better ones that a late source brings with it."""
    ticks = [counted(each, 15 * (n + 1)) for n, each in enumerate(errors)]
    analysis: Mapping[str, Any] = {}
    one_by_one = []
    for tick in ticks:
        found = judge(ERRORS, ticks=(tick,), state=replace(state(Phase.BAKING), analysis=analysis))
        analysis = found.analysis
        one_by_one.append(only(found))
    together = judge(ERRORS, ticks=tuple(ticks))
    first = next((one for one in one_by_one if one.kind is VerdictKind.FAIL), one_by_one[-1])
    assert only(together) == first
    assert together.analysis == analysis


def test_without_new_evidence_the_verdict_stands() -> None:
    """A pass for another reason than a measurement changes nothing."""
    first = judge(ERRORS, ticks=(counted(400),))
    again = judge(ERRORS, state=replace(state(Phase.BAKING), analysis=first.analysis))
    assert only(again).kind is VerdictKind.FAIL
    assert again.analysis == first.analysis


def test_no_evidence_at_all_is_no_pass() -> None:
    """However long the bake was."""
    assert all(v.kind is not VerdictKind.PASS for v in judge(ERRORS, LATENCY, DEPTH).verdicts)


def test_a_source_that_is_down_takes_a_pass_away() -> None:
    """Good evidence from before does not stand in for the newest."""
    verdict = only(judge(ERRORS, ticks=(counted(1),), unmeasured={"errors": DOWN}))
    assert (verdict.kind, verdict.reason) == (VerdictKind.INCONCLUSIVE, "SourceUnreachable")
    assert verdict.message == "no evidence: SourceUnreachable for prometheus: no route"


def test_a_source_that_is_down_takes_no_fail_away() -> None:
    """What is proven stays proven."""
    verdict = only(judge(ERRORS, ticks=(counted(400),), unmeasured={"errors": DOWN}))
    assert verdict.kind is VerdictKind.FAIL


def test_a_source_that_is_down_ends_no_outage() -> None:
    """Both arms bad stays so until evidence says otherwise."""
    verdict = only(judge(ERRORS, ticks=(counted(400, stable_bad=400),), unmeasured={"errors": DOWN}))
    assert verdict.everywhere


def test_one_rules_source_is_no_other_rules() -> None:
    """Each rule stands on its own evidence."""
    found = judge(ERRORS, CRASH, ticks=(counted(1),), unmeasured={"latency": DOWN})
    assert [v.kind for v in found.verdicts] == [VerdictKind.PASS, VerdictKind.PASS]


@pytest.mark.parametrize(("restarts", "counted"), [(None, True), (10, False)])
def test_first_crashes_are_not_counted_where_restarts_are_allowed(
    restarts: int | None, counted: bool
) -> None:
    """A rule that allows ten restarts has no test beside it that goes by the first."""
    found = judge(replace(CRASH, restarts=restarts))
    assert ("crash-loop" in found.analysis) is counted
    assert ("candidate_crashed" in only(found).numbers) is counted


def test_after_promotion_only_crashes_speak() -> None:
    """And nothing does during an undo."""
    policy = replace(PLAIN, rules=(ERRORS, CRASH, HEALTH))
    assert rules_in(policy, Phase.BAKING) == (ERRORS, CRASH, HEALTH)
    assert rules_in(policy, Phase.PROMOTED) == (CRASH,)
    assert rules_in(policy, Phase.UNDOING) == ()


def test_a_segment_changes_with_the_step_and_with_the_arms() -> None:
    """Each has its even share of α, over all that there can be."""
    names = {
        segment_of(step, 2, concurrent=both, min_requests=1).name
        for step in (0, 1, 2)
        for both in (True, False)
    }
    assert len(names) == 6
    assert segment_of(0, 2, concurrent=True, min_requests=1).share == 1 / 4


@pytest.mark.parametrize(("settles", "passes"), [(0, True), (30, True), (60, False), (180, False)])
def test_a_pass_needs_the_requests_of_the_whole_bake(settles: float, passes: bool) -> None:
    """A bake that ended at 60 s is not over at 100 s, for a source that only knows the requests up to 40 s."""
    tick = counted(0, 90 - settles)
    verdict = only(judge(ERRORS, ticks=(tick,), settles={ERRORS.name: timedelta(seconds=settles)}))
    assert verdict.kind is (VerdictKind.PASS if passes else VerdictKind.PENDING)


def test_a_fault_is_no_less_a_fault_before_the_bake_is_over() -> None:
    """What a late source proves is judged at once."""
    late = {ERRORS.name: timedelta(minutes=3)}
    assert only(judge(ERRORS, ticks=(counted(400, -90),), settles=late)).kind is VerdictKind.FAIL


def test_at_zero_replicas_nothing_is_judged() -> None:
    """A query that reads 0, or 100, then speaks of no candidate: no fail, no pass, and no count of it."""
    sample = Measured("depth", at(95), ValueSample(at(95), (100.0,)))
    found = judge(DEPTH, HEALTH, ERRORS, ticks=(sample,), workload=rollout(0, 0))
    assert {(v.kind, v.reason) for v in found.verdicts} == {(VerdictKind.PENDING, "ScaledToZero")}
    assert (found.analysis, found.measured_until) == ({}, {"depth": at(95)})
