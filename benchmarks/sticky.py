"""Sticky clients: heavy-tailed clients, some of which always fail, each bound to one pod.

Nothing is wrong with either arm; by bad luck a client that always fails is bound to the canary. A rollout binds every
client again. Some clients send all the time, before and during the rollout; the others have one session each. Or all
the clients of the rollout are ones that the hour before never saw.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.scenarios import HISTORY, PODS, TICKS, Array, Counts


@dataclass(frozen=True)
class Population:
    """How the clients of a service are drawn, for each ten minutes.

    `tail` is the Pareto exponent of their request numbers, `failing` the share of clients that fail far more than the
    others (Beta(0.8, 0.8) distributed), `steady` the share that sends throughout instead of in one session.
    """

    clients: int = 1500
    requests: int = 10_000
    tail: float = 1.3
    failing: float = 0.03
    steady: float = 0.3
    base: float = 0.005


@dataclass(frozen=True)
class World:
    """Rollouts in one world after another, and the hour before them, one for each world."""

    before: Counts
    during: Counts


def _clients(rng: np.random.Generator, population: Population, ticks: int) -> tuple[Array, Array]:
    """Requests and errors of each client in each tick: steady clients throughout, the others in one session."""
    stretches = ticks / TICKS
    steady = round(population.clients * population.steady)
    single = round(population.clients * (1 - population.steady) * stretches)
    weights = rng.pareto(population.tail, steady + single) + 0.2
    weights = np.minimum(weights, weights.mean() * population.clients * 0.05)
    each = weights / weights.mean() * population.requests / population.clients
    requests = np.zeros((steady + single, ticks))
    requests[:steady] = rng.poisson(each[:steady, None] / TICKS, (steady, ticks))
    numbers, starts, widths = (
        rng.poisson(each[steady:]),
        rng.integers(0, ticks, single),
        1 + rng.geometric(0.3, single),
    )
    client = np.repeat(np.arange(single), numbers)
    at = starts[client] + (rng.random(len(client)) * widths[client]).astype(int)
    cells = client * ticks + np.minimum(at, ticks - 1)
    requests[steady:] = np.bincount(cells, minlength=single * ticks).reshape(single, ticks)
    bad = rng.random(steady + single) < population.failing
    rates = np.where(bad, rng.beta(0.8, 0.8, steady + single), population.base)
    return requests, rng.binomial(requests.astype(int), rates[:, None]).astype(float)


def _bound(rng: np.random.Generator, requests: Array, errors: Array, times: int) -> Counts:
    """The pods' counts when each client is bound to a random pod, so many times."""
    counts = [np.zeros((times, PODS, requests.shape[1])) for _ in range(2)]
    for index in range(times):
        pods = np.zeros((PODS, len(requests)))
        pods[rng.integers(0, PODS, len(requests)), np.arange(len(requests))] = 1
        counts[0][index], counts[1][index] = pods @ requests, pods @ errors
    return Counts(*counts)


def worlds(
    rng: np.random.Generator, population: Population, number: int, rollouts: int, *, same: bool
) -> World:
    """Several draws of the population, each with an hour before and so many rollouts after it."""
    before, during = [], []
    for _ in range(number):
        requests, errors = _clients(rng, population, HISTORY + TICKS)
        before.append(_bound(rng, requests[:, :HISTORY], errors[:, :HISTORY], 1))
        after = requests[:, HISTORY:], errors[:, HISTORY:]
        during.append(_bound(rng, *(after if same else _clients(rng, population, TICKS)), rollouts))
    return World(_joined(before), _joined(during))


def _joined(parts: list[Counts]) -> Counts:
    requests = np.concatenate([part.requests for part in parts])
    return Counts(requests, np.concatenate([part.errors for part in parts]))


def broken(rng: np.random.Generator, healthy: Counts, share: float) -> Counts:
    """The same rollouts with a further share of the canary's good requests failing."""
    errors = healthy.errors.copy()
    good = (healthy.requests - healthy.errors)[:, 0].astype(int)
    errors[:, 0] += rng.binomial(good, share)
    return Counts(healthy.requests, errors)
