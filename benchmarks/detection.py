"""The detection benchmark: how fast a bad canary is found, and how often a good one is rolled back, against peers.

    python -m benchmarks.detection [--quick] [--seed N] [--out docs/benchmarks]

All draws are seeded; the product's judgement is the real engine's, the peers are modelled from their documentation.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import latencies, peers, report, scenarios, sticky
from benchmarks.results import Healthy, Outcome, Table
from benchmarks.scenarios import FAULTS, Array, Cell, Counts
from benchmarks.sentinel_runs import calibrations, learn, run, run_latency
from sentinel.domain.policy.rules import HistogramQuery, LatencyRule
from sentinel.engine.statistics.calibration import Calibration

CELLS = tuple(Cell(rps, base) for base in (0.01, 0.001) for rps in (1, 10, 100, 1000))
LEVEL = 0.01
OURS = "Sentinel"
OURS_FIXED = "Sentinel, max: 5%"
OURS_LOOKING = "Sentinel, scraped each 5 s"
LOOKS = 3
"""Scrapes of 5 s in each tick of 15 s."""


@dataclass(frozen=True)
class Size:
    """How many rollouts are drawn."""

    healthy: int
    faulty: int
    hours: int
    worlds: int


FULL = Size(healthy=600, faulty=240, hours=40, worlds=150)
QUICK = Size(healthy=60, faulty=30, hours=5, worlds=5)

ROLLOUTS = 10
"""Rollouts in each world of sticky clients."""

Method = Callable[[Counts], Array]


def methods(
    cell: Cell, learnt: list[Calibration], healthy: Counts, *, tuned_too: bool = True
) -> dict[str, Method]:
    """Everything that is compared in a cell; peers tuned on these healthy rollouts."""
    chosen: dict[str, Method] = {
        OURS: partial(run, limit=cell.base, learnt=learnt),
        OURS_FIXED: partial(run, limit=0.05, learnt=learnt),
        OURS_LOOKING: partial(run, limit=cell.base, learnt=learnt, looks=LOOKS),
    }
    for name, (threshold, peer) in peers.TUNABLE.items():
        chosen[name] = partial(_with, peer, threshold)
        if tuned_too:
            best = peers.tuned(peer, healthy, LEVEL, cell.base)
            chosen[f"{name}, tuned"] = partial(_with, peer, best)
    return {**chosen, **peers.FIXED}


def _with(peer: peers.Peer, threshold: float, counts: Counts) -> Array:
    return peer(counts, threshold)


def judge_cell(rng: np.random.Generator, cell: Cell, size: Size) -> Iterator[Outcome]:
    """All outcomes of a cell: healthy in four kinds of traffic, then each fault, alone and in bursty traffic."""
    calm = calibrations(rng, cell, size.hours, clustered=False)
    rough = calibrations(rng, cell, size.hours, clustered=True)
    healthy = scenarios.independent(rng, cell, size.healthy)
    chosen = methods(cell, calm, healthy)
    kinds = {
        Healthy.INDEPENDENT: healthy,
        Healthy.DRIFTING: scenarios.drifting(rng, cell, size.healthy),
        Healthy.OUTAGE: scenarios.outage(rng, cell, size.healthy),
    }
    for kind, counts in kinds.items():
        for name, method in chosen.items():
            yield Outcome.of(str(cell), kind.value, "healthy", name, method(counts))
    for fault in FAULTS:
        counts = scenarios.independent(rng, cell, size.faulty, fault)
        for name, method in chosen.items():
            outcome = Outcome.of(
                str(cell), "independent", fault.name, name, method(counts), onset=fault.onset
            )
            yield outcome.with_bound(scenarios.TICK * scenarios.bound(cell, fault, LEVEL))
    yield from _bursty(rng, cell, size, rough)


def _bursty(rng: np.random.Generator, cell: Cell, size: Size, learnt: list[Calibration]) -> Iterator[Outcome]:
    healthy = scenarios.bursty(rng, cell, size.healthy)
    chosen = methods(cell, learnt, healthy)
    for name, method in chosen.items():
        yield Outcome.of(str(cell), Healthy.BURSTY.value, "healthy", name, method(healthy))
    for fault in FAULTS[1:4]:
        counts = scenarios.bursty(rng, cell, size.faulty, fault)
        for name, method in chosen.items():
            yield Outcome.of(str(cell), Healthy.BURSTY.value, fault.name, name, method(counts))


POPULATIONS = {
    "10,000 requests": sticky.Population(),
    "40,000 requests": sticky.Population(clients=3000, requests=40_000),
    "few heavy clients": sticky.Population(tail=1.1, failing=0.02),
    "all steady": sticky.Population(steady=1.0),
    "short sessions": sticky.Population(steady=0.0),
}


def judge_sticky(rng: np.random.Generator, size: Size) -> Iterator[Outcome]:
    """Sticky clients: healthy, and with a further 10 % and 20 % of the canary's requests failing."""
    for name, population in POPULATIONS.items():
        for same in (True, False):
            world = sticky.worlds(rng, population, size.worlds, ROLLOUTS, same=same)
            limit = 2 * world.before.errors.sum() / world.before.requests.sum()
            chosen: dict[str, Method] = {
                OURS: partial(run, limit=limit, learnt=np.repeat(learn(world.before), ROLLOUTS).tolist()),
                "Sentinel, no history": partial(run, limit=limit, learnt=[Calibration()]),
                "Sentinel, φ = 1": partial(run, limit=limit, learnt=[Calibration(1.0, 0.0, 1)]),
                "Flagger, 1 failure": partial(_with, peers.TUNABLE["Flagger, 1 failure"][1], limit),
                "Argo Rollouts, 1m/3": partial(_with, peers.TUNABLE["Argo Rollouts, 1m/3"][1], limit),
                "Prometheus, for: 1m": partial(_with, peers.TUNABLE["Prometheus, for: 1m"][1], limit),
            }
            kind = "steady clients seen before" if same else "all clients new"
            for share in (0.0, 0.1, 0.2):
                counts = sticky.broken(rng, world.during, share) if share else world.during
                for method_name, method in chosen.items():
                    fault = f"+{share:.0%}" if share else "healthy"
                    yield Outcome.of(name, kind, fault, method_name, method(counts)).in_worlds(ROLLOUTS)


