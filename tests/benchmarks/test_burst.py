"""The benchmarks of a burst and of waits measure the real daemon, and their pages say what came out."""

import math
from pathlib import Path

import pytest

from benchmarks import burst, waits
from benchmarks.harness.build import HERE
from benchmarks.waits import _quantiles


@pytest.mark.real_time
async def test_an_undo_is_timed_behind_a_burst_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each strike is undone, and the burst is read by another as well."""
    monkeypatch.setattr(burst, "_PAUSE", 0.1)
    scale = burst.Scale(pods=40, in_flight=1, strikes=2)
    found = await burst.measure(HERE, scale, tmp_path)
    assert (len(found.alone), len(found.behind), len(found.read), found.missed) == (2, 2, 2, 0)
    assert "| behind 40 events | 2 |" in burst.report(scale, found, "2026-01-31")


@pytest.mark.real_time
async def test_waits_and_queries_are_watched(tmp_path: Path) -> None:
    """Queries and CPU are seen at each level; a healthy rollout may not be reconciled in so short a time."""
    scale = waits.Scale((1,), 6.0, 100)
    (level,) = await waits.measure(HERE, scale, tmp_path)
    stalls = await waits.decoding(scale.series), await waits.decoding_hours(2)
    assert level.queries > 0
    assert level.busy.cpu > 0
    assert level.settled
    assert "| 1 |" in waits.report(scale, [level], stalls, "2026-01-31")


@pytest.mark.real_time
async def test_levels_that_are_not_reached_in_time_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may not carry them: the benchmark ends all the same, and the next levels are not tried."""
    monkeypatch.setattr(waits, "_SETTLES", 0.0)
    scale = waits.Scale((1, 2), 6.0, 100)
    levels = await waits.measure(HERE, scale, tmp_path)
    page = waits.report(scale, levels, (waits.Stalls(1.0, 1.0, 1.0),) * 2, "2026-01-31")
    assert not any(level.settled for level in levels)
    assert "Not settled, so without figures: 1, 2 in flight." in page


def test_quantiles_are_interpolated_within_a_bucket() -> None:
    """As `histogram_quantile` does; nothing seen is no number."""
    assert _quantiles({0.001: 50.0, 0.002: 100.0, math.inf: 100.0})[0] == pytest.approx(1.0)
    assert _quantiles({0.001: 50.0, 0.002: 100.0, math.inf: 100.0})[1] == pytest.approx(1.98)
    assert all(math.isnan(value) for value in _quantiles({0.001: 0.0, math.inf: 0.0}))
