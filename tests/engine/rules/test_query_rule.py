"""Query rules count and conclude as Argo Rollouts does, except that errors hold and nothing unmeasured passes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import Missing, MissingReason, ValueSample
from sentinel.domain.policy.rules import QueryRule, ValueQuery
from sentinel.domain.record.state import Json
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.rules.query_rule import NEVER, judge_query, next_due
from sentinel.engine.rules.segment import Segment
from tests.engine.snapshots import at

FAIL, PASS = VerdictKind.FAIL, VerdictKind.PASS
PENDING, INCONCLUSIVE = VerdictKind.PENDING, VerdictKind.INCONCLUSIVE

BAKING = Segment("0:both", 0.5, concurrent=True)
BAKED = Segment("0:both", 0.5, concurrent=True, bake_over=True)

LOW, MIDDLE, HIGH, NAN = 1.0, 5.0, 9.0, None


def rule(success: str | None = "low", failure: str | None = "high", **settings: Any) -> QueryRule:
    """A rule with Argo's defaults: below 3 is a success, above 7 a failure, between neither."""
    return QueryRule("depth", ValueQuery("prometheus", "max(depth)"), success, failure, **settings)


def holds(condition: str, values: tuple[float, ...], scalar: bool) -> bool:
    """Stands in for the expression language."""
    if not values:
        raise ValueError("index out of range")
    return values[0] < 3 if condition == "low" else values[0] > 7


def sample(value: float | None, seconds: float) -> ValueSample:
    """One answer of the query; None is no usable answer."""
    if value is None:
        return ValueSample(at(seconds), missing=Missing(MissingReason.NOT_A_NUMBER))
    return ValueSample(at(seconds), (value,), scalar=True)


def judged(
    given_rule: QueryRule, values: Iterable[float | None], segment: Segment = BAKED, state: Json | None = None
) -> tuple[Json | None, RuleVerdict]:
    """State and verdict after these measurements, 30 s apart."""
    state, verdict = judge_query(given_rule, state, None, holds, segment, at(0))
    for n, value in enumerate(values):
        state, verdict = judge_query(given_rule, state, sample(value, 30 * n), holds, segment, at(30 * n))
    return state, verdict


@pytest.mark.parametrize(
    ("success", "failure", "value", "counter"),
    [
        ("low", "high", LOW, "successful"),
        ("low", "high", MIDDLE, "inconclusive"),
        ("low", "high", HIGH, "failed"),
        ("low", None, LOW, "successful"),
        ("low", None, MIDDLE, "failed"),
        (None, "high", MIDDLE, "successful"),
        (None, "high", HIGH, "failed"),
        ("low", "low", LOW, "failed"),
    ],
)
def test_one_measurement_means_what_argo_means(
    success: str | None, failure: str | None, value: float, counter: str
) -> None:
    """Success alone, failure alone and both; where both hold it is a failure."""
    _, verdict = judged(rule(success, failure), [value])
    counted = {name: verdict.numbers[name] for name in ("successful", "failed", "inconclusive", "errors")}
    assert counted == {"successful": 0, "failed": 0, "inconclusive": 0, "errors": 0} | {counter: 1}
    assert verdict.numbers["measurements"] == 1


def test_failures_trip_on_more_than_the_limit() -> None:
    """The limit itself is allowed; the failures need not be in a row."""
    assert judged(rule(failure_limit=2), [HIGH, LOW, HIGH])[1].kind is PASS
    verdict = judged(rule(failure_limit=2), [HIGH, LOW, HIGH, HIGH])[1]
    assert (verdict.kind, verdict.reason) == (FAIL, "FailureLimit")
    assert verdict.message == "3 failed measurements, at most 2 allowed; newest value 9"
    assert verdict.cause.first_bad_at == at(0)


def test_a_fail_does_not_wait_for_the_bake() -> None:
    """With the default limit the first failure fails, at once."""
    verdict = judged(rule(), [HIGH], BAKING)[1]
    assert (verdict.kind, verdict.reason) == (FAIL, "FailureLimit")


def test_a_completed_metric_stays_as_it_is() -> None:
    """What failed stays failed, whatever is measured later."""
    assert judged(rule(), [HIGH, LOW, LOW])[1].kind is FAIL


