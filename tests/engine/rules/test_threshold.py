"""`method: threshold`: over the limit without a break for so long fails, nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from sentinel.domain.evidence import Histogram, Missing, MissingReason
from sentinel.domain.policy.rules import Method
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.rules.latency import judge_latency
from tests.engine.rules import test_latency as latency
from tests.engine.rules.test_error_rate import DONE, RULE, START, STEP, counted, play

PLAIN = replace(RULE, method=Method.THRESHOLD, hold=timedelta(seconds=45))


def test_over_the_limit_for_long_enough_fails() -> None:
    """Three ticks of 15 s over the limit are 45 s."""
    _, verdict = play([counted(i, (150, 12), (1350, 13)) for i in range(3)], rule=PLAIN)
    assert (verdict.kind, verdict.reason) == (VerdictKind.FAIL, "OverThreshold")
    assert verdict.message == "canary 8%, threshold 5%; over it for 45 s"
    assert verdict.cause.first_bad_at == START


def test_over_the_limit_but_not_yet_for_long_enough_is_pending() -> None:
    """Two ticks of 15 s are not yet 45 s, even when the bake is over."""
    _, verdict = play([counted(i, (150, 12), (1350, 13)) for i in range(2)], DONE, rule=PLAIN)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "OverThreshold")


def test_one_tick_within_the_limit_starts_the_clock_again() -> None:
    """A break resets the time over the limit."""
    errors = (12, 12, 1, 12, 12)
    _, verdict = play([counted(i, (150, e), (1350, 13)) for i, e in enumerate(errors)], rule=PLAIN)
    assert verdict.kind is VerdictKind.PENDING


def test_missing_evidence_neither_moves_nor_resets_the_clock() -> None:
    """A tick without evidence leaves the state as it was."""
    state, _ = play([counted(i, (150, 12), (1350, 13)) for i in range(2)], rule=PLAIN)
    gap = counted(2, (0, 0), (0, 0), Missing(MissingReason.STALE, "pod-1"))
    after, verdict = judge_error_rate(PLAIN, state, gap, STEP, gap.until)
    assert after == state
    assert verdict.kind is VerdictKind.INCONCLUSIVE


def test_within_the_limit_passes_after_the_bake() -> None:
    """A good candidate passes when its bake is over."""
    _, verdict = play([counted(0, (150, 1), (1350, 13))], DONE, rule=PLAIN)
    assert verdict.kind is VerdictKind.PASS


def test_too_few_requests_do_not_pass() -> None:
    """Low traffic is pending here as well."""
    _, verdict = play([counted(0, (20, 0), (1350, 13))], DONE, rule=PLAIN)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "LowTraffic")


def test_old_evidence_does_not_pass() -> None:
    """A pass needs evidence from the last few intervals."""
    state, _ = play([counted(0, (150, 1), (1350, 13))], rule=PLAIN)
    _, verdict = judge_error_rate(PLAIN, state, None, DONE, START + timedelta(minutes=5))
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "Stale")


def test_a_quantile_is_held_against_a_threshold_too() -> None:
    """The p99 of every tick over the limit for long enough fails."""
    rule = replace(latency.P99, method=Method.THRESHOLD, hold=timedelta(seconds=30))
    state: Mapping[str, object] | None = None
    for index in range(2):
        slow = latency.latencies((150, 2.0))
        tick = latency.counted(index, slow, Histogram())
        state, verdict = judge_latency(rule, state, tick, STEP, tick.until)
    assert verdict.kind is VerdictKind.FAIL


def test_no_requests_are_not_over_the_threshold() -> None:
    """A tick without requests says nothing against the candidate, and nothing for it."""
    _, verdict = play([counted(0, (0, 0), (1350, 13))], DONE, rule=PLAIN)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "LowTraffic")
    assert verdict.message.startswith("canary without requests")


def test_before_the_bake_is_over_nothing_passes() -> None:
    """A good candidate is pending while it bakes."""
    _, verdict = play([counted(0, (150, 1), (1350, 13))], rule=PLAIN)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "Baking")


def test_a_latency_threshold_is_told_in_seconds() -> None:
    """The sentence names the measured latency and its threshold."""
    rule = replace(latency.MEAN, method=Method.THRESHOLD)
    tick = latency.counted(0, latency.latencies((150, 0.5)), None)
    _, verdict = judge_latency(rule, None, tick, DONE, tick.until)
    assert verdict.message == "canary 500 ms, threshold 1 s"
