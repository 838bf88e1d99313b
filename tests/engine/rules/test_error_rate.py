"""Error-rate rules: fail only when over the limit and worse than the baseline, both proven."""

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import Counts, CountTick, Missing, MissingReason
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.rules.segment import Segment

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
RULE = ErrorRateRule("error-rate", CountQuery("prometheus", "total", "errors"), limit=0.05)
STEP = Segment("step-0", 1.0, concurrent=True)
DONE = Segment("step-0", 1.0, concurrent=True, bake_over=True)


def counted(
    index: int, candidate: tuple[int, int], baseline: tuple[int, int] | None, *missing: Missing
) -> CountTick:
    """The tick of 15 s at this index."""
    since = START + index * timedelta(seconds=15)
    arms = Counts(*candidate), None if baseline is None else Counts(*baseline)
    return CountTick(since, since + timedelta(seconds=15), *arms, {}, missing)


def play(
    ticks: list[CountTick], segment: Segment = STEP, *, rule: ErrorRateRule = RULE, dispersion: float = 1.0
) -> tuple[Mapping[str, object], RuleVerdict]:
    """The state and verdict after these ticks."""
    state: Mapping[str, object] | None = None
    for tick in ticks:
        state, verdict = judge_error_rate(rule, state, tick, segment, tick.until, dispersion=dispersion)
    assert state is not None
    return state, verdict


def test_half_of_all_requests_failing_fails_at_the_first_tick() -> None:
    """A candidate that fails half its requests is found in one tick at 10 requests a second."""
    _, verdict = play([counted(0, (150, 75), (1350, 13))])
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.reason == "WorseThanBaseline"
    assert not verdict.alone


def test_message_says_both_arms_the_limit_and_the_evidence() -> None:
    """The sentence holds both rates with their requests, the limit and how strong the evidence is."""
    _, verdict = play([counted(0, (1204, 111), (10950, 44))])
    assert verdict.message.startswith(
        "canary 9.22% of 1,204 requests, baseline 0.402% of 10,950 requests; limit 5%; "
    )
    assert verdict.message.endswith(":1 evidence that the canary is worse than the baseline")


def test_numbers_hold_the_counts_and_when_the_fault_began() -> None:
    """The numbers behind a verdict are the segment's counts; the fault began with the first bad tick."""
    ticks = [counted(i, (150, 1), (1350, 13)) for i in range(4)]
    ticks.append(counted(4, (150, 30), (1350, 13)))
    _, verdict = play(ticks)
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.numbers["candidate_total"] == 750
    assert verdict.numbers["candidate_errors"] == 34
    assert verdict.numbers["baseline_errors"] == 65
    assert verdict.cause.first_bad_at == ticks[4].since


def test_worse_than_the_baseline_but_within_the_limit_is_no_fail() -> None:
    """Ten times the baseline's rate, still far below the limit, does not undo."""
    _, verdict = play([counted(i, (1500, 15), (13500, 13)) for i in range(20)], DONE)
    assert verdict.kind is VerdictKind.PASS
    assert float(verdict.numbers["log_e_ratio"]) > 10


def test_over_the_limit_but_no_worse_than_the_baseline_is_no_fail() -> None:
    """A baseline just as bad makes it an outage of the environment: inconclusive, everywhere."""
    _, verdict = play([counted(i, (150, 45), (1350, 405)) for i in range(20)], DONE)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert verdict.everywhere


def test_an_outage_in_both_arms_wins_no_evidence() -> None:
    """While both arms are over the limit, even an unequal outage adds nothing against the candidate."""
    state, _ = play([counted(i, (150, 120), (1350, 200)) for i in range(20)])
    _, verdict = judge_error_rate(RULE, state, None, STEP, START)
    assert float(verdict.numbers["log_e_ratio"]) <= 0
    assert float(verdict.numbers["log_e_limit"]) <= 0