def test_inconclusives_trip_on_more_than_the_limit() -> None:
    """More inconclusive measurements than allowed complete the metric as inconclusive."""
    assert judged(rule(inconclusive_limit=1), [MIDDLE])[1].kind is PASS
    verdict = judged(rule(inconclusive_limit=1), [MIDDLE, LOW, MIDDLE, HIGH])[1]
    assert (verdict.kind, verdict.reason) == (INCONCLUSIVE, "InconclusiveLimit")


def test_errors_in_a_row_hold_and_recover() -> None:
    """Five errors in a row are inconclusive, never a fail; the next answer ends it."""
    state, verdict = judged(rule(), [LOW, NAN, NAN, NAN, NAN])
    assert (verdict.kind, verdict.reason) == (PENDING, "MeasurementError")
    state, verdict = judge_query(rule(), state, sample(NAN, 200), holds, BAKED, at(200))
    assert (verdict.kind, verdict.reason) == (INCONCLUSIVE, "ConsecutiveErrors")
    assert "NotANumber" in verdict.message
    _, verdict = judge_query(rule(), state, sample(LOW, 230), holds, BAKED, at(230))
    assert verdict.kind is PASS


def test_any_answer_breaks_a_row_of_errors() -> None:
    """Errors count in a row only, and are no measurements."""
    _, verdict = judged(rule(failure_limit=9), [NAN, NAN, NAN, NAN, HIGH, NAN, NAN, NAN, NAN])
    assert verdict.kind is PENDING
    assert (verdict.numbers["errors"], verdict.numbers["measurements"]) == (8, 1)


def test_a_condition_that_cannot_be_evaluated_is_an_error() -> None:
    """An empty answer to a condition that wants its first value is no failure."""
    empty = ValueSample(at(0))
    _, verdict = judge_query(rule(), None, empty, holds, BAKED, at(0))
    assert (verdict.kind, verdict.reason) == (PENDING, "NotMeasured")
    assert verdict.message == "not measured yet ([]: index out of range)"


def test_nothing_measured_never_passes() -> None:
    """Argo's fail-open is not ours: a bake that is over without a measurement is pending."""
    assert judged(rule(), [])[1].message == "not measured yet"
    assert judged(rule(), [NAN])[1].kind is PENDING


def test_without_a_count_it_runs_until_the_bake_is_over() -> None:
    """Pending while it bakes, then a pass."""
    assert judged(rule(), [LOW, LOW], BAKING)[1].reason == "Baking"
    verdict = judged(rule(), [LOW, LOW])[1]
    assert (verdict.kind, verdict.message) == (PASS, "2 measurements, 0 failed, newest value 1")


def test_a_count_completes_the_metric() -> None:
    """Until the count is reached it is pending even after the bake; errors do not count."""
    assert judged(rule(count=2), [LOW, NAN])[1].kind is PENDING
    assert judged(rule(count=2), [LOW])[1].reason == "Measuring"
    assert judged(rule(count=2), [LOW, NAN, LOW])[1].kind is PASS
    state, verdict = judged(rule(count=2), [LOW, LOW], BAKING)
    assert verdict.kind is PENDING
    assert judged(rule(count=2), [HIGH], state=state)[1].kind is PASS


@pytest.mark.parametrize(
    ("failure_limit", "values", "kind"),
    [
        (9, [HIGH, LOW, LOW], PASS),
        (9, [LOW, NAN, LOW], PENDING),
        (9, [LOW, MIDDLE, LOW], PENDING),
        (9, [LOW, HIGH, LOW, HIGH], INCONCLUSIVE),
        (-1, [LOW, HIGH, LOW, HIGH], FAIL),
        (-1, [HIGH, HIGH, LOW, LOW], PASS),
        (0, [LOW, HIGH], FAIL),
        (0, [LOW, MIDDLE, LOW, MIDDLE], INCONCLUSIVE),
    ],
)
def test_successes_in_a_row(failure_limit: int, values: list[float | None], kind: VerdictKind) -> None:
    """So many in a row complete it; at the count without them it is inconclusive, or failed with failures off."""
    asked = rule(failure_limit=failure_limit, inconclusive_limit=9, consecutive_success_limit=2, count=4)
    assert judged(asked, values)[1].kind is kind


