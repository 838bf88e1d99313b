"""The webhook's benchmark measures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import webhook


@pytest.mark.real_time
async def test_both_floods_are_answered_and_told_in_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The large post and the small ones each come out with how they were answered, and as many as were sent."""
    monkeypatch.setattr(webhook, "ROLLOUTS", 2)
    await webhook.measure(tmp_path, seconds=0.5, rate=40)
    large, small, _ = capsys.readouterr().out.splitlines()
    assert large.startswith("one post of 10,000 alerts: {200: 1} in ")
    answers = re.search(r"\{(.*?)\}", small)
    assert answers
    counts = dict(pair.split(": ") for pair in answers[1].split(", "))
    assert set(counts) <= {"200", "503"}
    assert sum(map(int, counts.values())) == 20
