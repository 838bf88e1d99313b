"""The calculator agrees with what the tests do, and refuses impossible numbers."""

import random
from datetime import timedelta
from statistics import median

import pytest

from sentinel.domain.verdict import VerdictKind
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.statistics.power import Traffic, power, time_to_requests
from tests.engine.rules.test_error_rate import RULE, START, STEP, counted


def poisson(draw: random.Random, mean: float) -> int:
    """A Poisson count, as arrivals within one unit of time."""
    count, at = 0, draw.expovariate(mean)
    while at < 1:
        count, at = count + 1, at + draw.expovariate(mean)
    return count


@pytest.mark.parametrize(("rps", "base", "rate"), [(100, 0.001, 0.005), (10, 0.01, 0.1), (100, 0.01, 0.02)])
def test_the_median_is_near_what_rollouts_show(rps: float, base: float, rate: float) -> None:
    """Half of 60 simulated faulty rollouts are found within about the time that is foretold."""
    draw, found = random.Random(11), []
    rule = RULE.__class__(RULE.name, RULE.query, limit=base)
    for _ in range(60):
        state, tick, kind = None, 0, VerdictKind.PENDING
        while kind is not VerdictKind.FAIL and tick < 80:
            ours = (round(rps * 1.5), poisson(draw, rps * 1.5 * rate))
            theirs = (round(rps * 13.5), poisson(draw, rps * 13.5 * base))
            state, verdict = judge_error_rate(rule, state, counted(tick, ours, theirs), STEP, START)
            kind, tick = verdict.kind, tick + 1
        found.append(15 * tick)
    foretold = power(Traffic(rps, base, 0.1), rate, limit=base).half
    assert foretold is not None
    assert foretold.total_seconds() == pytest.approx(median(found), rel=0.35)


def test_nine_in_ten_take_longer_than_half() -> None:
    """The bad luck of one in ten takes more time."""
    found = power(Traffic(20, 0.005, 0.1), 0.03, limit=0.01)
    assert found.half is not None
    assert found.most is not None
    assert found.half < found.most


def test_a_fault_within_the_limit_is_never_found() -> None:
    """Worse than the baseline but under the limit is no fault by the rule."""
    assert power(Traffic(1000, 0.001, 0.1), 0.04, limit=0.05).half is None


def test_clustered_errors_take_longer() -> None:
    """With φ = 4 a proof takes about four times as long."""
    alone = power(Traffic(100, 0.01, 0.1), 0.02, limit=0.01).half
    clustered = power(Traffic(100, 0.01, 0.1, dispersion=4), 0.02, limit=0.01).half
    assert alone is not None
    assert clustered is not None
    assert clustered / alone == pytest.approx(4, rel=0.1)


def test_requests_take_the_candidates_share_of_the_traffic() -> None:
    """A hundred requests at a tenth of 20 rps take 50 s."""
    assert time_to_requests(Traffic(20, 0.01, 0.1), 100) == timedelta(seconds=50)


@pytest.mark.parametrize(
    ("traffic", "rate", "message"),
    [
        (Traffic(20, 0.0, 0.1), 0.05, "base must lie between 0 and 1, not 0"),
        (Traffic(20, 0.01, 1.5), 0.05, "weight must lie between 0 and 1, not 1.5"),
        (Traffic(20, 0.01, 0.1), 1.0, "rate must lie between 0 and 1, not 1"),
        (Traffic(0, 0.01, 0.1), 0.05, "over 0 requests per second"),
    ],
)
def test_impossible_numbers_are_refused(traffic: Traffic, rate: float, message: str) -> None:
    """The error names the number and its range."""
    with pytest.raises(ValueError, match=message):
        power(traffic, rate, limit=0.05)
