"""How requests are answered, and what is counted of them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import NormalDist

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""Upper bounds of the duration histogram, in seconds."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well requests are answered.

    `errors`: share answered with `error_code`. `latency`: median duration in seconds of a log-normal
    distribution, `spread`: its sigma (0.5 puts the 99th percentile at 3.2 times the median).
    """

    errors: float = 0.001
    latency: float = 0.05
    spread: float = 0.5
    error_code: str = "500"

    def shares(self) -> list[float]:
        """The share of requests that ends in each bucket."""
        if self.spread == 0:
            first = next(i for i, bound in enumerate(BUCKETS) if self.latency <= bound)
            return [float(i == first) for i in range(len(BUCKETS))]
        normal = NormalDist(math.log(self.latency), self.spread)
        below = [1.0 if math.isinf(bound) else normal.cdf(math.log(bound)) for bound in BUCKETS]
        return [high - low for low, high in zip([0.0, *below], below, strict=False)]

    def total(self, rng: random.Random, count: int) -> float:
        """The summed duration of `count` requests, in seconds."""
        if count <= 0:
            return 0.0
        mean = self.latency * math.exp(self.spread**2 / 2)
        deviation = mean * math.sqrt(math.expm1(self.spread**2))
        return max(rng.gauss(mean * count, deviation * math.sqrt(count)), 0.0)


@dataclass(slots=True)
class PodCounters:
    """What one run of a pod's container has counted: requests by code, durations by bucket and in sum."""

    namespace: str
    pod: str
    image: str
    restarts: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """All requests of this run."""
        return sum(self.requests.values())
