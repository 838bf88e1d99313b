"""Rollouts that begin with a cold start: how soon a bad one is found, and how often a slow start is rolled back.

A world is one workload: how its pods start (an error rate that decays, or is there until a cache is full; requests
that take longer), how much pods differ, and what its last rollout recorded of that. Ten pods, of which one is the
candidate's; draws are by the second.

    python -m benchmarks.starts [--rollouts N] [--seed N] [--out docs/benchmarks/starts.md]
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np

from benchmarks.scenarios import PODS, Array
from benchmarks.sentinel_runs import START, STEP
from sentinel.domain.evidence import (
    ERRORS_OVER,
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    PodStart,
    as_histogram,
)
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery, LatencyRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.looks import LastAsked, next_look, suspected
from sentinel.engine.evidence.schedule import SourceTiming, Window
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.rules.latency import judge_latency
from sentinel.engine.statistics.starts import AGES, StartProfile, Starts

SECONDS = 120
"""How long a rollout is watched; its pod is warm after half a minute and old after a whole."""
BOUNDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, inf)
MEDIAN, SPREAD = 0.06, 0.6
"""Of a warm pod's latencies in seconds, lognormal."""


@dataclass(frozen=True)
class Population:
    """Workloads alike: requests a second of all pods together, the warm error rate and the rule's limits.

    A start fails a share of requests between the two `errors`, and takes a multiple of the time between the two
    `slower`, for as long as between the two `lasts` (seconds). Pods differ by a lognormal factor of σ = `spread`.
    """

    rps: float = 200.0
    base: float = 0.001
    limit: float = 0.01
    errors: tuple[float, float] = (0.0, 0.0)
    slower: tuple[float, float] = (1.0, 1.0)
    lasts: tuple[float, float] = (10.0, 60.0)
    spread: float = 0.5


@dataclass(frozen=True)
class World:
    """One workload's start: the extra share that fails and the factor of the latency, at each second of a pod."""

    population: Population
    errors: Array
    slower: Array

    @classmethod
    def drawn(cls, rng: np.random.Generator, population: Population) -> "World":
        """A workload of the population; half of them warm up gradually, half all at once."""
        seconds = np.arange(SECONDS) + 0.5
        lasts = _between(rng, population.lasts)
        shape = np.exp(-3 * seconds / lasts) if rng.random() < 0.5 else (seconds < lasts) * 1.0
        return cls(
            population,
            _between(rng, population.errors) * shape,
            1 + (_between(rng, population.slower) - 1) * shape,
        )

    def pods(self, rng: np.random.Generator, number: int, fault: float = 0.0) -> tuple[Array, Array, Array]:
        """Requests, errors and latency buckets of so many starting pods by the second; `fault` adds errors."""
        population = self.population
        requests = rng.poisson(population.rps / PODS, (number, SECONDS))
        own = rng.lognormal(-(population.spread**2) / 2, population.spread, (number, 1))
        rates = np.clip(population.base + self.errors * own + fault, 0, 1)
        slower = 1 + (self.slower - 1) * own
        z = (np.log(np.array(BOUNDS[:-1])) - np.log(MEDIAN * slower)[..., None]) / SPREAD
        below = np.concatenate([_normal(z), np.ones((*z.shape[:-1], 1))], axis=-1)
        shares = np.diff(below, axis=-1, prepend=0.0)
        return requests, rng.binomial(requests, rates), rng.multinomial(requests, shares)


