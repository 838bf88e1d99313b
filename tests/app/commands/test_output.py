"""How commands write."""

from sentinel.app.commands.output import rules_in_words, sparkline


def test_latencies_are_told_in_their_unit() -> None:
    """Under a second in milliseconds; the machine's own figures are left out."""
    numbers = {"candidate_mean": 2.0, "candidate_total": 25, "baseline_mean": 0.09, "baseline_total": 1535}
    told = rules_in_words({**numbers, "limit": 1.0, "log_e_ratio": 3.2})
    assert told == ["canary 2 s (25 requests), baseline 90 ms (1,535 requests), limit 1 s"]


def test_bars_share_one_scale() -> None:
    """From nothing to the top; without a top there is nothing to see."""
    assert sparkline([0, 0.5, 1, 2], 1) == "▁▄██"
    assert sparkline([0, 0], 0) == "▁▁"
