"""Other tools' judgements, modelled from their documentation and run on the same counts.

Each returns the second at which the rollout is rolled back (infinity: never), per rollout. Ticks are 15 s; a window of
a minute is four of them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenarios import TICK, TICKS, Array, Counts

MINUTE = 4
NEVER = np.inf


def _windows(values: Array, width: int) -> Array:
    """Sums over the last `width` ticks, at each tick's end."""
    sums = np.cumsum(values, axis=-1)
    shifted = np.concatenate([np.zeros_like(sums[..., :width]), sums[..., :-width]], axis=-1)
    return sums - shifted


def _rate(counts: Counts, width: int = MINUTE) -> Array:
    """The candidate's error rate over the last minute at each tick's end; NaN without requests."""
    requests, errors, _, _ = counts.arms()
    with np.errstate(invalid="ignore", divide="ignore"):
        return _windows(errors, width) / _windows(requests, width)


def _first(hit: Array) -> Array:
    """The time of the first tick that is set."""
    return np.where(hit.any(axis=1), (hit.argmax(axis=1) + 1) * TICK, NEVER)


def first_run(over: NDArray[np.bool_], hold: float) -> Array:
    """When `over` has been set without a break for `hold` seconds, from its first evaluation on."""
    needed = int(hold // TICK) + 1
    run = np.zeros(over.shape[0])
    fired = np.zeros_like(over)
    for tick in range(TICKS):
        run = np.where(over[:, tick], run + 1, 0)
        fired[:, tick] = run >= needed
    return _first(fired)


def prometheus(counts: Counts, threshold: float, hold: float) -> Array:
    """An alert `rate > threshold` over a minute, `for: hold` seconds, evaluated every tick; empty resets."""
    return first_run(np.nan_to_num(_rate(counts), nan=-1.0) > threshold, hold)


def flagger(counts: Counts, threshold: float, failures: int) -> Array:
    """Checks every minute that the success rate is at least 1 − threshold; no data fails; failures add up; it acts at
    the check after their number is reached."""
    checks = _rate(counts)[:, MINUTE - 1 :: MINUTE]
    failed = np.cumsum(~(checks <= threshold), axis=1)
    acts = np.zeros_like(failed, dtype=bool)
    acts[:, 1:] = failed[:, :-1] >= failures
    return np.where(acts.any(axis=1), (acts.argmax(axis=1) + 1) * 60.0, NEVER)


def argo(counts: Counts, threshold: float, limit: int) -> Array:
    """Measures at once and every minute; fails on more than `limit` failures in all; no data is NaN and fails."""
    checks = _rate(counts)[:, MINUTE - 1 :: MINUTE]
    failed = ~(checks <= threshold)
    failed = np.concatenate([np.ones_like(failed[:, :1]), failed], axis=1)
    over = np.cumsum(failed, axis=1) > limit
    return np.where(over.any(axis=1), over.argmax(axis=1) * 60.0, NEVER)


def kayenta(counts: Counts, step: int) -> Array:
    """Mann-Whitney on error percentages per step of so many ticks, over a window that grows, judged each minute.

    High where the lower end of the 98 % interval of the Hodges-Lehmann shift is over a quarter of the estimate and the
    ratio of the means is at least 1 (NetflixACAJudge).
    """
    requests, errors, others, their_errors = (
        x.reshape(x.shape[0], -1, step).sum(axis=2) for x in counts.arms()
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ours, theirs = 100 * errors / requests, 100 * their_errors / others
    times = np.full(ours.shape[0], NEVER)
    for minute in range(2, TICKS // MINUTE + 1):
        points = minute * MINUTE // step
        high = _high(ours[:, :points], theirs[:, :points])
        times = np.where(high & np.isinf(times), minute * 60.0, times)
    return times


def _high(ours: Array, theirs: Array) -> Array:
    """Whether the judge calls the candidate High; steps without requests count as zero."""
    ours, theirs = np.nan_to_num(ours), np.nan_to_num(theirs)
    points = ours.shape[1]
    shifts = np.sort((ours[:, :, None] - theirs[:, None, :]).reshape(len(ours), -1), axis=1)
    estimate = np.median(shifts, axis=1)
    z = 2.326
    rank = points * points / 2 - z * np.sqrt(points * points * (2 * points + 1) / 12)
    if rank < 1:
        return np.zeros(len(ours), dtype=bool)
    lower = shifts[:, int(rank) - 1]
    return (lower > 0.25 * np.abs(estimate)) & (ours.mean(axis=1) >= theirs.mean(axis=1))


Peer = Callable[[Counts, float], Array]

TUNABLE: dict[str, tuple[float, Peer]] = {
    "Flagger, 1 failure": (0.01, lambda counts, x: flagger(counts, x, 1)),
    "Flagger, 5 failures": (0.01, lambda counts, x: flagger(counts, x, 5)),
    "Argo Rollouts, 1m/3": (0.05, lambda counts, x: argo(counts, x, 3)),
    "Prometheus, for: 1m": (0.05, lambda counts, x: prometheus(counts, x, 60)),
    "Prometheus, for: 5m": (0.05, lambda counts, x: prometheus(counts, x, 300)),
}
FIXED: dict[str, Callable[[Counts], Array]] = {
    "Kayenta, 15 s steps": lambda counts: kayenta(counts, 1),
    "Kayenta, 60 s steps": lambda counts: kayenta(counts, MINUTE),
}


def tuned(peer: Peer, healthy: Counts, level: float, base: float) -> float:
    """The lowest threshold at which no more than `level` of these healthy rollouts are rolled back.

    No user can know it: it takes thousands of healthy rollouts of the very same traffic.
    """
    for threshold in np.geomspace(base, 1.0, 60):
        if np.isfinite(peer(healthy, threshold)).mean() <= level:
            return float(threshold)
    return float("inf")
