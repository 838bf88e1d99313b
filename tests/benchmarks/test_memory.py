"""The memory benchmark goes through its phases, and tells growth from a plateau."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.harness import remembered
from benchmarks.harness.build import HERE
from benchmarks.harness.remembered import Remembered
from benchmarks.memory import Phase, Plan


def test_growth_is_told_from_a_plateau() -> None:
    """What rose in the first third counts for nothing, what goes on rising does."""
    assert Phase("", [1.0, 50.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0]).growth == 0
    assert Phase("", [100.0] * 6 + [110.0] * 3).growth == pytest.approx(0.1)


@pytest.mark.real_time
async def test_every_phase_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon lives through all of them, and the page has a row for each."""
    monkeypatch.setattr(memory, "_SETTLING_SECONDS", 0.0)
    monkeypatch.setattr(memory, "_SAMPLE_SECONDS", 0.1)
    plan = Plan(2, 1, 0.6, 0.0, 0.0)
    phases = await memory.measure(HERE, plan, tmp_path)
    assert [len(phase.samples) for phase in phases] == [6] * 4
    page = memory.report(phases, plan, Remembered(1.0, 2.0, 3.0), "2026-01-31")
    assert all(f"| {phase.name} | " in page for phase in phases)


@pytest.mark.real_time
async def test_what_remembers_answers_is_emptied_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them holds something that the others do not."""
    monkeypatch.setattr(remembered, "_TICK", timedelta(seconds=0.2))
    held = await remembered.fill(pods=20, ticks=3)
    assert held.spans > 0
    assert held.counters > 0
    assert held.answers > 0
