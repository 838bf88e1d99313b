"""The benchmark of a start measures whole processes, and shows ratios."""

from __future__ import annotations

from benchmarks.start import ROOT, Cost, cost_of, least, page


def test_a_command_has_its_cost() -> None:
    """CPU and memory of the very process that was started."""
    cost = cost_of(ROOT, ("--version",))
    assert cost.cpu > 0
    assert cost.memory > 5


def test_the_page_has_the_least_of_each_figure() -> None:
    """The CPU of one run, the memory of another."""
    assert least((Cost(2.0, 30.0), Cost(1.0, 40.0))) == Cost(1.0, 30.0)
    assert "| `sentinel run` | 1 |" in page("abc", [("`sentinel run`", "1")], "2026-01-31")