def test_a_fault_after_an_outage_is_still_found() -> None:
    """Once the baseline is within the limit again, the candidate is judged again."""
    ticks = [counted(i, (150, 45), (1350, 405)) for i in range(4)]
    ticks += [counted(i, (150, 45), (1350, 13)) for i in range(4, 8)]
    _, verdict = play(ticks)
    assert verdict.kind is VerdictKind.FAIL
    assert not verdict.everywhere


def test_without_a_baseline_the_limit_alone_fails_and_says_so() -> None:
    """With no stable pod left, over the limit is proven alone and marked as such."""
    alone = Segment("full", 1.0, concurrent=False)
    _, verdict = play([counted(0, (1500, 300), None)], alone)
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.alone


def test_bake_over_with_enough_good_requests_passes() -> None:
    """A bake that is over, with enough requests and rates within the limit, is a pass."""
    _, verdict = play([counted(0, (150, 1), (1350, 13))], DONE)
    assert verdict.kind is VerdictKind.PASS


def test_before_the_bake_is_over_nothing_passes() -> None:
    """A good candidate is pending while it bakes."""
    _, verdict = play([counted(0, (150, 1), (1350, 13))])
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "Baking")


def test_too_few_requests_are_pending_and_say_how_many_are_missing() -> None:
    """Low traffic never passes; the message estimates how long the rest takes."""
    _, verdict = play([counted(0, (20, 0), (180, 1))], DONE)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "LowTraffic")
    assert "80 more canary requests needed, about 60 s at this traffic" in verdict.message


def test_worse_but_not_proven_is_pending() -> None:
    """Over the limit and over the baseline, by chance for all that is known, is no pass."""
    _, verdict = play([counted(0, (100, 6), (900, 40))], DONE)
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "NotProven")


def test_missing_evidence_leaves_the_state_and_is_inconclusive() -> None:
    """A tick with nothing but a reason changes no evidence and gives neither pass nor fail."""
    state, _ = play([counted(0, (150, 1), (1350, 13))], DONE)
    gap = counted(1, (0, 0), (0, 0), Missing(MissingReason.SOURCE_TIMEOUT, detail="no answer within 5 s"))
    after, verdict = judge_error_rate(RULE, state, gap, DONE, gap.until)
    assert after == state
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert verdict.message == "no evidence: SourceTimeout: no answer within 5 s"


def test_old_evidence_does_not_pass() -> None:
    """A pass needs evidence from the last few intervals."""
    state, _ = play([counted(0, (150, 1), (1350, 13))])
    _, verdict = judge_error_rate(RULE, state, None, DONE, START + timedelta(minutes=5))
    assert (verdict.kind, verdict.reason) == (VerdictKind.PENDING, "Stale")


def test_judging_again_without_a_tick_can_pass_once_the_bake_is_over() -> None:
    """No new evidence is needed for a pass when the bake ends between two ticks."""
    state, _ = play([counted(0, (150, 1), (1350, 13))])
    after, verdict = judge_error_rate(RULE, state, None, DONE, START + timedelta(seconds=20))
    assert after == state
    assert verdict.kind is VerdictKind.PASS


def test_another_segment_starts_with_fresh_evidence() -> None:
    """A change of arms forgets the counts and the evidence before it."""
    state, _ = play([counted(0, (1500, 300), (13500, 130))])
    second = Segment("step-1", 0.5, concurrent=True)
    _, verdict = judge_error_rate(RULE, state, counted(1, (750, 7), (750, 7)), second, START)
    assert verdict.numbers["candidate_total"] == 750
    assert verdict.kind is VerdictKind.PENDING


def test_state_survives_json_to_the_last_bit() -> None:
    """Saved and loaded between any two ticks, the state comes to the same."""
    ticks = [counted(i, (151 + i, i % 4), (1350 - i, 13)) for i in range(30)]
    straight, _ = play(ticks)
    state: Mapping[str, object] | None = None
    for tick in ticks:
        state, _ = judge_error_rate(RULE, json.loads(json.dumps(state)), tick, STEP, tick.until)
    assert json.dumps(state) == json.dumps(straight)
    assert len(json.dumps(state)) < 2048


