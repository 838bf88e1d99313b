"""The memory benchmark goes through its phases, and tells growth from a plateau."""

from pathlib import Path

import pytest

from benchmarks import memory
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
