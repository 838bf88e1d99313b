"""The benchmark of a start measures whole processes, and shows ratios."""

from __future__ import annotations

from benchmarks.harness.build import HERE
from benchmarks.start import BARE, Cost, cost_of, page


def test_a_command_has_its_cost() -> None:
    """CPU and memory of the very process that was started."""
    cost = cost_of(HERE.sentinel("--version"), HERE.root)
    assert cost.cpu > 0
    assert cost.memory > 5


def test_the_page_sets_each_command_against_a_bare_python() -> None:
    """No figure stands alone."""
    costs = {BARE: Cost(0.5, 10.0), "sentinel run": Cost(1.0, 40.0)}
    assert "| `sentinel run` | 1.00 s | 2.0 | 40 | 4.0 |" in page(costs, 3, "2026-01-31")
