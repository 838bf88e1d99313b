"""How many records of a workload are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.errors import ClusterUnavailableError, ForbiddenError
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.reports.history import RolloutHistory
from sentinel.runtime.reconciling.retention import prune
from tests.engine.builders import in_state
from tests.engine.snapshots import at
from tests.runtime.doubles import Shelf


class Histories:
    """Histories in memory; `error` is what a write fails with."""

    def __init__(self, error: Exception | None = None) -> None:
        self.kept: dict[WorkloadKey, RolloutHistory] = {}
        self.error = error

    async def read(self, key: WorkloadKey) -> RolloutHistory:
        return self.kept.get(key, RolloutHistory(key))

    async def all(self) -> tuple[RolloutHistory, ...]:
        if self.error is not None:
            raise self.error
        return tuple(self.kept.values())

    async def write(self, history: RolloutHistory) -> None:
        if self.error is not None:
            raise self.error
        self.kept[history.key] = history


def promoted(name: str, days_ago: float) -> Record:
    """A rollout that was promoted so many days ago, and is over."""
    when = at(-days_ago * 86_400)
    over = in_state(Phase.PROMOTED, promoted_at=when, ended_at=when)
    return replace(over, name=name, uid=name)


async def test_what_is_deleted_is_in_the_history_first() -> None:
    """Day by day, each record once, also where the process died before the deletion."""
    older = [promoted(f"r{n}", n) for n in range(4)]
    shelf, histories = Shelf({record.name: record for record in older}), Histories()
    await prune(shelf, histories, older, 3, at(0))
    shelf.records |= {record.name: record for record in older}  # as if it had died
    await prune(shelf, histories, older, 3, at(0))
    (history,) = histories.kept.values()
    assert [day.deployments for _, day in sorted(history.days.items())] == [1, 1]
    assert list(shelf.records) == ["r0", "r1"]


async def test_nothing_is_deleted_while_the_history_cannot_be_written() -> None:
    """An API server that is down for a moment costs no figure."""
    older = [promoted(f"r{n}", n) for n in range(4)]
    shelf = Shelf({record.name: record for record in older})
    with pytest.raises(ClusterUnavailableError):
        await prune(shelf, Histories(ClusterUnavailableError("down")), older, 3, at(0))
    assert len(shelf.records) == 4


async def test_records_are_deleted_where_no_history_may_be_written(caplog: pytest.LogCaptureFixture) -> None:
    """Without the definition or the right to it they would pile up; the log says what is lost."""
    older = [promoted(f"r{n}", n) for n in range(4)]
    shelf = Shelf({record.name: record for record in older})
    await prune(shelf, Histories(ForbiddenError("may not create rollouthistories")), older, 3, at(0))
    assert list(shelf.records) == ["r0", "r1"]
    assert "do not count in its DORA figures: may not create" in caplog.text


@pytest.mark.parametrize(
    ("keep", "left"), [(3, ["r0", "r1"]), (1, []), (0, []), (9, ["r0", "r1", "r2", "r3"])]
)
async def test_the_newest_records_are_kept(keep: int, left: list[str]) -> None:
    """Beside the one that was just made."""
    over = in_state(Phase.UNDONE, ended_at=at(0))
    older = [replace(over, name=f"r{n}") for n in range(4)]
    shelf = Shelf({record.name: record for record in older})
    await prune(shelf, Histories(), older, keep, at(0))
    assert list(shelf.records) == left


async def test_a_rollout_that_is_not_over_is_kept() -> None:
    """However old its record is."""
    running = in_state(Phase.BAKING)
    shelf = Shelf({running.name: running})
    await prune(shelf, Histories(), [running], 1, at(0))
    assert list(shelf.records) == [running.name]
