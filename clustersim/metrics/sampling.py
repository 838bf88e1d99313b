"""Random counts for the traffic model: how many requests, how many of them failed, how long they took."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

_EXACT = 64


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson count; from the normal approximation where the mean is large."""
    if mean <= 0:
        return 0
    if mean > _EXACT:
        return max(round(rng.gauss(mean, math.sqrt(mean))), 0)
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def binomial(rng: random.Random, trials: int, share: float) -> int:
    """How many of `trials` succeed at probability `share`; approximated where trials are many."""
    if trials <= 0 or share <= 0:
        return 0
    if share >= 1:
        return trials
    if trials <= _EXACT:
        return _inverted(rng, trials, share) if share <= 0.5 else trials - _inverted(rng, trials, 1 - share)
    mean = trials * share
    if mean < 16:
        return min(poisson(rng, mean), trials)
    if trials - mean < 16:
        return trials - min(poisson(rng, trials - mean), trials)
    return min(max(round(rng.gauss(mean, math.sqrt(mean * (1 - share)))), 0), trials)


def _inverted(rng: random.Random, trials: int, share: float) -> int:
    """An exact binomial count of few trials from one random number, for a share of a half at most."""
    odds, chance = share / (1 - share), (1 - share) ** trials
    left, count = rng.random() - chance, 0
    while left > 0 and count < trials:
        chance *= odds * (trials - count) / (count + 1)
        left -= chance
        count += 1
    return count


def multinomial(rng: random.Random, trials: int, shares: Sequence[float]) -> list[int]:
    """`trials` spread over categories with these probabilities (which sum to 1)."""
    counts = []
    left, rest = trials, 1.0
    for share in shares[:-1]:
        count = binomial(rng, left, min(share / rest, 1.0)) if rest > 0 else 0
        counts.append(count)
        left -= count
        rest -= share
    return [*counts, left]
