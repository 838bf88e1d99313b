"""Sticky clients: heavy-tailed clients, some of which always fail, each bound to one pod for the whole rollout.

Nothing is wrong with either arm; by bad luck a client that always fails is bound to the canary. The hour before has
either the same clients, bound anew (what a rollout does to session affinity), or wholly different ones.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.scenarios import PODS, TICKS, Array, Counts


@dataclass(frozen=True)
class Population:
    """How the clients of a service are drawn.

    `tail` is the Pareto exponent of their request numbers, `failing` the share of clients that fail far more than the
    others (Beta(0.8, 0.8) distributed), `steady` the share that sends throughout instead of in one session.
    """

    clients: int = 1500
    requests: int = 10_000
    tail: float = 1.3
    failing: float = 0.03
    steady: float = 0.3
    base: float = 0.005


def clients(rng: np.random.Generator, population: Population) -> tuple[Array, Array]:
    """Requests and errors of each client in each tick."""
    weights = rng.pareto(population.tail, population.clients) + 0.2
    weights = np.minimum(weights, weights.sum() * 0.05)
    numbers = rng.poisson(weights / weights.sum() * population.requests)
    steady = rng.random(population.clients) < population.steady
    requests = np.zeros((population.clients, TICKS))
    for client, number in enumerate(numbers):
        start, length = (0, TICKS) if steady[client] else (rng.integers(0, TICKS), 1 + rng.geometric(0.3))
        at = np.minimum(rng.integers(start, start + length, number), TICKS - 1)
        np.add.at(requests[client], at, 1)
    bad = rng.random(population.clients) < population.failing
    rates = np.where(bad, rng.beta(0.8, 0.8, population.clients), population.base)
    return requests, rng.binomial(requests.astype(int), rates[:, None]).astype(float)


def bind(rng: np.random.Generator, requests: Array, errors: Array, rollouts: int) -> Counts:
    """The pods' counts when each client is bound to a random pod, once per rollout."""
    shape = (rollouts, PODS, TICKS)
    counts = Counts(np.zeros(shape), np.zeros(shape))
    for rollout in range(rollouts):
        bound = np.zeros((PODS, len(requests)))
        bound[rng.integers(0, PODS, len(requests)), np.arange(len(requests))] = 1
        counts.requests[rollout], counts.errors[rollout] = bound @ requests, bound @ errors
    return counts


@dataclass(frozen=True)
class World:
    """Rollouts of one population, with what was seen before each of them."""

    before: Counts
    during: Counts


def worlds(
    rng: np.random.Generator, population: Population, number: int, rollouts: int, *, same: bool
) -> World:
    """Several draws of the population, each with so many rollouts, put together."""
    parts = []
    for _ in range(number):
        drawn = clients(rng, population)
        before = bind(rng, *drawn, rollouts)
        parts.append((before, bind(rng, *(drawn if same else clients(rng, population)), rollouts)))
    return World(_joined([before for before, _ in parts]), _joined([during for _, during in parts]))


def _joined(parts: list[Counts]) -> Counts:
    requests = np.concatenate([part.requests for part in parts])
    return Counts(requests, np.concatenate([part.errors for part in parts]))


def broken(rng: np.random.Generator, healthy: Counts, share: float) -> Counts:
    """The same rollouts with a further share of the canary's good requests failing."""
    errors = healthy.errors.copy()
    good = (healthy.requests - healthy.errors)[:, 0].astype(int)
    errors[:, 0] += rng.binomial(good, share)
    return Counts(healthy.requests, errors)
