"""Random counts keep their totals and their means."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.metrics.sampling import binomial, multinomial, poisson


@pytest.mark.parametrize("mean", [0.5, 5.0, 63.0, 500.0])
def test_poisson_counts_have_their_mean(mean: float) -> None:
    """Over 4,000 draws the mean is within five standard errors."""
    rng = random.Random(1)
    total = sum(poisson(rng, mean) for _ in range(4000))
    assert total / 4000 == pytest.approx(mean, abs=5 * (mean / 4000) ** 0.5)


@pytest.mark.parametrize(("trials", "share"), [(10, 0.3), (1000, 0.001), (1000, 0.5), (1000, 0.999)])
def test_binomial_counts_have_their_mean(trials: int, share: float) -> None:
    """In the exact, the rare, the middle and the nearly certain range."""
    rng = random.Random(2)
    total = sum(binomial(rng, trials, share) for _ in range(4000))
    error = (trials * share * (1 - share) / 4000) ** 0.5
    assert total / 4000 == pytest.approx(trials * share, abs=6 * error)


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 1), min_size=1, max_size=8), st.integers(0, 99))
def test_multinomial_counts_add_up(trials: int, weights: list[float], seed: int) -> None:
    """Every trial falls into exactly one category."""
    whole = sum(weights)
    counts = multinomial(random.Random(seed), trials, [weight / whole for weight in weights])
    assert sum(counts) == trials
    assert min(counts) >= 0
