"""The states of rules between ticks: a process that kept them goes on as one that read them from the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.evidence import (
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    Missing,
    MissingReason,
    PodStart,
    Tick,
    as_histogram,
)
from sentinel.domain.policy.rules import CountQuery, CrashLoopRule, ErrorRateRule, HistogramQuery, LatencyRule
from sentinel.domain.record.state import Phase
from sentinel.domain.record.written import Written
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.evidence.assessment import Assessment, assess
from sentinel.engine.evidence.judged import JudgedRollout
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.evidence.schedule import stands_still
from sentinel.engine.evidence.starting import STABLE_START, START
from sentinel.engine.rules.segment import segment_of
from sentinel.engine.statistics.calibration import Calibration
from tests.engine.builders import PLAIN, rollout, state
from tests.engine.snapshots import NEW, OLD, at, pod
from tests.engine.statistics.test_starts import profile_of

ERRORS = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)
LATENCY = LatencyRule("latency", HistogramQuery("prometheus", "h"), 1.0)
BOUNDS = (0.5, 1.0, 2.5, float("inf"))
TICK = timedelta(seconds=5)
GONE = (Missing(MissingReason.NO_DATA, "candidate"),)

arms = st.tuples(st.integers(0, 60), st.integers(0, 60))
buckets = st.tuples(*[st.integers(0, 30)] * len(BOUNDS))
moments = st.tuples(arms, arms, buckets, buckets, st.booleans(), st.integers(0, 2))
"""A tick: good requests and errors of each arm, latencies of each arm, whether they are missing, the step."""


NOBODY = ((0, 0), (0, 0), (0,) * len(BOUNDS), (0,) * len(BOUNDS), False, 0)


def ticks_of(number: int, moment: Any) -> tuple[Measured, ...]:
    """What both rules measured in the tick of this number."""
    (good, bad), (stable_good, stable_bad), ours, theirs, lost, _ = moment
    since, until = at(0) + number * TICK, at(0) + (number + 1) * TICK
    counts = Counts(0, 0) if lost else Counts(good + bad, bad)
    missing = GONE if lost else ()
    young = 5.0 * number
    starts = tuple(
        [PodStart(f"new-{n}", young, young + 5, as_histogram(counts), young < 30) for n in range(3)]
    )
    slow = Histogram() if lost else Histogram(BOUNDS, ours)
    slow_starts = tuple([PodStart(f"new-{n}", young, young + 5, slow, young < 30) for n in range(3)])
    counted = CountTick(
        since, until, counts, Counts(stable_good + stable_bad, stable_bad), {}, missing, starts=starts
    )
    timed = HistogramTick(since, until, slow, Histogram(BOUNDS, theirs), missing, slow_starts)
    return Measured("errors", until, counted), Measured("latency", until, timed)


def first_tick(*, profiled: bool) -> JudgedRollout:
    """A rollout of three young pods beside the stable's, before anything is measured."""
    made = JudgedRollout(
        replace(PLAIN, rules=(ERRORS, LATENCY, CrashLoopRule("crash-loop"))),
        rollout(3, pods=(*(pod(f"new-{n}", NEW) for n in range(3)), pod("old-0", OLD))),
        OLD,
        state(Phase.BAKING),
        segment_of(0, 2, concurrent=True, min_requests=100),
        True,
        at(0),
        at(0),
        learnt={"errors": Calibration(1.5, 0.2, 40)},
    )
    return replace(made, started={"errors": profile_of(2, pods=7)}) if profiled else made


def played(rollout: JudgedRollout, moments: Sequence[Any], *, restarts: bool) -> list[Assessment]:
    """What each tick comes to; with `restarts` each is judged by a process that has the record alone."""
    found = []
    for number, moment in enumerate(moments):
        segment = segment_of(moment[-1], 2, concurrent=True, min_requests=100)
        rollout = replace(rollout, segment=segment, now=at(0) + (number + 1) * TICK)
        judged = assess(rollout, ticks_of(number, moment), lambda *_: False)
        found.append(judged)
        analysis = json.loads(json.dumps(judged.analysis)) if restarts else judged.analysis
        kept = replace(
            rollout.state,
            analysis=analysis,
            measured_until=judged.measured_until,
            course=judged.course,
        )
        rollout = replace(rollout, state=kept)
    return found


@settings(max_examples=40)
@given(st.lists(moments, max_size=12), st.booleans())
def test_a_state_kept_in_memory_is_judged_as_one_read_from_the_record(
    moments: list[Any], profiled: bool
) -> None:
    """Verdicts and states are equal to the last bit after every tick, whatever came and whatever step it was in."""
    kept = played(first_tick(profiled=profiled), moments, restarts=False)
    read = played(first_tick(profiled=profiled), moments, restarts=True)
    assert [each.verdicts for each in kept] == [each.verdicts for each in read]
    assert json.dumps([each.analysis for each in kept]) == json.dumps([each.analysis for each in read])


@settings(max_examples=40)
@given(st.lists(st.one_of(moments, st.just(NOBODY)), max_size=16))
def test_ticks_without_requests_may_be_judged_together(moments: list[Any]) -> None:
    """Those that stand still change no verdict and leave the same states, whether judged one by one or later.

    As long as nothing is proven: that is acted on.
    """
    one_by_one, together = calm(), calm()
    waiting: list[Measured] = []
    before: dict[str, Tick] = {}
    for number, moment in enumerate(moments):
        ticks = ticks_of(number, (*moment[:-1], 0))
        still = all(stands_still(each.tick, before.get(each.rule)) for each in ticks)
        before = {each.rule: each.tick for each in ticks}
        waiting.extend(ticks)
        one_by_one, alone = step(one_by_one, ticks, number)
        if still and number + 1 < len(moments):
            continue
        together, late = step(together, waiting, number)
        waiting = []
        assert late.verdicts == alone.verdicts
        assert json.dumps(late.analysis) == json.dumps(alone.analysis)
        assert late.course == alone.course
        if any(verdict.kind is VerdictKind.FAIL for verdict in alone.verdicts):
            return


def calm() -> JudgedRollout:
    """A rollout that is judged by its metrics alone."""
    made = first_tick(profiled=True)
    return replace(made, policy=replace(made.policy, rules=(ERRORS, LATENCY)))


def step(rollout: JudgedRollout, ticks: Sequence[Measured], number: int) -> tuple[JudgedRollout, Assessment]:
    """The rollout after these were judged at the end of the tick of this number, and what they came to."""
    judged = assess(replace(rollout, now=at(0) + (number + 1) * TICK), ticks, lambda *_: False)
    kept = replace(rollout.state, analysis=judged.analysis, course=judged.course)
    return replace(rollout, state=kept), judged


def test_what_did_not_change_is_not_written_again() -> None:
    """The stable's start and what the hour before taught are the very JSON of the tick before."""
    calm = ((20, 0), (20, 0), (20, 0, 0, 0), (20, 0, 0, 0), False, 0)
    *_, before, after = played(first_tick(profiled=True), [calm] * 40, restarts=False)
    for key in (STABLE_START, START, "calibration"):
        assert isinstance(after.analysis["errors"][key], Written)
        assert after.analysis["errors"][key] is before.analysis["errors"][key]
