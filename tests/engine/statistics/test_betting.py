"""The bets are fair or unfavourable under the null, by enumeration, and wealth is what the mixture says it is."""

import json
from math import comb, exp, lgamma, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import Counts
from sentinel.engine.statistics.calibration import Restraint
from sentinel.engine.statistics.e_process import (
    LIMIT_FACTORS,
    RATIOS,
    Wealth,
    capped,
    limit_gains,
    log_sum,
    rates_above,
    ratio_gains,
)

ARMS = [(10, 90), (50, 50), (3, 40), (90, 10)]


def hypergeometric(ours: int, candidate: int, failed: int, total: int) -> float:
    """The chance that `ours` of the failed requests fell on the candidate, all equally likely."""
    return comb(candidate, ours) * comb(total - candidate, failed - ours) / comb(total, failed)


def poisson(mean: float, count: int) -> float:
    """The Poisson probability of a count."""
    return exp(count * log(mean) - mean - lgamma(count + 1))


@pytest.mark.parametrize(("candidate", "baseline"), ARMS)
@pytest.mark.parametrize("dispersion", [1.0, 2.0, 5.0])
def test_a_bet_on_the_ratio_is_not_favourable_when_requests_are_exchangeable(
    candidate: int, baseline: int, dispersion: float
) -> None:
    """E[e] ≤ 1 at every grid point where errors fall on requests at random, whatever their number."""
    total = candidate + baseline
    for failed in range(1, 26):
        expected = [0.0] * len(RATIOS)
        for ours in range(max(0, failed - baseline), min(failed, candidate) + 1):
            arms = Counts(candidate, ours), Counts(baseline, failed - ours)
            gains = ratio_gains(*arms, RATIOS, dispersion=dispersion)
            chance = hypergeometric(ours, candidate, failed, total)
            expected = [e + chance * exp(gain) for e, gain in zip(expected, gains, strict=True)]
        assert max(expected) <= 1 + 1e-9


@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_a_bet_on_the_ratio_is_not_favourable_under_poisson_errors(ratio: float) -> None:
    """E[e] ≤ 1 at every grid point for Poisson errors of a candidate no worse than the baseline."""
    candidate, baseline, rate = 100, 900, 0.01
    expected = [0.0] * len(RATIOS)
    for ours in range(40):
        for theirs in range(60):
            arms = Counts(candidate, ours), Counts(baseline, theirs)
            chance = poisson(candidate * rate * ratio, ours) * poisson(baseline * rate, theirs)
            gains = ratio_gains(*arms, RATIOS)
            expected = [e + chance * exp(gain) for e, gain in zip(expected, gains, strict=True)]
    assert max(expected) <= 1 + 1e-9


@pytest.mark.parametrize("cluster", [2, 5])
def test_clusters_up_to_the_dispersion_do_not_make_a_bet_favourable(cluster: int) -> None:
    """E[e] ≤ 1 where errors come in clusters of φ that fall on one arm together."""
    share = 0.1
    for clusters in range(1, 12):
        expected = [0.0] * len(RATIOS)
        for ours in range(clusters + 1):
            chance = comb(clusters, ours) * share**ours * (1 - share) ** (clusters - ours)
            arms = Counts(1000, ours * cluster), Counts(9000, (clusters - ours) * cluster)
            gains = ratio_gains(*arms, RATIOS, dispersion=float(cluster))
            expected = [e + chance * exp(gain) for e, gain in zip(expected, gains, strict=True)]
        assert max(expected) <= 1 + 1e-9


@pytest.mark.parametrize("limit", [0.001, 0.05, 0.5, 0.95])
@pytest.mark.parametrize("requests", [1, 7, 60])
@pytest.mark.parametrize("dispersion", [1.0, 3.0])
def test_a_bet_on_the_limit_is_not_favourable_at_the_limit(
    limit: float, requests: int, dispersion: float
) -> None:
    """E[e] ≤ 1 at every grid point for a candidate whose rate is just the limit."""
    rates = rates_above(limit, LIMIT_FACTORS)
    expected = [0.0] * len(rates)
    for errors in range(requests + 1):
        chance = comb(requests, errors) * limit**errors * (1 - limit) ** (requests - errors)
        gains = limit_gains(Counts(requests, errors), limit, rates, dispersion=dispersion)
        expected = [e + chance * exp(gain) for e, gain in zip(expected, gains, strict=True)]
    assert max(expected) <= 1 + 1e-9


@given(limit=st.floats(1e-6, 0.999))
def test_alternatives_lie_between_the_limit_and_one(limit: float) -> None:
    """Every alternative rate is over the limit and under 1."""
    assert all(limit < rate < 1 for rate in rates_above(limit, LIMIT_FACTORS))


@given(
    errors=st.tuples(st.integers(0, 200), st.integers(0, 200)),
    arms=st.tuples(st.integers(201, 10_000), st.integers(201, 10_000)),
)
def test_one_more_candidate_error_never_lowers_a_bet(errors: tuple[int, int], arms: tuple[int, int]) -> None:
    """Evidence is monotone in the candidate's errors."""
    ours, theirs = errors
    rates = rates_above(0.05, LIMIT_FACTORS)
    for counts in (Counts(arms[0], ours),):
        worse = Counts(arms[0], ours + 1)
        baseline = Counts(arms[1], theirs)
        ratios = zip(ratio_gains(counts, baseline, RATIOS), ratio_gains(worse, baseline, RATIOS), strict=True)
        limits = zip(limit_gains(counts, 0.05, rates), limit_gains(worse, 0.05, rates), strict=True)
        assert all(before <= after + 1e-9 for before, after in [*ratios, *limits])


