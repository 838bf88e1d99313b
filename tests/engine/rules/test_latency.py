"""Latency rules: fail only when over the limit and slower than the baseline, both proven."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from sentinel.domain.evidence import Histogram, HistogramTick, Missing, MissingReason
from sentinel.domain.policy.rules import HistogramQuery, LatencyRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.rules.latency import judge_latency
from sentinel.engine.rules.segment import Segment
from sentinel.engine.rules.standing import about

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, inf)
QUERY = HistogramQuery("prometheus", "duration")
MEAN = LatencyRule("latency", QUERY, limit=1.0)
P99 = LatencyRule("latency", QUERY, limit=1.0, quantile=0.99)
STEP = Segment("step-0", 1.0, concurrent=True)
DONE = Segment("step-0", 1.0, concurrent=True, bake_over=True)


def latencies(*groups: tuple[int, float], bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    """The histogram of so many requests at so many seconds each."""
    counts = [0] * len(bounds)
    for number, seconds in groups:
        counts[next(i for i, bound in enumerate(bounds) if seconds <= bound)] += number
    return Histogram(bounds, tuple(counts), sum(number * seconds for number, seconds in groups))


FAST = ((1200, 0.08), (140, 0.3), (10, 0.7))


def counted(index: int, candidate: Histogram, baseline: Histogram | None, *missing: Missing) -> HistogramTick:
    """The tick of 15 s at this index."""
    since = START + index * timedelta(seconds=15)
    return HistogramTick(since, since + timedelta(seconds=15), candidate, baseline, missing)


def play(
    rule: LatencyRule, ticks: list[HistogramTick], segment: Segment = STEP
) -> tuple[Mapping[str, object], RuleVerdict]:
    """The state and verdict after these ticks."""
    state: Mapping[str, object] | None = None
    for tick in ticks:
        state, verdict = judge_latency(rule, state, tick, segment, tick.until)
    assert state is not None
    return state, verdict


def test_two_seconds_against_a_mean_of_one_fails_at_the_first_tick() -> None:
    """A mean well over the limit is found in one tick, although no bucket bound separates it from the limit."""
    _, verdict = play(MEAN, [counted(0, latencies((150, 2.0)), latencies(*FAST))])
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.message.startswith(
        "mean of the canary 2 s of 150 requests, of the baseline 107 ms of 1,350 requests; limit 1 s; "
    )


def test_a_good_mean_passes_after_the_bake() -> None:
    """A candidate as fast as the baseline passes."""
    _, verdict = play(MEAN, [counted(0, latencies((150, 0.09)), latencies(*FAST))], DONE)
    assert verdict.kind is VerdictKind.PASS


def test_slower_but_within_the_limit_is_no_fail() -> None:
    """Three times slower, still under the limit, does not undo."""
    ticks = [counted(i, latencies((150, 0.3)), latencies(*FAST)) for i in range(20)]
    _, verdict = play(MEAN, ticks, DONE)
    assert verdict.kind is VerdictKind.PASS
    assert float(verdict.numbers["log_e_ratio"]) > 10


def test_a_quantile_over_the_limit_fails() -> None:
    """Five percent of requests over the p99 limit, where the baseline has almost none, is found."""
    ticks = [counted(i, latencies((142, 0.1), (8, 1.5)), latencies(*FAST)) for i in range(4)]
    _, verdict = play(P99, ticks)
    assert verdict.kind is VerdictKind.FAIL


def test_a_source_that_changes_the_bounds_is_judged_at_the_new_ones() -> None:
    """Once all pods' histograms are native, evidence at the limit goes on, and the arms are compared afresh."""
    powers = tuple(2 ** (n / 2) + 0.001 for n in range(-14, 4))
    native = (*powers, inf)
    ticks = [counted(0, latencies((150, 0.09)), latencies(*FAST))]
    slow, fast = latencies((142, 0.1), (8, 1.5), bounds=native), latencies(*FAST, bounds=native)
    ticks += [counted(i, slow, fast) for i in range(1, 6)]
    state, verdict = play(P99, ticks)
    assert verdict.kind is VerdictKind.FAIL
    assert set(state["edges"]) <= set(powers)  # type: ignore[call-overload]


