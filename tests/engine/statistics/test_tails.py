"""Histograms as counts: edges, tails, quantiles, and bets on the mean that no place within a bucket can falsify."""

from itertools import product
from math import exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import Counts, Histogram
from sentinel.engine.statistics.histograms import (
    edges_in_use,
    estimated_mean,
    estimated_quantile,
    limit_edge,
    mean_gains,
    tail,
)

BOUNDS = (0.1, 0.5, 1.0, 2.5, inf)


def test_the_limits_edge_is_the_first_bound_at_or_over_it() -> None:
    """A limit on a bound is that bound; one between two is the upper; one over all is none."""
    assert limit_edge(BOUNDS, 0.5) == 0.5
    assert limit_edge(BOUNDS, 0.7) == 1.0
    assert limit_edge(BOUNDS, 3.0) is None


def test_edges_in_use_have_tails_that_tell_something() -> None:
    """Bounds above nearly all or nearly no requests are left out, the limit's is always in."""
    both = Histogram(BOUNDS, (100, 800, 95, 5, 0))
    assert edges_in_use(both, 2.5) == (0.5, 1.0, 2.5)


def test_the_tail_counts_requests_over_the_edge() -> None:
    """All requests, those above the bound as errors."""
    assert tail(Histogram(BOUNDS, (1, 2, 3, 4, 5)), 0.5) == Counts(15, 12)


def test_the_mean_is_the_sums_where_it_is_known() -> None:
    """The sum's mean is exact; without it the buckets' middles stand in."""
    assert estimated_mean(Histogram((1.0, inf), (4, 0), 3.0)) == 0.75
    assert estimated_mean(Histogram((1.0, inf), (4, 0))) == 0.5
    assert estimated_mean(Histogram()) is None


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    """The median of four requests in (0, 1] is in its middle; one in the last bucket is its lower bound."""
    assert estimated_quantile(Histogram((1.0, 2.0, inf), (4, 0, 0)), 0.5) == pytest.approx(0.5)
    assert estimated_quantile(Histogram((1.0, 2.0, inf), (1, 0, 9)), 0.99) == 2.0
    assert estimated_quantile(Histogram(), 0.5) is None


@given(st.lists(st.floats(0.001, 4.0), min_size=1, max_size=12), st.floats(0.2, 2.0), st.floats(0.01, 0.95))
def test_a_bet_on_the_mean_claims_no_more_than_the_latencies_themselves(
    latencies: list[float], limit: float, stake: float
) -> None:
    """What buckets and sum prove is at most what the true latencies would have proven."""
    counts = [0] * len(BOUNDS)
    for value in latencies:
        counts[next(i for i, bound in enumerate(BOUNDS) if value <= bound)] += 1
    exact = sum(log(1 + stake / limit * (value - limit)) for value in latencies)
    known = Histogram(BOUNDS, tuple(counts), sum(latencies))
    assert mean_gains(known, limit, (stake,))[0] <= exact + 1e-6
    assert mean_gains(Histogram(BOUNDS, tuple(counts)), limit, (stake,))[0] <= exact + 1e-6


def test_a_bet_on_the_mean_is_not_favourable_at_the_limit() -> None:
    """E[e] ≤ 1 for two requests of 0 s or 2.4 s, each with even chances, against their mean of 1.2 s."""
    expected = 0.0
    for pair in product((0.0, 2.4), repeat=2):
        counts = (pair.count(0.0), 0, 0, pair.count(2.4), 0)
        expected += 0.25 * exp(mean_gains(Histogram(BOUNDS, counts, sum(pair)), 1.2, (0.8,))[0])
    assert expected <= 1 + 1e-9


def test_the_sum_tells_what_the_buckets_cannot() -> None:
    """2 s against a limit of 1 s within the bucket (1, 2.5] is provable only with the sum."""
    counts = (0, 0, 0, 50, 0)
    assert mean_gains(Histogram(BOUNDS, counts, 100.0), 1.0, (0.8,))[0] > log(100)
    assert mean_gains(Histogram(BOUNDS, counts), 1.0, (0.8,))[0] == pytest.approx(0)


def test_edges_without_requests_are_the_limits_alone() -> None:
    """Nothing counted yet leaves only the limit's bound; a limit over all bounds leaves none."""
    assert edges_in_use(Histogram(BOUNDS, (0, 0, 0, 0, 0)), 0.5) == (0.5,)
    assert edges_in_use(Histogram(BOUNDS, (0, 0, 0, 0, 0)), 5.0) == ()


def test_many_useful_edges_are_thinned_out_evenly() -> None:
    """Of more bounds than are compared, the outermost and some between are taken."""
    bounds = (*[i / 10 for i in range(1, 11)], inf)
    assert edges_in_use(Histogram(bounds, (10,) * 11), 5.0) == (0.4, 0.6, 0.8, 1.0)
