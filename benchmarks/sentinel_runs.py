"""Runs the product's own judgement, tick by tick, on the benchmark's counts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.scenarios import TICK, Array, Cell, Counts, history
from sentinel.domain.evidence import Counts as Arm
from sentinel.domain.evidence import CountTick, Histogram, HistogramTick
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, LatencyRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.looks import SUSPICIOUS
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.rules.latency import judge_latency
from sentinel.engine.rules.segment import Segment
from sentinel.engine.statistics.calibration import Calibration, calibrate

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BURSTS = 0.25
STEP = Segment("canary", 1.0, concurrent=True)


def rule(limit: float, alpha: float = 0.01) -> ErrorRateRule:
    """An error-rate rule with this limit."""
    return ErrorRateRule("error-rate", CountQuery("prometheus", "total", "errors"), limit, alpha=alpha)


def calibrations(rng: np.random.Generator, cell: Cell, hours: int, *, clustered: bool) -> list[Calibration]:
    """What several hours of this traffic teach."""
    return learn(history(rng, cell, hours, clustered=clustered))


def learn(before: Counts) -> list[Calibration]:
    """What each of these stretches of baseline traffic teaches."""
    learnt = []
    for requests, errors in zip(before.requests.astype(int), before.errors.astype(int), strict=True):
        ticks = zip(requests.T.tolist(), errors.T.tolist(), strict=True)
        windows = [
            {f"pod-{i}": Arm(n, e) for i, (n, e) in enumerate(zip(*tick, strict=True))} for tick in ticks
        ]
        learnt.append(calibrate(windows))
    return learnt


def run(counts: Counts, limit: float, learnt: Sequence[Calibration], looks: int = 0) -> Array:
    """The second at which each rollout is failed; infinity where it is not.

    With `looks` the pods are scraped so many times a tick, and a suspected candidate is looked at with each scrape.
    """
    judged, times = rule(limit), []
    arms = [array.astype(int).tolist() for array in counts.arms()]
    rng = np.random.default_rng(len(learnt))
    for index, rows in enumerate(zip(*arms, strict=True)):
        parts = _parts(rng, rows, looks) if looks else None
        times.append(_rollout(judged, rows, learnt[index % len(learnt)], parts))
    return np.array(times)


Parts = Sequence[Sequence[tuple[int, int, int, int]]]
"""Of each tick what was counted up to each look in it, as in the rows of a rollout."""


def _parts(rng: np.random.Generator, rows: tuple[list[int], ...], looks: int) -> Parts:
    """Each tick's counts cut at random; a quarter of an arm's ticks has all of its errors in one part, as bursts do."""
    cut = []
    for counts in zip(*rows, strict=True):
        columns = []
        for number, errors in zip(counts[::2], counts[1::2], strict=True):
            failed = rng.multinomial(errors, [1 / looks] * looks)
            if rng.random() < BURSTS:
                failed = np.eye(looks, dtype=int)[rng.integers(looks)] * errors
            rest = rng.multinomial(number - errors, [1 / looks] * looks)
            columns += [(rest + failed).cumsum(), failed.cumsum()]
        cut.append([tuple(map(int, part)) for part in zip(*columns, strict=True)][:-1])
    return cut  # type: ignore[return-value]


def _rollout(
    judged: ErrorRateRule, rows: tuple[list[int], ...], learnt: Calibration, parts: Parts | None = None
) -> float:
    state: Mapping[str, object] | None = None
    odds = 0.0
    for index, counts in enumerate(zip(*rows, strict=True)):
        since = START + timedelta(seconds=TICK * index)
        for number, seen in enumerate(parts[index] if parts and odds >= SUSPICIOUS else (), start=1):
            share = number / (len(parts[index]) + 1) if parts else 1.0
            _, verdict = _judged(judged, state, since, share, seen, learnt)
            if verdict.kind is VerdictKind.FAIL:
                return TICK * (index + share)
        state, verdict = _judged(judged, state, since, 1.0, counts, learnt)
        odds = float(verdict.numbers["odds"])
        if verdict.kind is VerdictKind.FAIL:
            return TICK * (index + 1)
    return float("inf")


def _judged(
    judged: ErrorRateRule,
    state: Mapping[str, object] | None,
    since: datetime,
    share: float,
    counts: tuple[int, ...],
    learnt: Calibration,
) -> tuple[Mapping[str, object], RuleVerdict]:
    until = since + timedelta(seconds=TICK * share)
    n, e, others, theirs = counts
    tick = CountTick(since, until, Arm(n, e), Arm(others, theirs), {})
    return judge_error_rate(
        judged, state, tick, STEP, until, dispersion=learnt.dispersion, placebo=learnt.placebo
    )


def run_latency(judged: LatencyRule, candidate: Array, baseline: Array, bounds: tuple[float, ...]) -> Array:
    """As `run`, for latencies: arrays (rollouts, ticks, buckets + 1), the last entry being the sum in seconds."""
    times = []
    for ours, theirs in zip(candidate, baseline, strict=True):
        state: Mapping[str, object] | None = None
        failed = float("inf")
        for index, arms in enumerate(zip(ours.tolist(), theirs.tolist(), strict=True)):
            since = START + timedelta(seconds=TICK * index)
            until = since + timedelta(seconds=TICK)
            histograms = [Histogram(bounds, tuple(map(int, arm[:-1])), arm[-1]) for arm in arms]
            tick = HistogramTick(since, until, *histograms)
            state, verdict = judge_latency(judged, state, tick, STEP, until)
            if verdict.kind is VerdictKind.FAIL:
                failed = TICK * (index + 1)
                break
        times.append(failed)
    return np.array(times)