def test_both_arms_slow_is_an_outage() -> None:
    """Where the baseline is over the limit as well, nothing is undone."""
    ticks = [counted(i, latencies((150, 2.0)), latencies((1350, 1.8))) for i in range(20)]
    _, verdict = play(MEAN, ticks)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert verdict.everywhere


def test_without_a_baseline_the_limit_alone_fails() -> None:
    """At 100 % the limit alone is proven, and said to be."""
    _, verdict = play(
        MEAN, [counted(0, latencies((1500, 2.0)), None)], Segment("full", 1.0, concurrent=False)
    )
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.alone


def test_a_limit_between_two_bounds_is_said_and_tested_at_the_upper_one() -> None:
    """A p99 limit that is no bucket bound is tested at the next bound, and the sentence says so."""
    rule = LatencyRule("latency", QUERY, limit=0.8, quantile=0.99)
    _, verdict = play(rule, [counted(0, latencies((150, 0.9)), latencies(*FAST))], DONE)
    assert "limit 800 ms (not a bucket bound: tested at 1 s)" in verdict.message
    assert float(verdict.numbers["log_e_limit"]) < 0


def test_a_limit_over_the_last_bound_is_inconclusive() -> None:
    """A quantile limit that no bucket can show is never a pass."""
    rule = LatencyRule("latency", QUERY, limit=20.0, quantile=0.99)
    _, verdict = play(rule, [counted(0, latencies((150, 0.9)), latencies(*FAST))], DONE)
    assert (verdict.kind, verdict.reason) == (VerdictKind.INCONCLUSIVE, "LimitBeyondBuckets")


def test_histograms_without_a_common_bound_are_said() -> None:
    """A handler with separate buckets leaves a pod no bound that all of its requests are counted at."""
    _, verdict = play(P99, [counted(0, Histogram((inf,), (150,)), latencies(*FAST))])
    assert (verdict.kind, verdict.reason) == (VerdictKind.INCONCLUSIVE, "LimitBeyondBuckets")
    assert verdict.message == (
        "the candidate's histograms have no bucket bound in common, so the rule cannot prove anything; give all of "
        "them one at the limit of 1 s"
    )


@pytest.mark.parametrize("rule", [MEAN, P99], ids=["mean", "p99"])
def test_missing_evidence_leaves_the_state(rule: LatencyRule) -> None:
    """A tick with nothing but a reason changes no evidence and gives neither pass nor fail."""
    state, _ = play(rule, [counted(0, latencies((150, 0.09)), latencies(*FAST))], DONE)
    gap = counted(1, Histogram(), Histogram(), Missing(MissingReason.NO_DATA, "canary-1"))
    after, verdict = judge_latency(rule, state, gap, DONE, gap.until)
    assert after == state
    assert verdict.kind is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize("rule", [MEAN, P99], ids=["mean", "p99"])
def test_state_survives_json_to_the_last_bit(rule: LatencyRule) -> None:
    """Saved and loaded between any two ticks, the state comes to the same, and stays small."""
    ticks = [counted(i, latencies((150, 0.09 + i / 100)), latencies(*FAST)) for i in range(30)]
    straight, _ = play(rule, ticks)
    state: Mapping[str, object] | None = None
    for tick in ticks:
        state, _ = judge_latency(rule, json.loads(json.dumps(state)), tick, STEP, tick.until)
    assert json.dumps(state) == json.dumps(straight)
    assert len(json.dumps(state)) < 4096


EARLY = Segment("step-0", 1.0, concurrent=True, early=True)


@pytest.mark.parametrize("rule", [MEAN, P99], ids=["mean", "p99"])
def test_a_candidate_proven_fast_passes_early(rule: LatencyRule) -> None:
    """Where the baseline has its share of slow requests and the candidate none, it is proven good."""
    mixed = ((13000, 0.08), (400, 1.5))
    ticks = [counted(i, latencies((1500, 0.08)), latencies(*mixed)) for i in range(4)]
    _, verdict = play(rule, ticks, EARLY)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PASS, "ProvenGood")


