"""What a rollout learns from the hour before it, and what its rules are judged with until it has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sentinel.domain.policy.rules import Arms, CountQuery, ErrorRateRule, HistogramQuery, LatencyRule, Method
from sentinel.domain.record.record import Record
from sentinel.domain.verdict import VerdictKind
from sentinel.domain.workload.facts import Abilities
from sentinel.engine.evidence.assessment import assess
from sentinel.engine.evidence.history import (
    CALIBRATION,
    MOST_PODS,
    calibration_in,
    candidate_pods,
    past_of,
    remembered,
)
from sentinel.engine.evidence.schedule import SourceTiming
from sentinel.engine.statistics.calibration import Calibration
from tests.engine.builders import CANARY, PLAIN, in_state, rollout
from tests.engine.evidence.test_assessment import counted, holds, rollout_of
from tests.engine.snapshots import OLD, at, pod

ERRORS = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)
LEARNT = Calibration(3.0, 1.5, 240)


def with_pods(count: int) -> object:
    """A workload with so many stable pods."""
    return rollout(1, count + 1, pods=tuple(pod(f"old-{n:03}", OLD) for n in range(count)))


def test_the_hour_before_ends_where_the_first_tick_begins() -> None:
    """It is cut to whole ticks, and is the same whenever it is asked for."""
    first, later = (
        past_of(ERRORS, in_state(), with_pods(3), SourceTiming(), at(seconds)) for seconds in (1, 100)
    )
    assert first == later
    assert first is not None
    assert (first.since, first.until, first.step) == (at(-3600), at(0), timedelta(seconds=15))
    assert first.pods == ("old-000", "old-001", "old-002")


def test_minutes_that_have_not_settled_are_not_asked_for() -> None:
    """A source that settles late is asked up to what has settled."""
    timing = SourceTiming(timedelta(seconds=60), timedelta(seconds=90))
    past = past_of(ERRORS, in_state(), with_pods(3), timing, at(5))
    assert past is not None
    assert (past.since, past.until) == (at(-3720), at(-120))


def test_many_pods_are_asked_about_by_an_even_choice() -> None:
    """The question stays small, however large the workload is."""
    past = past_of(ERRORS, in_state(), with_pods(200), SourceTiming(), at(1))
    assert past is not None
    assert len(past.pods) == MOST_PODS
    assert past.pods[-1] == "old-196"


def test_latency_is_asked_over_its_limit() -> None:
    """Slow requests are the errors of a latency rule."""
    rule = LatencyRule("latency", HistogramQuery("prometheus", "h"), 0.5, 0.99)
    past = past_of(rule, in_state(), with_pods(3), SourceTiming(), at(1))
    assert past is not None
    assert past.over == 0.5


@pytest.mark.parametrize(
    "rule",
    [
        replace(ERRORS, method=Method.THRESHOLD),
        replace(ERRORS, query=CountQuery("prometheus", "t", "e", Arms(version_label="version"))),
    ],
)
def test_rules_that_compare_no_pods_ask_nothing(rule: ErrorRateRule) -> None:
    """A threshold needs no φ, and arms by version have no pods to compare."""
    assert past_of(rule, in_state(), with_pods(3), SourceTiming(), at(1)) is None


def test_one_pod_has_nothing_to_be_compared_with() -> None:
    """With fewer than two stable pods nothing is asked."""
    assert past_of(ERRORS, in_state(), with_pods(1), SourceTiming(), at(1)) is None


@pytest.mark.parametrize(("policy", "baseline", "size"), [(CANARY, 10, 1), (PLAIN, 10, 1), (CANARY, 3, 1)])
def test_placebos_are_as_large_as_the_first_step(policy: object, baseline: int, size: int) -> None:
    """A tenth of ten pods is one; never so many that there is no other group."""
    assert candidate_pods(policy, rollout(0, 10), baseline) == size


def test_a_first_step_of_half_the_pods_has_large_placebos() -> None:
    """Half of twenty pods is ten, but of the ten that are left only five make two groups."""
    half = replace(CANARY, strategy=replace(CANARY.strategy, steps=CANARY.strategy.steps[1:]))
    assert candidate_pods(half, rollout(0, 20), 20) == 10
    assert candidate_pods(half, rollout(0, 20), 10) == 5


@pytest.mark.parametrize(
    ("surge", "unavailable", "desired", "baseline", "size"),
    [(2, 3, 20, 20, 5), (0, 4, 20, 20, 4), (25, 0, 10, 40, 10), (2, 3, 20, 6, 3), (1, 0, 2, 1, 1)],
    ids=["surge and unavailable", "unavailable alone", "all at once", "half the baseline", "one"],
)
def test_without_steps_placebos_are_as_large_as_the_first_batch(
    surge: int, unavailable: int, desired: int, baseline: int, size: int
) -> None:
    """A rolling update begins with maxSurge and maxUnavailable pods together, at most all that are wanted."""
    world = rollout(0, desired, abilities=Abilities(first_batch=surge + unavailable))
    assert candidate_pods(PLAIN, world, baseline) == size


def past_record(name: str, **calibration: object) -> Record:
    """An earlier rollout that learnt this."""
    analysis = {"errors": {CALIBRATION: calibration}} if calibration else {"errors": {}}
    return replace(in_state(analysis=analysis), name=name)


def test_the_newest_record_with_a_long_history_is_remembered() -> None:
    """Not the rollout's own, none that learnt nothing, and none from a short history."""
    own, short = past_record("own", **LEARNT.as_json()), past_record("s", **Calibration(9, 9, 3).as_json())
    good = past_record("good", **LEARNT.as_json())
    records = (own, past_record("nothing"), short, good)
    assert remembered("errors", own, records) == LEARNT
    assert remembered("errors", own, records[:3]) is None