def test_a_good_candidate_is_rarely_failed_however_often_one_looks() -> None:
    """Over 1,000 seeded rollouts of 40 ticks without a fault, looked at each tick, at most α are ever failed."""
    draw = random.Random(7)
    rule = replace(RULE, limit=0.01)
    failed = 0
    for _ in range(1000):
        state: Mapping[str, object] | None = None
        for index in range(40):
            arms = [(n, sum(draw.random() < 0.01 for _ in range(n))) for n in (15, 60)]
            state, verdict = judge_error_rate(rule, state, counted(index, *arms), STEP, START)
            if verdict.kind is VerdictKind.FAIL:
                failed += 1
                break
    assert failed <= 10


@given(
    errors=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60)), min_size=1, max_size=8),
    worse=st.integers(0, 7),
)
def test_a_worse_sample_never_improves_a_verdict(errors: list[tuple[int, int]], worse: int) -> None:
    """With one more candidate error in any tick, a fail stays a fail and what did not pass does not pass."""
    ticks = [counted(i, (150, ours), (1350, theirs)) for i, (ours, theirs) in enumerate(errors)]
    index = min(worse, len(ticks) - 1)
    ours, theirs = errors[index]
    changed = [*ticks]
    changed[index] = counted(index, (150, ours + 1), (1350, theirs))
    before, after = play(ticks, DONE)[1].kind, play(changed, DONE)[1].kind
    order = [VerdictKind.FAIL, VerdictKind.PENDING, VerdictKind.PASS]
    assert order.index(after) <= order.index(before)


def test_clustered_errors_need_more_evidence() -> None:
    """The same counts prove at φ = 1 and do not at φ = 5."""
    ticks = [counted(0, (150, 20), (1350, 13))]
    assert play(ticks)[1].kind is VerdictKind.FAIL
    assert play(ticks, dispersion=5.0)[1].kind is VerdictKind.PENDING


def test_placebos_that_stood_out_hold_a_proof_back() -> None:
    """Where a placebo canary was nearly proven before, one tick proves nothing any more; lasting faults are found."""
    ticks = [counted(i, (150, 30), (1350, 13)) for i in range(13)]
    state: Mapping[str, object] | None = None
    kinds = []
    for tick in ticks:
        state, verdict = judge_error_rate(RULE, state, tick, STEP, tick.until, dispersion=2.0, placebo=15.0)
        kinds.append(verdict.kind)
    assert kinds[0] is VerdictKind.PENDING
    assert kinds[-1] is VerdictKind.FAIL


def test_evidence_of_other_bets_is_not_taken_over() -> None:
    """A state saved with another grid of alternatives starts afresh instead of being misread."""
    state, _ = play([counted(0, (150, 30), (1350, 13))])
    old = {**state, "ratio": {"sums": [3.0, 4.0], "starts": [], "ticks": 1}}
    _, verdict = judge_error_rate(RULE, old, None, STEP, START)
    assert verdict.numbers["candidate_total"] == 0


def test_a_segment_without_a_share_of_alpha_proves_nothing() -> None:
    """Where no error level is left, there is no fail."""
    _, verdict = play([counted(0, (150, 150), (1350, 0))], Segment("step-9", 0.0, concurrent=True))
    assert verdict.kind is VerdictKind.PENDING


def test_the_limit_alone_is_held_back_by_all_of_the_dispersion() -> None:
    """Without a baseline beside it, the limit's evidence grows as slowly as the clusters are large."""
    segments = Segment("full", 1.0, concurrent=False), STEP
    alone, beside = (
        play([counted(0, (1500, 120), (1350, 13))], segment, dispersion=9.0)[1].numbers["log_e_limit"]
        for segment in segments
    )
    assert float(alone) < float(beside)