def test_nothing_is_proven_good_where_no_bound_lies_at_the_limit() -> None:
    """A mean limit over all bucket bounds leaves nothing to compare: no early pass."""
    rule = LatencyRule("latency", QUERY, limit=30.0)
    ticks = [counted(i, latencies((1500, 0.08)), latencies(*FAST)) for i in range(4)]
    _, verdict = play(rule, ticks, EARLY)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "Baking")


OLD_BUCKETS, NEW_BUCKETS = (0.05, 0.25, 1.0, 5.0, inf), (0.01, 0.1, 0.5, 2.5, inf)


@pytest.mark.parametrize("rule", [MEAN, P99])
def test_a_release_that_brings_other_buckets_is_compared_with_the_old_ones(rule: LatencyRule) -> None:
    """No bound of theirs is the same: what is over 2.5 s is more than the baseline has over 1 s."""
    baseline = latencies(*FAST, bounds=OLD_BUCKETS)
    _, verdict = play(rule, [counted(0, latencies((150, 3.0), bounds=NEW_BUCKETS), baseline)])
    assert (verdict.kind, verdict.reason) == (VerdictKind.FAIL, "WorseThanBaseline")


def test_other_buckets_prove_nothing_that_they_do_not_tell() -> None:
    """As slow as the baseline; within its own buckets nobody can tell that."""
    candidate, baseline = (
        latencies((140, 0.1), (10, 3.0), bounds=each) for each in (NEW_BUCKETS, OLD_BUCKETS)
    )
    _, verdict = play(P99, [counted(i, candidate, baseline) for i in range(40)])
    assert verdict.kind is not VerdictKind.FAIL
    assert float(verdict.numbers["log_e_ratio"]) < 1


def test_a_baseline_without_a_bucket_as_low_tells_nothing() -> None:
    """All of its requests may have been as slow."""
    candidate = latencies((150, 3.0), bounds=NEW_BUCKETS)
    _, verdict = play(
        P99, [counted(i, candidate, latencies((900, 0.1), bounds=(5.0, inf))) for i in range(9)]
    )
    assert verdict.kind is not VerdictKind.FAIL


def test_other_bucket_bounds_in_the_candidate_are_compared_where_they_agree() -> None:
    """A release that changes its buckets is compared at common bounds only, and nothing is proven by the change."""
    other = (0.1, 1.0, 3.0, inf)
    ticks = [counted(i, latencies(*FAST, bounds=other), latencies(*FAST)) for i in range(5)]
    state, verdict = play(MEAN, ticks)
    assert set(state["edges"]) <= {0.1, 1.0}  # type: ignore[call-overload]
    assert float(verdict.numbers["log_e_ratio"]) < 1
    _, verdict = play(MEAN, [*ticks[:1], counted(1, latencies(*FAST, bounds=(0.2, inf)), latencies(*FAST))])
    assert float(verdict.numbers["log_e_ratio"]) < 1


def test_an_arm_without_requests_is_said() -> None:
    """No requests at all is no estimate and no pass."""
    _, verdict = play(MEAN, [counted(0, Histogram(), latencies(*FAST))], DONE)
    assert verdict.kind is VerdictKind.PENDING
    assert verdict.message.startswith(
        "mean of the canary without requests, of the baseline 107 ms of 1,350 requests"
    )


def test_durations_in_messages_are_rough() -> None:
    """Seconds, minutes or hours, whichever says enough."""
    lengths = [timedelta(seconds=20), timedelta(minutes=7), timedelta(hours=3)]
    assert [about(length) for length in lengths] == ["about 20 s", "about 7 min", "about 3 h"]


def test_a_state_without_latencies_survives_json() -> None:
    """Saved before any request was seen, it loads as nothing seen."""
    state, verdict = play(MEAN, [counted(0, Histogram(), Histogram())])
    after, again = judge_latency(MEAN, json.loads(json.dumps(state)), None, STEP, START)
    assert after == state
    assert again.message == verdict.message
