"""How commands write."""

import pytest
from rich.console import Console

from sentinel.app.commands.output import rules_in_words, show, sparkline, table


def drawn(width: int) -> list[str]:
    """A table whose last column is long, on a terminal of this width."""
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as written:
        console.print(table(["WORKLOAD", "PHASE", "SAYS"], [["a-long-name", "Superseded", "word " * 50]]))
    return [line.rstrip() for line in written.get().splitlines()]


def test_only_the_last_column_is_cut_to_the_terminal() -> None:
    """Names and phases stay whole, and no row takes two lines."""
    head, row = drawn(60)
    assert head.split() == ["WORKLOAD", "PHASE", "SAYS"]
    assert row.startswith("a-long-name   Superseded   word word")
    assert row.endswith("…")


def test_a_narrow_terminal_loses_no_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has no room goes on in the terminal's next line."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    show(
        table(
            ["WORKLOAD", "PHASE", "READY", "MESSAGE"], [["a-long-name", "Superseded", "10/10", "word " * 9]]
        )
    )
    head, row, *_ = capsys.readouterr().out.splitlines()
    assert all(name in head for name in ("WORKLOAD", "PHASE", "READY", "MESSAGE"))
    assert "10/10" in row


def test_latencies_are_told_in_their_unit() -> None:
    """Under a second in milliseconds; the machine's own figures are left out."""
    numbers = {"candidate_mean": 2.0, "candidate_total": 25, "baseline_mean": 0.09, "baseline_total": 1535}
    told = rules_in_words({**numbers, "limit": 1.0, "log_e_ratio": 3.2})
    assert told == ["canary 2 s (25 requests), baseline 90 ms (1,535 requests), limit 1 s"]


def test_bars_share_one_scale() -> None:
    """From nothing to the top; without a top there is nothing to see."""
    assert sparkline([0, 0.5, 1, 2], 1) == "▁▄██"
    assert sparkline([0, 0], 0) == "▁▁"
