"""Rollouts looked up afresh before an alert is answered (`sentinel.runtime.alerts.lookups`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from sentinel.domain.errors import ClusterUnavailableError
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, UndoState
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.revision import Applied
from sentinel.runtime.alerts.lookups import Lookups
from tests.adapters.kubernetes.worlds import record
from tests.runtime.doubles import LoopClock, Shelf
from tests.support.states import state_of

TARGET = RevisionRef("c" * 64, "def", 1, ("app:v1",))


@dataclass
class Reads:
    """An API server that shows one template, to a daemon whose watch shows nothing. `then` runs as it is read."""

    applies: Applied
    then: Callable[[], None] = lambda: None
    renewed: int = 0

    async def applied(self, key: WorkloadKey) -> Applied:
        """What is there."""
        self.then()
        return self.applies

    def workload(self, key: WorkloadKey) -> None:
        """Nothing is known."""

    def renew(self) -> None:
        """The watches begin anew."""
        self.renewed += 1


@dataclass
class Listed(Shelf):
    """Records whose list is counted."""

    lists: list[WorkloadKey] = field(default_factory=list)

    async def refreshed(self, key: WorkloadKey) -> tuple[Record, ...]:
        """As they are."""
        self.lists.append(key)
        return self.of_workload(key)


def looking(reads: Reads, store: Listed) -> Lookups:
    """Lookups in these; no rollout is without a record here, so that no policy is asked for."""
    return Lookups(cast(Any, reads), cast(Any, store), cast(Any, None), LoopClock())


def shelf(kept: Record) -> Listed:
    """A store with one record."""
    return Listed({kept.name: kept})


async def test_a_rollout_that_is_known_costs_one_read() -> None:
    """Where the template is that of a live record, the records are not listed."""
    kept = record()
    reads, store = Reads(Applied(kept.workload_uid, kept.candidate.digest)), shelf(kept)
    await looking(reads, store).bring_up_to_date([kept.key])
    assert (store.lists, reads.renewed) == ([], 0)


async def test_a_rollout_that_was_undone_meanwhile_makes_no_watch_deaf() -> None:
    """An undo for the very alert may end the rollout before the look-up is answered."""
    kept = record()
    store = shelf(kept)

    def undone() -> None:
        now = LoopClock().now()
        state = state_of(Phase.UNDONE, ended_at=now + timedelta(seconds=1), undo=UndoState(TARGET, now))
        store.records[kept.name] = replace(kept, state=state)

    reads = Reads(Applied(kept.workload_uid, TARGET.digest), undone)
    await looking(reads, store).bring_up_to_date([kept.key])
    assert reads.renewed == 0


async def test_a_template_of_no_rollout_that_the_watch_does_not_show_is_not_answered_for() -> None:
    """The post is to come again, and the watches begin anew."""
    kept = record()
    reads, store = Reads(Applied(kept.workload_uid, "f" * 64)), shelf(kept)
    with pytest.raises(ClusterUnavailableError, match="has missed a change"):
        await looking(reads, store).bring_up_to_date([kept.key])
    assert (store.lists, reads.renewed) == ([kept.key], 1)
