"""Harmless ticks of a healthy rollout: judged together they come to what they would have one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.evidence import CountTick, HistogramTick
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, Method
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.state import Hold, Phase
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.assessment import Assessment, assess
from sentinel.engine.evidence.calm import calm, harmless
from sentinel.engine.evidence.judged import JudgedRollout
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.rules.segment import segment_of
from sentinel.engine.rules.standing import BAKING
from tests.engine.builders import PLAIN, state
from tests.engine.evidence.test_kept_states import ERRORS, LATENCY, TICK, first_tick
from tests.engine.evidence.test_kept_states import ticks_of as ticks_of_young_pods
from tests.engine.snapshots import at

QUICK = (30, 10, 0, 0)
few = st.tuples(st.integers(0, 200), st.sampled_from((0, 0, 0, 1, 3, 40)))
quick = st.sampled_from((QUICK, QUICK, (30, 0, 2, 0), (0, 0, 20, 3), (0, 0, 0, 0)))
moments = st.tuples(few, few, quick, quick, st.sampled_from((False,) * 9 + (True,)), st.just(0))
"""Ticks of which most are within both limits."""
POLICY = replace(PLAIN, rules=(ERRORS, LATENCY))


def ticks_of(number: int, moment: Any) -> tuple[Measured, Measured]:
    """The same ticks, with an arm that has all that its warm young pods did, and as much of others."""
    counted, timed = ticks_of_young_pods(number, moment)
    assert isinstance(counted.tick, CountTick)
    assert isinstance(timed.tick, HistogramTick)
    warm = [start for start in timed.tick.starts if not start.cold]
    counts = sum([counted.tick.candidate] * len(warm), counted.tick.candidate)
    slow = sum([start.seen for start in warm], timed.tick.candidate)
    return (
        replace(counted, tick=replace(counted.tick, candidate=counts)),
        replace(timed, tick=replace(timed.tick, candidate=slow)),
    )


def judged(rollout: JudgedRollout, ticks: list[Measured], number: int) -> tuple[JudgedRollout, Assessment]:
    """The rollout after these were judged at the end of the tick of this number, and what they came to."""
    found = assess(replace(rollout, now=at(0) + (number + 1) * TICK), ticks, lambda *_: False)
    kept = replace(rollout.state, analysis=found.analysis, course=found.course)
    return replace(rollout, state=kept), found


def wait(rollout: JudgedRollout, verdicts: tuple[RuleVerdict, ...], ticks: tuple[Measured, ...]) -> bool:
    """Whether these ticks of both rules may be judged with later ones."""
    rules = calm(rollout.policy, replace(rollout.state, progress=BAKES.progress), verdicts, baking=True)
    return all(
        rule.name in rules and harmless(rule, one.tick)
        for rule, one in zip((ERRORS, LATENCY), ticks, strict=True)
    )


@settings(max_examples=150)
@given(st.lists(moments, max_size=24), st.booleans(), st.integers(0, 24))
def test_harmless_ticks_may_be_judged_together(moments: list[Any], profiled: bool, changes: int) -> None:
    """States, verdicts and charts are equal to the last bit, also where the arms change before they are judged."""
    first = replace(first_tick(profiled=profiled), policy=POLICY)
    one_by_one, together = first, first
    waiting: list[Measured] = []
    verdicts: tuple[RuleVerdict, ...] = ()
    for number, moment in enumerate(moments):
        segment = segment_of(int(number >= changes), 2, concurrent=number < changes, min_requests=100)
        one_by_one, together = (replace(each, segment=segment) for each in (one_by_one, together))
        ticks = ticks_of(number, moment)
        one_by_one, alone = judged(one_by_one, list(ticks), number)
        if number + 1 < len(moments) and number != changes and wait(together, verdicts, ticks):
            waiting += [replace(one, waited=True) for one in ticks]
            assert all(each.kind is VerdictKind.PENDING for each in alone.verdicts), (
                "a tick that proves waits"
            )
            continue
        together, late = judged(together, [*waiting, *ticks], number)
        waiting, verdicts = [], late.verdicts
        assert late.verdicts == alone.verdicts
        assert json.dumps(late.analysis) == json.dumps(alone.analysis)
        assert late.course == alone.course


@given(st.lists(moments, min_size=1, max_size=12))
def test_what_waited_is_judged_where_all_pods_are_gone(moments: list[Any]) -> None:
    """It was measured while there were some."""
    first = replace(first_tick(profiled=True), policy=POLICY)
    one_by_one, waiting = first, []
    for number, moment in enumerate(moments):
        ticks = ticks_of(number, moment)
        one_by_one, _ = judged(one_by_one, list(ticks), number)
        waiting += [replace(one, waited=True) for one in ticks]
    nobody = replace(first.workload, exposure=replace(first.workload.exposure, wanted=0))
    _, late = judged(replace(first, workload=nobody), waiting, len(moments))
    assert json.dumps(late.analysis) == json.dumps(one_by_one.state.analysis)
    assert late.course == one_by_one.state.course


def baking(rule: str = "errors", **numbers: float) -> RuleVerdict:
    """A verdict of a rule that waits for the end of the bake."""
    return RuleVerdict(rule, VerdictKind.PENDING, BAKING, "so far so good", {"log_e_limit": -1.0, **numbers})


BAKES = replace(state(Phase.BAKING), progress=replace(state(Phase.BAKING).progress, reached_at=at(0)))
HELD = Hold(HoldReason.ENVIRONMENT_OUTAGE, at(0), "the baseline is over the limit, too")


@pytest.mark.parametrize(
    ("verdict", "hold", "rule"),
    [
        pytest.param(baking(log_e_limit=0.1), None, ERRORS, id="something speaks against the limit"),
        pytest.param(replace(baking(), reason="NotProven"), None, ERRORS, id="the bake is over"),
        pytest.param(replace(baking(), kind=VerdictKind.INCONCLUSIVE), None, ERRORS, id="no evidence"),
        pytest.param(baking(), HELD, ERRORS, id="held"),
        pytest.param(baking(), None, replace(ERRORS, method=Method.THRESHOLD), id="a plain threshold"),
    ],
)
def test_a_rule_is_not_calm_while(verdict: RuleVerdict, hold: Hold | None, rule: ErrorRateRule) -> None:
    """Then each tick may change what is done, or what is said."""
    policy = replace(PLAIN, rules=(rule,))
    assert calm(replace(PLAIN, rules=(ERRORS,)), BAKES, (baking(),), baking=True) == {"errors"}
    assert not calm(policy, replace(BAKES, hold=hold), (verdict,), baking=True)


def test_no_rule_is_calm_but_while_its_step_bakes() -> None:
    """Any tick may show that the weight is reached; after the end of the bake the next one may let the step pass."""
    assert not calm(POLICY, BAKES, (baking(),), baking=False)


def test_no_rule_is_calm_where_a_good_candidate_is_promoted_early() -> None:
    """Each tick may prove that it is good."""
    early = replace(POLICY, strategy=replace(POLICY.strategy, promote_early=True))
    assert not calm(early, BAKES, (baking(),), baking=True)


SLOW = LatencyRule("latency", LATENCY.query, 1.0, quantile=0.9)


@pytest.mark.parametrize(
    ("rule", "ours", "within"),
    [
        (LATENCY, (30, 0, 0, 0), True),
        (LATENCY, (0, 10, 20, 0), False),
        (SLOW, (95, 0, 5, 0), True),
        (SLOW, (80, 0, 20, 0), False),
    ],
)
def test_latencies_are_harmless_within_the_limit(rule: LatencyRule, ours: Any, within: bool) -> None:
    """By their mean, or by the share of requests over it."""
    _, timed = ticks_of(30, ((90, 0), (90, 0), ours, QUICK, False, 0))
    assert harmless(rule, timed.tick) is within


def test_one_bad_young_pod_among_many_good_requests_is_not_harmless() -> None:
    """Its start is judged apart from the others."""
    good, _ = ticks_of(8, ((200, 1), (90, 0), QUICK, QUICK, False, 0))
    bad, _ = ticks_of(8, ((200, 40), (90, 0), QUICK, QUICK, False, 0))
    assert isinstance(good.tick, CountTick)
    assert isinstance(bad.tick, CountTick)
    assert harmless(ERRORS, good.tick)
    crowd = replace(bad.tick, candidate=replace(bad.tick.candidate, total=100_000))
    assert not harmless(ERRORS, crowd)