def test_until_something_is_known_the_default_is_used() -> None:
    """φ is 2, and nothing is kept that would stop the rollout from learning."""
    found = assess(rollout_of(ERRORS), (counted(10),), holds)
    assert found.verdicts[0].numbers["phi"] == 2
    assert calibration_in(found.analysis["errors"]) is None


def test_what_is_learnt_is_kept_beside_the_evidence() -> None:
    """It stands in the rule's state, where a restart finds it, and in the verdict's numbers."""
    learnt = assess(rollout_of(ERRORS, learnt={"errors": LEARNT}), (counted(10),), holds)
    assert learnt.verdicts[0].numbers["phi"] == 3
    again = assess(rollout_of(ERRORS, analysis=learnt.analysis), (counted(10, 105),), holds)
    assert again.verdicts[0].numbers["phi"] == 3
    assert calibration_in(again.analysis["errors"]) == LEARNT


def test_what_was_learnt_first_stays() -> None:
    """Another answer within the rollout changes nothing."""
    analysis = {"errors": {CALIBRATION: LEARNT.as_json()}}
    other = {"errors": Calibration(9.0, 0.0, 240)}
    found = assess(rollout_of(ERRORS, analysis=analysis, learnt=other), (counted(10),), holds)
    assert found.verdicts[0].numbers["phi"] == 3


def test_a_calibration_that_comes_late_keeps_the_evidence() -> None:
    """The ticks before it count as they were bet on, those after it by the new φ."""
    before = assess(rollout_of(ERRORS), (counted(60, 30),), holds)
    log_e = before.verdicts[0].numbers["log_e_ratio"]
    after = assess(rollout_of(ERRORS, analysis=before.analysis, learnt={"errors": LEARNT}), (), holds)
    assert after.verdicts[0].numbers["log_e_ratio"] == log_e
    assert after.verdicts[0].numbers["candidate_errors"] == 60


def test_the_last_rollout_is_used_until_the_answer_is_there() -> None:
    """It is used, not kept: the rollout goes on to learn for itself."""
    found = assess(rollout_of(ERRORS, remembered={"errors": LEARNT}), (counted(10),), holds)
    assert found.verdicts[0].numbers["phi"] == 3
    assert calibration_in(found.analysis["errors"]) is None


def test_a_short_history_does_not_outweigh_what_is_remembered() -> None:
    """Five windows say less than the whole hour before the last rollout."""
    short = {"errors": Calibration(1.0, 0.0, 5)}
    found = assess(rollout_of(ERRORS, learnt=short, remembered={"errors": LEARNT}), (counted(10),), holds)
    assert calibration_in(found.analysis["errors"]) == LEARNT


def test_placebos_that_would_have_been_undone_hold_back_an_undo() -> None:
    """Evidence that would undo in ordinary traffic does not where innocent pods showed as much."""
    wild = {"errors": Calibration(2.0, 40.0, 240)}
    plain, held_back = (
        assess(rollout_of(ERRORS, learnt=learnt), (counted(90, 30),), holds).verdicts[0]
        for learnt in ({}, wild)
    )
    assert plain.kind is VerdictKind.FAIL
    assert held_back.kind is VerdictKind.PENDING
