"""Early promotion: only a candidate proven good, never one with too little traffic."""

from datetime import timedelta
from math import comb, exp

from sentinel.domain.evidence import Counts
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.rules.segment import Segment
from sentinel.engine.statistics.e_process import limit_gains
from sentinel.engine.statistics.goodness import BELOW, BETTER, PROVEN_GOOD, WORSE, goodness_gains, remaining
from tests.engine.rules.test_error_rate import counted, play

EARLY = Segment("step-0", 1.0, concurrent=True, early=True)


def test_a_candidate_proven_good_passes_before_the_bake_is_over() -> None:
    """Enough requests without errors, where the baseline has its usual ones, is proof."""
    _, verdict = play([counted(i, (1500, 2), (13500, 135)) for i in range(3)], EARLY)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PASS, "ProvenGood")


def test_too_little_traffic_is_never_promoted_early() -> None:
    """However good, fewer requests than the minimum do not pass early."""
    _, verdict = play([counted(0, (99, 0), (13500, 2700))], EARLY)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "Baking")
    assert "1 more canary request needed" in verdict.message


def test_what_is_not_yet_proven_says_how_much_longer() -> None:
    """The sentence estimates the time that the proof still takes at this traffic."""
    _, verdict = play([counted(i, (60, 1), (540, 5)) for i in range(2)], EARLY)
    assert verdict.kind is VerdictKind.PENDING
    assert "more at this traffic to prove it good" in verdict.message


def test_a_bad_candidate_is_not_promoted_early() -> None:
    """Over the limit and twice the baseline's rate never becomes proof of good."""
    _, verdict = play([counted(i, (300, 18), (2700, 80)) for i in range(10)], EARLY)
    assert verdict.kind is not VerdictKind.PASS


def test_goodness_is_not_favourable_for_a_candidate_just_bad() -> None:
    """E[e] ≤ 1 at every grid point where the candidate's rate is exactly the limit."""
    expected = [0.0] * len(BELOW)
    for errors in range(61):
        chance = comb(60, errors) * 0.05**errors * 0.95 ** (60 - errors)
        gains = limit_gains(Counts(60, errors), 0.05, tuple(0.05 * f for f in BELOW))
        expected = [e + chance * exp(gain) for e, gain in zip(expected, gains, strict=True)]
    assert max(expected) <= 1 + 1e-9


def test_goodness_is_not_favourable_at_twice_the_baseline() -> None:
    """E[e] ≤ 1 at every grid point where the candidate's share of the errors is that of twice the rate."""
    share, failed = WORSE * 100 / (WORSE * 100 + 900), 20
    expected = [0.0] * len(BETTER)
    for ours in range(failed + 1):
        chance = comb(failed, ours) * share**ours * (1 - share) ** (failed - ours)
        gains = goodness_gains(Counts(100, ours), Counts(900, failed - ours), None)[: len(BETTER)]
        expected = [e + chance * exp(gain) for e, gain in zip(expected, gains, strict=True)]
    assert max(expected) <= 1 + 1e-9


def test_remaining_time_goes_on_at_the_rate_so_far() -> None:
    """Half the evidence in a minute leaves another minute; none leaves no estimate."""
    assert remaining(2.0, 4.0, timedelta(minutes=1)) == timedelta(minutes=1)
    assert remaining(0.0, 4.0, timedelta(minutes=1)) is None


def test_a_proof_that_hardly_comes_is_not_estimated() -> None:
    """Evidence that has grown by next to nothing tells no time, however long was spent."""
    assert remaining(1e-12, PROVEN_GOOD, timedelta(minutes=10)) is None
