"""Latency scenarios: lognormal latencies in Prometheus' default buckets, and faults that slow some or all requests.

A tick's sum of latencies is taken as the buckets' expected values: what is drawn at random is which bucket each
request falls into.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from scipy.stats import lognorm

from benchmarks.peers import MINUTE, first_run
from benchmarks.scenarios import PODS, TICK, TICKS, Array

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, inf)
MEDIAN = 0.08
SIGMA = 0.7
WEIGHT = 1 / PODS


@dataclass(frozen=True)
class Slowness:
    """A share of requests takes this many times as long, or so many seconds more."""

    name: str
    factor: float = 1.0
    more: float = 0.0
    share: float = 0.0

    def draw(self, rng: np.random.Generator, requests: Array) -> Array:
        """Counts per bucket and, last, the sum in seconds."""
        chances, means = self._buckets()
        counts = rng.multinomial(requests.astype(int), chances)
        return np.concatenate([counts, (counts * means).sum(axis=-1, keepdims=True)], axis=-1)

    def _buckets(self) -> tuple[Array, Array]:
        """The chance of each bucket and the mean latency in it, by fine quadrature."""
        quantiles = (np.arange(20_000) + 0.5) / 20_000
        fast = lognorm.ppf(quantiles, SIGMA, scale=MEDIAN)
        slow = fast * self.factor + self.more
        values = np.concatenate([fast, slow])
        weights = np.repeat([1 - self.share, self.share], len(quantiles)) / len(quantiles)
        index = np.searchsorted(BOUNDS, values)
        chances = np.bincount(index, weights, len(BOUNDS))
        means = np.bincount(index, weights * values, len(BOUNDS)) / np.maximum(chances, 1e-12)
        return chances / chances.sum(), means


HEALTHY = Slowness("healthy")
FAULTS = (
    Slowness("all ×2", factor=2, share=1.0),
    Slowness("5 % take 2 s more", more=2, share=0.05),
    Slowness("all take 2 s more", more=2, share=1.0),
)


def rollouts(rng: np.random.Generator, rps: float, number: int, fault: Slowness) -> tuple[Array, Array]:
    """Candidate and baseline, each (rollouts, ticks, buckets + 1)."""
    ours = rng.poisson(rps * TICK * WEIGHT, (number, TICKS))
    theirs = rng.poisson(rps * TICK * (1 - WEIGHT), (number, TICKS))
    return fault.draw(rng, ours), HEALTHY.draw(rng, theirs)


def alert(candidate: Array, limit: float, quantile: float | None, hold: float) -> Array:
    """A Prometheus alert on the mean or on histogram_quantile over a minute, `for: hold` seconds."""
    sums = np.cumsum(candidate, axis=1)
    sums[:, MINUTE:] = sums[:, MINUTE:] - np.cumsum(candidate, axis=1)[:, :-MINUTE]
    counts = sums[..., :-1]
    total = counts.sum(axis=-1)
    value = sums[..., -1] / np.maximum(total, 1) if quantile is None else _quantile(counts, quantile)
    return first_run((value > limit) & (total > 0), hold)


def _quantile(counts: Array, quantile: float) -> Array:
    """PromQL's histogram_quantile."""
    cumulative = np.cumsum(counts, axis=-1)
    rank = quantile * cumulative[..., -1:]
    index = np.minimum((cumulative < rank).sum(axis=-1), len(BOUNDS) - 1)
    uppers = np.array([*BOUNDS[:-1], BOUNDS[-2]])
    lowers = np.array([0.0, *BOUNDS[:-1]])
    below = np.take_along_axis(np.concatenate([np.zeros_like(rank), cumulative], -1), index[..., None], -1)
    inside = np.take_along_axis(counts, index[..., None], -1)
    share = ((rank - below) / np.maximum(inside, 1))[..., 0]
    return lowers[index] + (uppers[index] - lowers[index]) * np.clip(share, 0, 1)