def test_successes_in_a_row_are_waited_for() -> None:
    """Without a count the metric runs until they are reached."""
    assert judged(rule(consecutive_success_limit=2), [LOW])[1].reason == "Measuring"


def test_a_negative_failure_limit_is_off() -> None:
    """Failures are then counted and tolerated."""
    assert judged(rule(failure_limit=-1), [HIGH] * 20)[1].kind is PASS


def test_a_sample_taken_in_twice_counts_once() -> None:
    """A repeated or late pass over the same sample changes nothing."""
    state, _ = judged(rule(failure_limit=1), [LOW, HIGH])
    for repeated in (sample(HIGH, 30), sample(HIGH, 0)):
        again, verdict = judge_query(rule(failure_limit=1), state, repeated, holds, BAKED, at(99))
        assert again == state
        assert verdict.kind is PASS


def test_a_new_segment_is_measured_anew() -> None:
    """A change of arms forgets what was measured before."""
    state, verdict = judged(rule(), [HIGH])
    assert verdict.kind is FAIL
    _, verdict = judge_query(rule(), state, None, holds, Segment("1:alone", 0.5, concurrent=False), at(60))
    assert (verdict.kind, verdict.numbers["measurements"]) == (PENDING, 0)


def test_lists_are_shown_short() -> None:
    """A list of values is shown by its first five."""
    for length, shown in ((5, "[0, 1, 2, 3, 4]"), (6, "[0, 1, 2, 3, 4, …]")):
        many = ValueSample(at(0), tuple(float(n) for n in range(length)))
        assert judge_query(rule(), None, many, holds, BAKED, at(0))[1].numbers["value"] == shown


def test_the_first_measurement_is_due_after_the_initial_delay() -> None:
    """Counted from the step's start; a state of an older step does not delay it."""
    delayed = rule(initial_delay=timedelta(seconds=45))
    assert next_due(delayed, None, at(100)) == at(145)
    assert next_due(delayed, judged(delayed, [])[0], at(100)) == at(145)
    assert next_due(delayed, judged(delayed, [LOW])[0], at(100)) == at(145)


def test_later_measurements_are_due_at_the_interval() -> None:
    """From when the last one was taken in; after an error in ten seconds; never once complete."""
    assert next_due(rule(), judged(rule(), [LOW, LOW])[0], at(0)) == at(60)
    assert next_due(rule(), judged(rule(), [LOW, NAN])[0], at(0)) == at(40)
    assert next_due(rule(), judged(rule(), [HIGH])[0], at(0)) == NEVER


measurements = st.lists(st.sampled_from([LOW, MIDDLE, HIGH, NAN]), max_size=12)
rules = st.builds(
    rule,
    success=st.sampled_from(["low", None]),
    failure=st.just("high"),
    count=st.none() | st.integers(1, 6),
    failure_limit=st.integers(-1, 3),
    inconclusive_limit=st.integers(0, 3),
    consecutive_success_limit=st.none() | st.integers(1, 4),
)


@given(rules, measurements)
def test_the_state_is_plain_json(any_rule: QueryRule, values: list[float | None]) -> None:
    """A restart in between changes nothing."""
    state, verdict = judged(any_rule, values)
    assert state is not None
    assert judge_query(any_rule, json.loads(json.dumps(state)), None, holds, BAKED, at(0)) == (state, verdict)


@given(rules, measurements)
def test_errors_alone_never_pass_and_never_fail(any_rule: QueryRule, values: list[float | None]) -> None:
    """Missing evidence never becomes a pass and never a fail."""
    errors: list[float | None] = [NAN for _ in values]
    assert judged(any_rule, errors)[1].kind in (PENDING, INCONCLUSIVE)


@given(rules, measurements, st.integers(0, 11))
def test_a_worse_measurement_never_mends_a_verdict(
    any_rule: QueryRule, values: list[float | None], index: int
) -> None:
    """What fails with a good measurement fails with a bad one in its place, too."""
    worse = [HIGH if n == index and value is not NAN else value for n, value in enumerate(values)]
    if judged(any_rule, worse)[1].kind is PASS and any_rule.failure_limit >= 0:
        assert judged(any_rule, values)[1].kind is not FAIL
