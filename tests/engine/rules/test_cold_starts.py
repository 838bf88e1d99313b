"""Cold pods are judged by the stable's own start, and by the baseline beside them, whichever speaks for them."""

from dataclasses import replace

import pytest

from sentinel.domain.evidence import (
    ERRORS_OVER,
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    PodStart,
    as_histogram,
)
from sentinel.domain.policy.rules import HistogramQuery, LatencyRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.rules.latency import judge_latency
from sentinel.engine.rules.segment import Segment
from sentinel.engine.statistics.starts import StartProfile, Starts
from tests.engine.rules.test_error_rate import DONE, RULE, STEP, counted
from tests.engine.rules.test_latency import BOUNDS, FAST, latencies

ALONE = Segment("full", 1.0, concurrent=False)


def stable_start(errors: int, limit: float = ERRORS_OVER) -> StartProfile:
    """Ten pods of the stable, a hundred requests and so many errors in each five seconds of the first minute."""
    pods = [
        PodStart(f"pod-{pod}", 5.0 * n, 5.0 * n + 5, as_histogram(Counts(100, errors)), cold=True)
        for pod in range(10)
        for n in range(12)
    ]
    return StartProfile(limit).after(pods)


def starting(
    index: int, errors: int, baseline: tuple[int, int] | None = (900, 1), cold: bool = True
) -> CountTick:
    """A tick of five seconds in which the only candidate pod, as old as that, has a hundred requests."""
    tick = counted(index, (0, 0) if cold else (100, errors), baseline)
    since = 5.0 * index
    seen = as_histogram(Counts(100, errors))
    return replace(tick, starts=(PodStart("new", since, since + 5, seen, cold),))


def play(ticks: list[CountTick], profile: StartProfile | None, segment: Segment = STEP) -> RuleVerdict:
    """The verdict after these ticks."""
    starts, state = Starts(StartProfile(), profile), None
    for tick in ticks:
        state, verdict = judge_error_rate(RULE, state, tick, segment, tick.until, starts=starts)
        starts = starts.after(tick.starts)
    return verdict


def test_a_start_worse_than_the_stables_own_fails_before_the_warmup_is_over() -> None:
    """The stable starts without errors, so a fifth of the first requests failing is proof."""
    verdict = play([starting(0, 20), starting(1, 20)], stable_start(0))
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.message.startswith("canary 20% of 200 requests while starting and none since, baseline ")
    assert verdict.numbers["cold_errors"] == 40


def test_a_start_like_the_stables_own_proves_nothing() -> None:
    """Where the stable fails a fifth of its first requests, a candidate that does so is no worse."""
    verdict = play([starting(n, 20) for n in range(6)], stable_start(20))
    assert verdict.kind is VerdictKind.PENDING
    assert float(verdict.numbers["log_e_ratio"]) < 0.5
    assert float(verdict.numbers["log_e_limit"]) < 0.5


def test_without_a_profile_cold_pods_are_left_out() -> None:
    """Nothing is known of how this workload starts: its first half minute is not judged."""
    verdict = play([starting(n, 20) for n in range(6)], None)
    assert verdict.kind is VerdictKind.PENDING
    assert "cold_total" not in verdict.numbers


def test_an_outage_while_the_candidate_starts_is_not_its_fault() -> None:
    """It is worse than the stable's start, and no worse than the baseline at this moment."""
    verdict = play([starting(n, 20, baseline=(900, 180)) for n in range(6)], stable_start(0))
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert verdict.everywhere


def test_without_a_baseline_cold_pods_are_left_out() -> None:
    """An earlier start alone does not tell a bad release from an outage."""
    verdict = play([starting(n, 50, baseline=None) for n in range(6)], stable_start(0), ALONE)
    assert verdict.kind is VerdictKind.PENDING


def test_cold_requests_do_not_count_toward_a_pass() -> None:
    """A slow starter passes by what its warm pods do: neither its errors nor its requests while starting matter."""
    ticks = [*(starting(n, 20) for n in range(6)), counted(9, (150, 0), (900, 1))]
    verdict = play(ticks, stable_start(20), DONE)
    assert verdict.kind is VerdictKind.PASS
    assert verdict.numbers["candidate_total"] == 150


@pytest.mark.parametrize("slow", [False, True])
def test_latencies_of_a_start_are_compared_with_the_stables_own(slow: bool) -> None:
    """The first requests take two seconds: proof where the stable starts fast, nothing where it starts like that."""
    rule = LatencyRule("latency", HistogramQuery("prometheus", "d"), limit=1.0, quantile=0.99)
    own, fast = latencies((100, 2.0)), latencies((100, 0.08))
    seen = own if slow else fast
    stable = [PodStart(f"p{n}", 5.0 * k, 5.0 * k + 5, seen, True) for n in range(9) for k in range(6)]
    starts = Starts(StartProfile(rule.limit), StartProfile(rule.limit).after(stable))
    state = None
    nothing = Histogram(BOUNDS, (0,) * len(BOUNDS))
    for index in range(5):
        base = counted(index, (0, 0), None)
        start = PodStart("new", 5.0 * index, 5.0 * index + 5, own, cold=True)
        tick = HistogramTick(base.since, base.until, nothing, latencies(*FAST), starts=(start,))
        state, verdict = judge_latency(rule, state, tick, STEP, tick.until, starts=starts)
        starts = starts.after(tick.starts)
    assert (verdict.kind is VerdictKind.FAIL) is not slow
    assert verdict.numbers["cold_total"] == 500
