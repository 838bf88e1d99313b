"""A campaign that cannot fail proves nothing: defects put in on purpose are found."""

from __future__ import annotations

import pytest

from tests.faults.campaign import run_plan, shrunk
from tests.faults.mutants import MUTANTS, OF_STRATEGIES, RARE, found_within
from tests.faults.plan import draw

FIRST = 20_000
ENOUGH = 40


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in RARE])
def test_a_defect_is_found(name: str) -> None:
    """Within a few dozen schedules something that must never happen has happened."""
    _, violations = found_within(MUTANTS[name], range(FIRST, FIRST + ENOUGH))
    assert violations


@pytest.mark.parametrize(("strategy", "name"), OF_STRATEGIES)
def test_a_defect_of_a_strategy_is_found(strategy: str, name: str) -> None:
    """What must never happen is seen in workloads of each strategy, from a seed on in which a pod gets stuck."""
    mutant = OF_STRATEGIES[strategy, name]
    _, violations = found_within(mutant, range(FIRST + 2, FIRST + ENOUGH), strategy)
    assert violations


def test_a_schedule_that_fails_is_shrunk_to_what_matters() -> None:
    """Of a whole schedule hardly more than the release that went wrong is left."""
    with MUTANTS["promotes after half the bake"]():
        failing = next(plan for plan in map(draw, range(FIRST, FIRST + ENOUGH)) if run_plan(plan).violations)
        least = shrunk(failing)
        assert run_plan(least).violations
    assert len(least.services) == 1
    assert [deed.what for deed in least.deeds] == ["release"]
