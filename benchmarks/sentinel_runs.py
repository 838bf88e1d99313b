"""Runs the product's own judgement, tick by tick, on the benchmark's counts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.scenarios import TICK, Array, Cell, Counts, history
from sentinel.domain.evidence import Counts as Arm
from sentinel.domain.evidence import CountTick, Histogram, HistogramTick
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, LatencyRule
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.rules.error_rate import judge_error_rate
from sentinel.engine.rules.latency import judge_latency
from sentinel.engine.rules.segment import Segment
from sentinel.engine.statistics.calibration import Calibration, calibrate

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
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


def run(counts: Counts, limit: float, learnt: Sequence[Calibration]) -> Array:
    """The second at which each rollout is failed; infinity where it is not."""
    judged, times = rule(limit), []
    arms = [array.astype(int).tolist() for array in counts.arms()]
    for index, rows in enumerate(zip(*arms, strict=True)):
        times.append(_rollout(judged, rows, learnt[index % len(learnt)]))
    return np.array(times)


def _rollout(judged: ErrorRateRule, rows: tuple[list[int], ...], learnt: Calibration) -> float:
    state: Mapping[str, object] | None = None
    for index, (n, e, others, theirs) in enumerate(zip(*rows, strict=True)):
        since = START + timedelta(seconds=TICK * index)
        until = since + timedelta(seconds=TICK)
        tick = CountTick(since, until, Arm(n, e), Arm(others, theirs), {})
        state, verdict = judge_error_rate(
            judged, state, tick, STEP, until, dispersion=learnt.dispersion, placebo=learnt.placebo
        )
        if verdict.kind is VerdictKind.FAIL:
            return TICK * (index + 1)
    return float("inf")


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
