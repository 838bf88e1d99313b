"""Writes alerts into the records: one write at a time for each record; alerts that arrive meanwhile share the next.

That is the group commit of databases: a storm of posts about one rollout costs as many writes as fit one after the
other, not as many as there are posts, and each post is answered only when the write that holds its alerts is done.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import field

from sentinel.domain.errors import ClusterError, ClusterUnavailableError, ConflictError
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.engine.alerts.attribution import merge_alerts
from sentinel.ports import RecordStore
from sentinel.values import dataclass

WRITE_ATTEMPTS = 6
WRITES_AT_ONCE = 8
"""More would only stand in line at the API server, and keep the event loop busy encoding them all in one turn."""
CONFLICT_PAUSE = 0.01
"""Seconds, times the attempt: someone else is writing the record."""


@dataclass(slots=True)
class _Batch:
    """Alerts that share one write."""

    record: Record
    entries: tuple[AlertEntry, ...] = ()
    done: bool = False
    error: ClusterError | None = None


@dataclass(slots=True)
class _Page:
    """One record's place: the batch that can still be joined, and whose turn it is."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    open: _Batch | None = None
    waiting: int = 0


class AlertJournal:
    """`wake` is called with each record that was written."""

    def __init__(self, store: RecordStore, wake: Callable[[WorkloadKey], None]) -> None:
        self._store = store
        self._wake = wake
        self._slots = asyncio.Semaphore(WRITES_AT_ONCE)
        self._pages: dict[tuple[str, str], _Page] = {}

    async def enter(self, record: Record, entries: Sequence[AlertEntry]) -> None:
        """Return when these alerts are in the record, or the record is gone.

        Raises a retryable ClusterError if they are not. A caller that is cancelled leaves the write to the others
        that share it.
        """
        key = (record.key.namespace, record.name)
        page = self._pages.setdefault(key, _Page())
        batch = page.open = page.open or _Batch(record)
        batch.entries = merge_alerts(batch.entries, entries)
        page.waiting += 1
        try:
            async with page.turn:
                await self._settle(page, batch)
        finally:
            page.waiting -= 1
            if not page.waiting:
                del self._pages[key]

    async def _settle(self, page: _Page, batch: _Batch) -> None:
        if page.open is batch:
            page.open = None
        if not batch.done:
            try:
                async with self._slots:
                    await self._write(batch)
            except ClusterError as error:
                batch.error = error
            batch.done = True
        if batch.error is not None:
            raise batch.error

    async def _write(self, batch: _Batch) -> None:
        record: Record | None = self._newest(batch.record)
        for attempt in range(WRITE_ATTEMPTS):
            if record is None:
                return
            after = record.with_alerts(merge_alerts(record.alerts, batch.entries))
            if (after.alerts, after.alerts_beyond) == (record.alerts, record.alerts_beyond):
                return
            try:
                await self._store.save(after)
            except ConflictError:
                await asyncio.sleep(CONFLICT_PAUSE * attempt)
                record = await self._store.fresh(record)
                continue
            self._wake(record.key)
            return
        raise ClusterUnavailableError(
            f"the record {batch.record.name} keeps being changed by others", reason="Conflict"
        )

    def _newest(self, record: Record) -> Record:
        """The record as it is known by now: the write before this one may have been of it."""
        own = (known for known in self._store.of_workload(record.key) if known.name == record.name)
        return next(own, record)
