"""The traffic of the detection benchmark: seeded draws of what each pod of both arms counts in each tick.

A rollout is ten minutes of 15 s ticks with ten pods, of which pod 0 is the candidate (a 10 % canary) unless the
weight is drawn otherwise. Arrays have the shape (rollouts, pods, ticks).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TICK = 15.0
TICKS = 40
PODS = 10
HISTORY = 240
CLUSTER = 3.0
"""Mean size of the clusters in bursty traffic, geometric, each on one pod: φ is about 5."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One combination of traffic and healthy error rate."""

    rps: float
    base: float

    def __str__(self) -> str:
        return f"{self.rps:g} rps, {self.base:.1%} base"


@dataclass(frozen=True)
class Counts:
    """What the pods counted."""

    requests: Array
    errors: Array

    def arms(self) -> tuple[Array, Array, Array, Array]:
        """Candidate requests and errors, baseline requests and errors, each (rollouts, ticks)."""
        n, e = self.requests, self.errors
        return n[:, 0], e[:, 0], n[:, 1:].sum(1), e[:, 1:].sum(1)


@dataclass(frozen=True)
class Fault:
    """What is wrong with the candidate: its rate as a multiple of the base or absolute, from a tick on."""

    name: str
    factor: float = 1.0
    rate: float | None = None
    onset: int = 0
    creeping: bool = False

    def rates(self, base: float) -> Array:
        """The candidate's error rate in each tick."""
        bad = self.rate if self.rate is not None else base * self.factor
        rates = np.full(TICKS, base)
        rates[self.onset :] = np.linspace(base, bad, TICKS - self.onset) if self.creeping else bad
        return rates


HEALTHY = Fault("healthy")
FAULTS = (
    Fault("×2", factor=2),
    Fault("×5", factor=5),
    Fault("10 %", rate=0.1),
    Fault("50 %", rate=0.5),
    Fault("×5 after 5 min", factor=5, onset=20),
    Fault("creeping to ×5", factor=5, creeping=True),
)


def traffic(rng: np.random.Generator, cell: Cell, rollouts: int, ticks: int = TICKS) -> Array:
    """Poisson requests, spread evenly over the pods."""
    return rng.poisson(cell.rps * TICK / PODS, (rollouts, PODS, ticks)).astype(float)


def independent(rng: np.random.Generator, cell: Cell, rollouts: int, fault: Fault = HEALTHY) -> Counts:
    """Each request fails on its own."""
    requests = traffic(rng, cell, rollouts)
    rates = np.full((PODS, TICKS), cell.base)
    rates[0] = fault.rates(cell.base)
    return Counts(requests, rng.binomial(requests.astype(int), rates).astype(float))


def bursty(
    rng: np.random.Generator, cell: Cell, rollouts: int, fault: Fault = HEALTHY, ticks: int = TICKS
) -> Counts:
    """Errors come in clusters of geometric size, each on one pod."""
    requests = traffic(rng, cell, rollouts, ticks)
    rates = np.full((PODS, ticks), cell.base)
    if ticks == TICKS:
        rates[0] = fault.rates(cell.base)
    clusters = rng.poisson(requests * rates / CLUSTER)
    extra = rng.negative_binomial(np.maximum(clusters, 1), 1 / CLUSTER)
    errors = np.where(clusters > 0, clusters + extra, 0).astype(float)
    return Counts(requests, np.minimum(errors, requests))


def drifting(rng: np.random.Generator, cell: Cell, rollouts: int) -> Counts:
    """Nothing wrong: both arms' rate rises threefold over the rollout while the candidate's traffic doubles."""
    requests = traffic(rng, cell, rollouts)
    share = np.linspace(0.05, 0.1, TICKS) / 0.1
    requests[:, 0] = rng.poisson(cell.rps * TICK / PODS * share, (rollouts, TICKS))
    rates = np.broadcast_to(cell.base * np.linspace(1, 3, TICKS), requests.shape)
    return Counts(requests, rng.binomial(requests.astype(int), rates).astype(float))


def outage(rng: np.random.Generator, cell: Cell, rollouts: int) -> Counts:
    """Nothing wrong with the candidate: three minutes in which half of all requests fail in both arms."""
    requests = traffic(rng, cell, rollouts)
    rates = np.full(TICKS, cell.base)
    start = rng.integers(4, TICKS - 16)
    rates[start : start + 12] = 0.5
    return Counts(requests, rng.binomial(requests.astype(int), rates).astype(float))


def history(rng: np.random.Generator, cell: Cell, hours: int, *, clustered: bool) -> Counts:
    """The hour before: ten baseline pods, healthy."""
    if clustered:
        return bursty(rng, cell, hours, ticks=HISTORY)
    requests = traffic(rng, cell, hours, HISTORY)
    return Counts(requests, rng.binomial(requests.astype(int), cell.base).astype(float))


def bound(cell: Cell, fault: Fault, alpha: float, weight: float = 1 / PODS) -> float:
    """Ticks that no test of level α can undercut on average, the baseline's rate unknown: ln(1/α) over the Kullback-
    Leibler divergence per tick, given the errors of both arms (Wald)."""
    rate = float(fault.rates(cell.base)[-1])
    ours, theirs = weight * rate, (1 - weight) * cell.base
    share = ours / (ours + theirs)
    divergence = share * np.log(share / weight) + (1 - share) * np.log((1 - share) / (1 - weight))
    return float(np.log(1 / alpha) / (cell.rps * TICK * (ours + theirs) * divergence))
