"""What a tick adds to the course of a rule's evidence."""

from __future__ import annotations

from datetime import timedelta

from sentinel.domain.evidence import Counts, CountTick, Missing, MissingReason, ValueSample
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, Method, QueryRule, ValueQuery
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.charting import charted
from sentinel.engine.rules.segment import Segment
from tests.engine.snapshots import at
from tests.support.states import state_of

RULE = ErrorRateRule("error-rate", CountQuery("prometheus", "t", "e"), 0.05)
STATE = state_of(Phase.BAKING, weight=0.1)
SEGMENT = Segment("0:both", 0.25, concurrent=True)
NUMBERS = {"log_e_ratio": 1.5, "log_e_limit": 2.5}


def verdict(*, alone: bool = False) -> RuleVerdict:
    """A rule's verdict with its evidence."""
    return RuleVerdict("error-rate", VerdictKind.PENDING, "Baking", "", NUMBERS, alone=alone)


def tick(canary: Counts, baseline: Counts | None) -> CountTick:
    """What both arms counted in 15 seconds."""
    return CountTick(at(0), at(15), canary, baseline, {})


def test_a_point_has_both_arms_the_evidence_that_counts_and_the_weight() -> None:
    """The smaller of both proofs; what proves a fault is the level of the segment."""
    course = charted(None, RULE, tick(Counts(200, 4), Counts(1800, 18)), verdict(), STATE, SEGMENT)

    assert course is not None
    (point,) = course.read()
    assert (course.unit, course.limit, course.needed) == ("share", 0.05, 5.991)  # ln 400
    assert (point.at, point.canary, point.baseline) == (at(15), 0.02, 0.01)
    assert (point.canary_total, point.baseline_total) == (200, 1800)
    assert (point.evidence, point.weight) == (1.5, 0.1)


def test_alone_the_proof_against_the_limit_counts() -> None:
    """There is nothing to compare with."""
    course = charted(None, RULE, tick(Counts(200, 4), None), verdict(alone=True), STATE, SEGMENT)
    assert course is not None
    assert [(point.baseline, point.evidence) for point in course.read()] == [(None, 2.5)]


def test_a_tick_that_measured_nothing_adds_nothing() -> None:
    """Without requests in either arm, and without a tick."""
    assert charted(None, RULE, tick(Counts(), Counts()), verdict(), STATE, SEGMENT) is None
    assert charted(None, RULE, None, verdict(), STATE, SEGMENT) is None


def test_a_threshold_proves_nothing() -> None:
    """It has a limit and no evidence to reach."""
    rule = ErrorRateRule("error-rate", RULE.query, 0.05, method=Method.THRESHOLD, hold=timedelta(minutes=1))
    course = charted(None, rule, tick(Counts(200, 4), None), verdict(), STATE, SEGMENT)
    assert course is not None
    assert (course.limit, course.needed) == (0.05, None)


def test_of_a_free_query_a_single_number_is_drawn() -> None:
    """A list is not a line, and a missing answer is a gap."""
    rule = QueryRule("depth", ValueQuery("prometheus", "up"), success="value < 5.0")
    missing = Missing(MissingReason.NO_DATA, "prometheus")
    course = charted(None, rule, ValueSample(at(30), (3.0,)), verdict(), STATE, SEGMENT)
    for nothing in (ValueSample(at(60), (1.0, 2.0)), ValueSample(at(90), missing=missing)):
        course = charted(course, rule, nothing, verdict(), STATE, SEGMENT)

    assert course is not None
    assert course.unit == "value"
    assert [(point.at, point.canary) for point in course.read()] == [(at(30), 3.0)]
