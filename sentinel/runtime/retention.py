"""Keeps the newest records of a workload as its history."""

from collections.abc import Sequence

from sentinel.domain.record import Record
from sentinel.ports import RecordStore


async def prune(store: RecordStore, records: Sequence[Record], keep: int) -> None:
    """Delete what is beyond the newest `keep`; never a rollout that is not over. Raises ClusterError."""
    for record in records[keep - 1 :] if keep > 0 else records:
        if not record.live:
            await store.delete(record)
