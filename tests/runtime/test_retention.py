"""How many records of a workload are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.record.state import Phase
from sentinel.runtime.reconciling.retention import prune
from tests.engine.builders import in_state
from tests.engine.snapshots import at
from tests.runtime.doubles import Shelf


@pytest.mark.parametrize(
    ("keep", "left"), [(3, ["r0", "r1"]), (1, []), (0, []), (9, ["r0", "r1", "r2", "r3"])]
)
async def test_the_newest_records_are_kept(keep: int, left: list[str]) -> None:
    """Beside the one that was just made."""
    over = in_state(Phase.UNDONE, ended_at=at(0))
    older = [replace(over, name=f"r{n}") for n in range(4)]
    shelf = Shelf({record.name: record for record in older})
    await prune(shelf, older, keep)
    assert list(shelf.records) == left


async def test_a_rollout_that_is_not_over_is_kept() -> None:
    """However old its record is."""
    running = in_state(Phase.BAKING)
    shelf = Shelf({running.name: running})
    await prune(shelf, [running], 1)
    assert list(shelf.records) == [running.name]
