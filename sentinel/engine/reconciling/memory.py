"""What a process keeps from one reconcile to the next; a restart may lose all of it."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sentinel.bounded import BoundedDict
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.reconciling.working_state import CHECKPOINT_EVERY, WorkingState

_INTERRUPTIONS = 1_000

LOOKS_AGAIN_AFTER = timedelta(seconds=30)
"""The time between two looks at what was written of a workload."""


class Memory:
    """The newest states between checkpoints, the revisions seen at rest, and what interrupted which decision."""

    def __init__(self, checkpoint_every: timedelta = CHECKPOINT_EVERY) -> None:
        self._checkpoint_every = checkpoint_every
        self.working = WorkingState(checkpoint_every)
        self.settled: dict[WorkloadKey, str] = {}
        self._ignored: dict[WorkloadKey, datetime] = {}
        self._over: dict[WorkloadKey, tuple[Record, ...]] = {}
        self._looked_at: dict[WorkloadKey, datetime] = {}
        self._interrupted: BoundedDict[str, str] = BoundedDict(_INTERRUPTIONS)

    def forget(self) -> None:
        """Know nothing but what the watches show: what another leader did meanwhile is in the records alone."""
        self.working = WorkingState(self._checkpoint_every)
        for kept in (self.settled, self._ignored, self._over, self._looked_at):
            kept.clear()

    def keep_only(self, live: Collection[str], known: Collection[WorkloadKey]) -> None:
        """Forget rollouts, by their records' names, that are over, and workloads that are gone."""
        self.working.keep_only(live)
        for kept in (self.settled, self._ignored, self._over, self._looked_at):
            for key in kept.keys() - set(known):
                del kept[key]

    def looks_again(self, key: WorkloadKey, now: datetime) -> bool:
        """Whether what was written of a workload is to be looked at again: not soon after it was.

        What the watches show may be old, and must not keep everything else from being done.
        """
        looked = self._looked_at.get(key)
        return looked is None or now >= looked + LOOKS_AGAIN_AFTER

    def looked_again(self, key: WorkloadKey, now: datetime) -> None:
        """What was written of it was looked at, by what the API server has."""
        self._looked_at[key] = now

    def changed(self, key: WorkloadKey, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """The workload's records but those that are over, were reported whole, and that nobody has written since."""
        before = {id(record) for record in self._over.get(key, ())}
        return tuple([record for record in records if id(record) not in before])

    def reported(self, key: WorkloadKey, records: tuple[Record, ...]) -> None:
        """Everything in these records is reported by now."""
        self._over[key] = tuple([record for record in records if _is_over(record)])

    def ignored_since(self, workload: Workload, now: datetime) -> datetime | None:
        """Since when a workload's own controller has been seen not to take up what was written; None: it has."""
        if workload.own_steps is None or workload.observed:
            self._ignored.pop(workload.key, None)
            return None
        return self._ignored.setdefault(workload.key, now)

    def interrupted(self, entry: DecisionEntry, error: Exception) -> None:
        """Keep what came between a decision and its outcome, to tell it from a restart."""
        self._interrupted[entry.id] = str(error)

    def finished(self, entry: DecisionEntry) -> None:
        """The decision's outcome is written down."""
        self._interrupted.pop(entry.id, None)

    def why(self, entry: DecisionEntry) -> str:
        """What interrupted a decision whose outcome is not known."""
        error = self._interrupted.get(entry.id)
        return f"an error: {error}" if error else "a restart or a change of leader"


def _is_over(record: Record) -> bool:
    """Whether a record stays as it is: what was undone may still wait for its revert in Git."""
    return (
        not record.live
        and record.pending is None
        and (record.state.undo is None or record.revert is not None)
    )
