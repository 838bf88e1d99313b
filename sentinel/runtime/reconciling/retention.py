"""Keeps the newest records of a workload as its history."""

from collections.abc import Sequence

from sentinel.domain.record.record import Record
from sentinel.ports import RecordStore


async def prune(store: RecordStore, older: Sequence[Record], keep: int) -> None:
    """Keep the record that was just made and the newest of those before it, `keep` in all, one at least.

    `older` are the records before it, newest first. A rollout that is not over, or still
    holds who deploys the workload, stays. Raises ClusterError.
    """
    for record in older[max(keep - 1, 0) :]:
        if not record.live and record.keeper_hold is None:
            await store.delete(record)
