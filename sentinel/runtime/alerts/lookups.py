"""Looks up again which rollouts workloads are in, before an alert is said to concern none.

A watch can be deaf for a minute before that is noticed: a replica would then answer for rollouts that ended, and
would miss those that began.
"""

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import partial

from sentinel.blocking import SharedAnswers
from sentinel.domain.errors import ClusterUnavailableError
from sentinel.domain.figures import amount
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.revision import Applied
from sentinel.engine.rollout.lifecycle import Begin, recognise
from sentinel.ports import Clock, Cluster, RecordStore
from sentinel.runtime.policy_registry import PolicyRegistry

FRESH_FOR = 1.0
"""Seconds: no alert fires on a rollout that began this recently."""
AT_ONCE = 8
"""So many workloads are looked up at the same time."""
PATIENCE = 5.0
"""Seconds that a post may wait for all its look-ups."""
CATCH_UP = 1.0
"""Seconds in which a watch that works has brought in what the API server already has."""
REMEMBERED = 1000


class Lookups:
    """One read for each workload, two where its rollout is not known, at most once in `FRESH_FOR`, however many ask."""

    def __init__(self, cluster: Cluster, store: RecordStore, registry: PolicyRegistry, clock: Clock) -> None:
        self._cluster = cluster
        self._store = store
        self._registry = registry
        self._clock = clock
        self._shared: SharedAnswers[tuple[WorkloadKey, int], None] = SharedAnswers(capacity=REMEMBERED)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def bring_up_to_date(self, keys: Collection[WorkloadKey]) -> None:
        """Return when the store knows every rollout of these workloads that began more than a second ago.

        Raises a retryable ClusterError if that is unknown now: the API server does not answer, a rollout does not
        have a record yet, or a watch is deaf (then it starts again).
        """
        if not keys:
            return
        now = int(self._clock.monotonic() / FRESH_FOR)
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(
                    *(self._shared.get((key, now), partial(self._look, key)) for key in keys)
                )
        except TimeoutError as error:
            raise ClusterUnavailableError(
                f"{amount(len(keys), 'workload')} could not be looked up within {PATIENCE:g} s",
                reason="Timeout",
            ) from error

    async def _look(self, key: WorkloadKey) -> None:
        began = self._clock.now()
        async with self._slots:
            applied = await self._cluster.applied(key)
        if applied is None or _in_flight(self._store.of_workload(key), applied, began):
            return  # the rollout that is known is the one there is: a busy API server is spared the list
        async with self._slots:
            records = await self._store.refreshed(key)
        if _in_flight(records, applied, began):
            return
        if not self._is_seen(key, applied):
            await self._clock.sleep(CATCH_UP)
        if not self._is_seen(key, applied):
            self._cluster.renew()
            raise ClusterUnavailableError(
                f"the watch of {key} has missed a change; it starts again", reason="WatchDeaf"
            )
        self._check_on_record(key)

    def _is_seen(self, key: WorkloadKey, applied: Applied) -> bool:
        """Whether the watch shows what the API server has."""
        workload = self._cluster.workload(key)
        return workload is not None and Applied(workload.uid, workload.candidate.digest) == applied

    def _check_on_record(self, key: WorkloadKey) -> None:
        workload = self._cluster.workload(key)
        policy = self._registry.guarding(workload) if workload is not None and not workload.deleting else None
        if workload is None or policy is None:
            return
        own = tuple(r for r in self._store.of_workload(key) if r.workload_uid == workload.uid)
        if isinstance(recognise(workload, own, None, policy.undo, self._clock.now()), Begin):
            raise ClusterUnavailableError(
                f"the rollout of {key} does not have a record yet", reason="NoRecordYet"
            )


def _in_flight(records: Iterable[Record], applied: Applied, since: datetime) -> bool:
    """Whether this template is that of a rollout, or of an undo, to which anything could happen since then."""
    return any(
        record.workload_uid == applied.uid and _lived(record, since) and _is_about(record, applied)
        for record in records
    )


def _lived(record: Record, at: datetime) -> bool:
    """Whether anything could happen to the rollout at this time: by now it may be undone for this very alert."""
    return record.live or (record.state.ending.ended_at is not None and record.state.ending.ended_at >= at)


def _is_about(record: Record, applied: Applied) -> bool:
    """Whether the record is of the rollout, or of the undo, that put this template there."""
    undo = record.state.undo
    return applied.digest in (record.candidate.digest, undo.target.digest if undo is not None else "")
