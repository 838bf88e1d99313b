"""Keeps the newest records of a workload, and in its history what the older ones came to."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sentinel.domain.errors import ClusterError, ConflictError
from sentinel.domain.record.record import Record
from sentinel.ports import HistoryStore, RecordStore
from sentinel.runtime.logfields import about_workload

log = logging.getLogger(__name__)


async def prune(
    store: RecordStore, histories: HistoryStore, older: Sequence[Record], keep: int, now: datetime
) -> None:
    """Keep the record that was just made and the newest of those before it, `keep` in all, one at least.

    `older` are the records before it, newest first. A rollout that is not over, or still holds who deploys the
    workload, stays. What is deleted is in the history first, unless that may not be written. Raises ClusterError.
    """
    leaving = [r for r in older[max(keep - 1, 0) :] if not r.live and r.keeper_hold is None]
    if leaving:
        await _remember(histories, leaving, older, now)
    for record in leaving:
        await store.delete(record)


async def _remember(
    histories: HistoryStore, leaving: Sequence[Record], there: Sequence[Record], now: datetime
) -> None:
    key = leaving[0].key
    try:
        history = await histories.read(key)
        await histories.write(history.with_records(leaving, there, now))
    except ClusterError as error:
        if error.retryable or isinstance(error, ConflictError):
            raise
        log.warning(
            "%s: the oldest records are deleted, and do not count in its DORA figures: %s",
            key,
            error,
            extra=about_workload(key),
        )
