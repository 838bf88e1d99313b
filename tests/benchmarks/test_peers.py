"""The peers of the detection benchmark do what their documentation says."""

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.results import Outcome
from benchmarks.scenarios import PODS, TICKS, Cell, Counts, Fault, bound, independent


def canary(rates: list[float], requests: float = 100.0) -> Counts:
    """One rollout whose canary has these error rates, tick by tick; the baseline has none."""
    n = np.full((1, PODS, TICKS), requests)
    e = np.zeros_like(n)
    e[0, 0, : len(rates)] = np.array(rates) * requests
    return Counts(n, e)


def test_flagger_acts_at_the_check_after_its_threshold_is_reached() -> None:
    """One failed check at a minute; the rollback at the next."""
    assert peers.flagger(canary([1.0] * 40), 0.01, 1)[0] == 120
    assert peers.flagger(canary([1.0] * 40), 0.01, 5)[0] == 360


def test_flagger_counts_failed_checks_together_over_good_ones() -> None:
    """Failures need not be consecutive."""
    assert np.isfinite(peers.flagger(canary([1.0] * 4 + [0.0] * 4 + [1.0] * 4), 0.01, 2)[0])


def test_no_data_fails_a_check_of_flagger_and_argo() -> None:
    """A canary without requests is rolled back by both."""
    assert peers.flagger(canary([], requests=0.0), 0.01, 1)[0] == 120
    assert peers.argo(canary([], requests=0.0), 0.05, 3)[0] == 180


def test_argo_fails_on_more_failures_than_its_limit() -> None:
    """The first measurement has no data; with a limit of 3 the fourth failure is at three minutes."""
    assert peers.argo(canary([1.0] * 40), 0.05, 3)[0] == 180
    assert np.isinf(peers.argo(canary([1.0] * 8), 0.05, 3)[0])


def test_prometheus_needs_its_whole_for_without_a_break() -> None:
    """Over the threshold at 15 s, fired a minute later; a break starts again."""
    assert peers.prometheus(canary([1.0] * 40), 0.05, 60)[0] == 75
    broken = [1.0] + [0.0] * 7 + [1.0] + [0.0] * 7
    assert np.isinf(peers.prometheus(canary(broken), 0.3, 60)[0])


def test_kayenta_finds_a_clear_difference_and_no_equality() -> None:
    """A canary far worse in every step is High; equal arms are not."""
    bad = independent(np.random.default_rng(1), Cell(100, 0.01), 20, Fault("10 %", rate=0.1))
    good = independent(np.random.default_rng(1), Cell(100, 0.01), 20)
    assert np.isfinite(peers.kayenta(bad, 1)).all()
    assert np.isfinite(peers.kayenta(good, 1)).mean() < 0.2


def test_tuning_finds_a_threshold_that_keeps_the_level() -> None:
    """The tuned threshold rolls back no more than the level of the rollouts it was tuned on."""
    healthy = independent(np.random.default_rng(2), Cell(10, 0.01), 200)
    threshold = peers.tuned(lambda counts, x: peers.prometheus(counts, x, 60), healthy, 0.01, 0.01)
    assert np.isfinite(peers.prometheus(healthy, threshold, 60)).mean() <= 0.01


def test_the_bound_shrinks_with_traffic() -> None:
    """Ten times the traffic needs a tenth of the time."""
    fault = Fault("×5", factor=5)
    assert bound(Cell(10, 0.01), fault, 0.01) == pytest.approx(10 * bound(Cell(100, 0.01), fault, 0.01))


def test_times_count_from_the_onset() -> None:
    """A rollback before the fault is early and not found; one after it counts from there."""
    outcome = Outcome.of("cell", "kind", "late", "m", np.array([150.0, 330.0, np.inf]), onset=20)
    assert outcome.early == pytest.approx(1 / 3)
    assert outcome.share == 0.5
    assert outcome.p50 == 30