def judge_latencies(rng: np.random.Generator, size: Size) -> Iterator[Outcome]:
    """Latency rules: the mean over 150 ms (1.5 times the healthy one), and the p99 over 1 s."""
    query = HistogramQuery("prometheus", "duration")
    rules = {
        "mean: 150ms": LatencyRule("latency", query, limit=0.15),
        "p99: 1s": LatencyRule("latency", query, limit=1.0, quantile=0.99),
    }
    for rps in (10, 100):
        for fault in (latencies.HEALTHY, *latencies.FAULTS):
            number = size.healthy // 2 if fault is latencies.HEALTHY else size.faulty
            arms = latencies.rollouts(rng, rps, number, fault)
            for name, rule in rules.items():
                times = {
                    OURS: run_latency(rule, *arms, latencies.BOUNDS),
                    "Prometheus, for: 1m": latencies.alert(arms[0], rule.limit, rule.quantile, 60),
                    "Prometheus, for: 5m": latencies.alert(arms[0], rule.limit, rule.quantile, 300),
                }
                for method, found in times.items():
                    yield Outcome.of(f"{rps} rps", name, fault.name, method, found)


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rollouts: under a minute, coarse figures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    began = time.monotonic()
    clients = Table(judge_sticky(np.random.default_rng([arguments.seed, 100]), size))
    print(f"sticky clients: {time.monotonic() - began:.0f} s", flush=True)
    errors = Table()
    for index, cell in enumerate(CELLS):
        errors.extend(judge_cell(np.random.default_rng([arguments.seed, index]), cell, size))
        print(f"{cell}: {time.monotonic() - began:.0f} s", flush=True)
    slow = Table(judge_latencies(np.random.default_rng([arguments.seed, 200]), size))
    arguments.out.mkdir(parents=True, exist_ok=True)
    report.write(arguments.out, errors, clients, slow, seed=arguments.seed, quick=arguments.quick)
    print(f"written to {arguments.out} after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