@given(
    errors=st.tuples(st.integers(0, 200), st.integers(0, 200)),
    arms=st.tuples(st.integers(201, 10_000), st.integers(201, 10_000)),
)
def test_one_more_baseline_error_never_raises_a_bet(errors: tuple[int, int], arms: tuple[int, int]) -> None:
    """Evidence against the candidate falls with the baseline's errors."""
    counts = Counts(arms[0], errors[0])
    less, more = Counts(arms[1], errors[1]), Counts(arms[1], errors[1] + 1)
    pairs = zip(ratio_gains(counts, less, RATIOS), ratio_gains(counts, more, RATIOS), strict=True)
    assert all(after <= before + 1e-9 for before, after in pairs)


def test_no_errors_or_an_arm_without_requests_is_no_bet_on_the_ratio() -> None:
    """Nothing to compare gains and loses nothing."""
    nothing = (0.0,) * len(RATIOS)
    assert ratio_gains(Counts(100, 0), Counts(900, 0), RATIOS) == nothing
    assert ratio_gains(Counts(0, 0), Counts(900, 9), RATIOS) == nothing
    assert ratio_gains(Counts(100, 9), Counts(0, 0), RATIOS) == nothing


def test_no_requests_are_no_bet_on_the_limit() -> None:
    """A tick without requests gains and loses nothing."""
    assert limit_gains(Counts(0, 0), 0.05, rates_above(0.05, LIMIT_FACTORS)) == (0.0,) * len(LIMIT_FACTORS)


def test_wealth_is_the_mean_over_alternatives_and_start_times() -> None:
    """The recursion gives exactly the mixture written out."""
    gains = [(0.5, -1.0), (1.5, 0.25), (-0.75, 2.0)]
    wealth = Wealth.fresh(2)
    for each in gains:
        wealth = wealth.bet(each)
    written_out = 0.0
    for g in range(2):
        from_first = exp(sum(each[g] for each in gains))
        late = sum(0.3 / ((s + 1) * (s + 2)) * exp(sum(each[g] for each in gains[s:])) for s in range(3))
        written_out += (0.7 * from_first + late) / 2
    written_out += 0.3 / 4
    assert wealth.log_e == pytest.approx(log(written_out))


def test_fresh_wealth_is_one() -> None:
    """Before any bet there is no evidence."""
    assert Wealth.fresh(5).log_e == pytest.approx(0)


def test_a_late_fault_is_found_in_spite_of_what_was_lost_before() -> None:
    """Wealth lost over a thousand good ticks does not keep a late fault from being found."""
    wealth = Wealth.fresh(1)
    for _ in range(1000):
        wealth = wealth.bet((-1.0,))
    for _ in range(4):
        wealth = wealth.bet((6.0,))
    assert wealth.log_e > log(100)


@given(st.lists(st.tuples(*[st.floats(-50, 50)] * 3), max_size=20))
def test_wealth_survives_json_to_the_last_bit(gains: list[tuple[float, ...]]) -> None:
    """Plain JSON values in and out, nothing lost."""
    wealth = Wealth.fresh(3)
    for each in gains:
        wealth = wealth.bet(each)
    assert Wealth.from_json(json.loads(json.dumps(wealth.as_json(), allow_nan=False))) == wealth


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=8))
def test_log_sum_does_not_overflow(values: list[float]) -> None:
    """The log of a sum of exponentials lies between its largest part and that times their number."""
    assert max(values) <= log_sum(values) + 1e-9 <= max(values) + log(len(values)) + 1e-6


@given(
    gains=st.lists(st.floats(-20, 20), min_size=1, max_size=5),
    dispersion=st.floats(1, 50),
    placebo=st.floats(0, 100),
)
def test_holding_back_never_wins_more(gains: list[float], dispersion: float, placebo: float) -> None:
    """A restrained or capped bet gains at most what the free one would, where that is a gain."""
    restraint = Restraint.learnt(dispersion, placebo, log(100))
    for free, held in zip(gains, restraint.limited(gains), strict=True):
        assert held <= max(free, free / restraint.discount)
    assert all(held <= 0 for held in capped(gains))


def test_requests_that_may_be_one_cluster_are_one_bet_on_their_share() -> None:
    """No more requests than the dispersion are weighed as one, part failed and part served."""
    assert limit_gains(Counts(1, 1), 0.01, (0.05,), dispersion=5) == pytest.approx((log(5),))
    half = log(0.5 * 0.05 / 0.01 + 0.5 * 0.95 / 0.99)
    assert limit_gains(Counts(2, 1), 0.01, (0.05,), dispersion=5) == pytest.approx((half,))


def test_ten_short_ticks_come_to_the_same_as_one_long_tick() -> None:
    """Cutting the same evidence into shorter ticks changes what is bet from the first tick by nothing."""
    whole = ratio_gains(Counts(1000, 40), Counts(9000, 90), RATIOS)
    part = ratio_gains(Counts(100, 4), Counts(900, 9), RATIOS)
    assert [10 * gain for gain in part] == pytest.approx(whole)
    rates = rates_above(0.02, LIMIT_FACTORS)
    whole = limit_gains(Counts(1000, 40), 0.02, rates)
    assert [10 * gain for gain in limit_gains(Counts(100, 4), 0.02, rates)] == pytest.approx(whole)


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), max_size=30))
def test_no_wealth_is_over_what_it_is_at_most(ticks: list[list[float]]) -> None:
    """So the strongest of many is found without working each of them out."""
    wealth = Wealth.fresh(3)
    for gains in ticks:
        assert wealth.log_e <= wealth.most
        wealth = wealth.bet(gains)
    assert wealth.log_e <= wealth.most