def _between(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """Log-uniform between the two; the lower where both are the same."""
    low, high = ends
    return low if low == high else float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _normal(z: Array) -> Array:
    """The normal distribution function, by the logistic-like approximation of Bowling et al. (2009)."""
    return 1 / (1 + np.exp(-(0.07056 * z**3 + 1.5976 * z)))


@dataclass(frozen=True)
class Method:
    """How the rollouts are judged: the tick and the time between two scrapes in seconds, and whether the start is
    compared or left out."""

    tick: int = 15
    learnt: bool = True
    warmup: int = 30
    scrape: int = 1


def run(
    rng: np.random.Generator, population: Population, method: Method, rollouts: int, *, fault: float = 0.0
) -> Array:
    """Seconds from the first ready pod to the undo by the error rate, a rollout in each world; infinity where none."""
    rule = ErrorRateRule(
        "error-rate", CountQuery("prometheus", "t", "e"), population.limit, timedelta(seconds=method.tick)
    )
    times = []
    for _ in range(rollouts):
        world = World.drawn(rng, population)
        times.append(_rollout(rng, world, method, rule, fault))
    return np.array(times)


def run_latency(
    rng: np.random.Generator, population: Population, method: Method, rollouts: int, rule: LatencyRule
) -> Array:
    """As `run`, by a latency rule."""
    return np.array([_rollout(rng, World.drawn(rng, population), method, rule, 0.0) for _ in range(rollouts)])


def _rollout(
    rng: np.random.Generator, world: World, method: Method, rule: ErrorRateRule | LatencyRule, fault: float
) -> float:
    limit = rule.limit if isinstance(rule, LatencyRule) else ERRORS_OVER
    profile = None
    if method.learnt:
        before = world.pods(rng, PODS)
        profile = StartProfile(limit)
        for pod in range(PODS):
            phase = int(rng.integers(method.tick)) if method.tick > 1 else 0
            scraped = int(rng.integers(method.scrape))
            for since, until in _ticks(method.tick, phase, SECONDS):
                if since >= AGES[-1]:
                    break
                seen = _seen(rule, before, pod, *(_scraped(method, scraped, at) for at in (since, until)))
                profile = profile.after([PodStart(f"pod-{pod}", since, until, seen, True)])
    starts = Starts(StartProfile(limit), profile)
    young, state = world.pods(rng, 1, fault), None
    warm = World(world.population, np.zeros(SECONDS), np.ones(SECONDS)).pods(rng, PODS - 1)
    scrapes = [int(each) for each in rng.integers(method.scrape, size=PODS)]

    def judged(since: float, until: float) -> tuple[Mapping[str, object], RuleVerdict, tuple[PodStart, ...]]:
        ours, *others = (
            _seen(rule, pods, pod, *(_scraped(method, scrapes[n], each) for each in (since, until)))
            for n, (pods, pod) in enumerate([(young, 0), *((warm, each) for each in range(PODS - 1))])
        )
        cold = since < method.warmup
        start = (PodStart("new", since, until, ours, cold),) if since < AGES[-1] else ()
        empty = Histogram(ours.bounds, (0,) * len(ours.bounds))
        arms = (empty if cold else ours, sum(others, Histogram()))
        return (*_judged(rule, state, arms, start, (since, until), starts), start)

    phase = int(rng.integers(method.tick)) if method.tick > 1 else 0
    for since, until in _ticks(method.tick, phase, SECONDS):
        state, verdict, start = judged(since, until)
        if verdict.kind is VerdictKind.FAIL:
            return float(until)
        starts = starts.after(start)
        for look in _looks(rule, method, scrapes, until) if suspected([verdict]) else ():
            if judged(until, look)[1].kind is VerdictKind.FAIL:
                return look
    return inf


def _scraped(method: Method, phase: int, at: float) -> int:
    """When a pod had been scraped last; it counts from zero when it is ready."""
    return max(0, int(at - phase) // method.scrape * method.scrape + phase) if at >= phase else 0


def _looks(
    rule: ErrorRateRule | LatencyRule, method: Method, phases: list[int], ticked: int
) -> Iterator[float]:
    """The extra looks after a whole tick, by the phases of the scrapes, the candidate's first."""
    began = START + timedelta(seconds=ticked)
    timing = SourceTiming(timedelta(seconds=method.scrape))
    behind = [(phase - phases[0]) % method.scrape for phase in phases[1:]]
    asked: datetime | None = began
    while asked is not None:
        at = (asked - START).total_seconds()
        scraped = _scraped(method, phases[0], at) + sorted(behind)[len(behind) // 2]
        last = LastAsked(asked, START + timedelta(seconds=scraped))
        asked = next_look(rule, Window(began, began, began + rule.interval), last, timing)
        if asked is not None:
            yield (asked - START).total_seconds()


def _judged(
    rule: ErrorRateRule | LatencyRule,
    state: Mapping[str, object] | None,
    arms: tuple[Histogram, Histogram],
    start: tuple[PodStart, ...],
    ends: tuple[float, float],
    starts: Starts,
) -> tuple[Mapping[str, object], RuleVerdict]:
    since, until = (START + timedelta(seconds=second) for second in ends)
    if isinstance(rule, LatencyRule):
        tick = HistogramTick(since, until, *arms, starts=start)
        return judge_latency(rule, state, tick, STEP, until, dispersion=2.0, starts=starts)
    ours, theirs = (Counts(sum(arm.counts), arm.counts[1]) for arm in arms)
    counted = CountTick(since, until, ours, theirs, {}, starts=start)
    return judge_error_rate(rule, state, counted, STEP, until, dispersion=2.0, starts=starts)


def _ticks(tick: int, phase: int, ends: int) -> Sequence[tuple[int, int]]:
    """The ticks in seconds since the pod was ready; the first is what is left of the one in which that was."""
    marks = [0, *range(phase or tick, ends + 1, tick)]
    return list(pairwise(marks))


def _seen(
    rule: ErrorRateRule | LatencyRule, pods: tuple[Array, Array, Array], pod: int, since: int, until: int
) -> Histogram:
    requests, errors, buckets = pods
    if isinstance(rule, LatencyRule):
        return Histogram(BOUNDS, tuple(buckets[pod, since:until].sum(0).tolist()))
    total, failed = int(requests[pod, since:until].sum()), int(errors[pod, since:until].sum())
    return as_histogram(Counts(total, failed))


LATENCY_RULE = LatencyRule("latency", HistogramQuery("prometheus", "d"), limit=0.25, quantile=0.99)


CELLS = {
    "errors 1 to 20%, σ 0.5, 200 rps": Population(errors=(0.01, 0.2)),
    "errors 1 to 20%, σ 0.8, 200 rps": Population(errors=(0.01, 0.2), spread=0.8),
    "errors 1 to 20%, σ 0.5, 1,000 rps": Population(rps=1000, errors=(0.01, 0.2)),
    "errors 5 to 50% for 3 to 10 s, σ 0.5, 1,000 rps": Population(
        rps=1000, errors=(0.05, 0.5), lasts=(3.0, 10.0)
    ),
    "errors 10 to 80% for 2 to 6 s, σ 0.8, 200 rps": Population(
        errors=(0.1, 0.8), lasts=(2.0, 6.0), spread=0.8
    ),
}
LEARNT, AS_BEFORE, EACH_SECOND = Method(scrape=15), Method(learnt=False, scrape=15), Method(1, scrape=1)
WAYS = ((1, 1), (5, 5), (15, 1), (15, 5), (15, 15))
"""Ticks and scrape intervals in seconds."""


def tables(seed: int, rollouts: int) -> Iterator[str]:
    """The report, line by line."""
    rng = np.random.default_rng([seed, 300])
    yield from (
        "| slow starters, nothing wrong | tick and scrapes 15 s | tick 15 s, scrapes 5 s | tick and scrapes 1 s "
        "| warm-up left out |",
        "|---|---|---|---|---|",
    )
    ways = (LEARNT, Method(scrape=5), EACH_SECOND, AS_BEFORE)
    for name, population in CELLS.items():
        shares = [np.isfinite(run(rng, population, each, rollouts)).mean() for each in ways]
        yield f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"
    slow = Population(slower=(2.0, 10.0))
    shares = [np.isfinite(run_latency(rng, slow, each, rollouts, LATENCY_RULE)).mean() for each in ways]
    yield "| latency ×2 to ×10, p99 over 250 ms, 200 rps | " + " | ".join(f"{s:.1%}" for s in shares) + " |"
    yield from (
        "",
        "| 12% errors, 200 rps | start learnt, p50 / p90 | warm-up left out | ratio of p50 |",
        "|---|---|---|---|",
    )
    for tick, scrape in WAYS:
        for limit in (0.01, 0.05):
            cell = Population(limit=limit)
            ends = []
            for learnt in (True, False):
                method = Method(tick, learnt, scrape=scrape)
                times = run(rng, cell, method, rollouts, fault=0.12)
                ends.append(np.quantile(times, [0.5, 0.9], method="inverted_cdf"))
            texts = [f"{p50:g} s / {p90:g} s" for p50, p90 in ends]
            ratio = ends[0][0] / ends[1][0]
            name = f"tick {tick} s, scraped each {scrape} s, limit {limit:.0%}"
            yield f"| {name} | {texts[0]} | {texts[1]} | {ratio:.2f} |"


def main() -> None:
    """Draw everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=400, help="rollouts in each cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/starts.md"))
    arguments = parser.parse_args()
    body = "\n".join(tables(arguments.seed, arguments.rollouts))
    arguments.out.write_text(HEAD.format(rollouts=arguments.rollouts, seed=arguments.seed) + body + "\n")


HEAD = """# Cold starts

`python -m benchmarks.starts --rollouts {rollouts} --seed {seed}` wrote this page. Ten pods, of which one is the
candidate's; each rollout is in another workload, whose starts last 10 to 60 s where nothing else is said. Times count
from the first ready pod. The last rollout recorded how ten pods start. Each pod is scraped at another phase; once the
evidence is 3:1, extra looks are taken when both arms are scraped again. φ is 2, the level 1% for this one rule. σ is
how much pods differ (a lognormal factor of the whole start). [How it works](../judgement.md#cold-starts).

"""


if __name__ == "__main__":
    main()
