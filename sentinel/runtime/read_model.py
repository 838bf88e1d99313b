"""What pages are made of: the records, on the leader with what it has measured since it saved them."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from sentinel.domain.errors import ClusterError
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.matching import Ambiguous, Guarded
from sentinel.ports import Clock, CommandStore, HistoryStore, RecordStore
from sentinel.reports.board import BoardRow, row_of
from sentinel.reports.daemon import DaemonReport
from sentinel.reports.dora import DoraTargets, dora, dora_document
from sentinel.reports.history import RolloutHistory
from sentinel.reports.rollout import RolloutReport, report_of
from sentinel.reports.workloads import WorkloadRow, workload_row
from sentinel.runtime.notify.advice import advice
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.values import dataclass

AT_ONCE = 500
"""So many records are searched before others may go on."""
DELIVERY_SECONDS = 30.0
"""The figures of deliveries are counted again after so many seconds at the earliest: it reads every history."""


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """What a replica says about itself for as long as it runs."""

    replica: str
    version: str
    cluster: str
    mode: str


class KnownWorkloads(Protocol):
    """The workloads of the cluster, as far as a list of them goes."""

    def keys(self) -> Iterable[WorkloadKey]:
        """Every workload known now."""
        ...

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of one workload, None when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class ReadSources:
    """Where what is shown comes from."""

    records: RecordStore
    commands: CommandStore
    histories: HistoryStore
    cluster: KnownWorkloads
    registry: PolicyRegistry


class RecordReadModel:
    """Implements `ports.ReadModel`. `newest` is a record with what was measured since it was saved."""

    def __init__(
        self,
        sources: ReadSources,
        clock: Clock,
        identity: ReplicaIdentity,
        *,
        leads: Callable[[], bool],
        remarks: Callable[[], Sequence[str]],
        newest: Callable[[Record], Record],
        targets: DoraTargets,
    ) -> None:
        self._store = sources.records
        self._commands = sources.commands
        self._histories = sources.histories
        self._known = sources.cluster
        self._registry = sources.registry
        self._delivery: Mapping[str, object] = {}
        self._counted_at = 0.0
        self._counting = asyncio.Lock()
        self._clock = clock
        self._identity = identity
        self._leads = leads
        self._remarks = remarks
        self._newest = newest
        self._targets = targets

    def daemon(self) -> DaemonReport:
        """The process that answers."""
        me = self._identity
        return DaemonReport(
            me.replica,
            me.version,
            me.cluster,
            self._leads(),
            me.mode,
            self._clock.now(),
            tuple(self._remarks()),
        )

    def board(self) -> Sequence[BoardRow]:
        """The rollouts to which anything may still happen, in flight first, then the newest first."""
        rows = [self._row(record) for record in self._store.live()]
        return sorted(rows, key=lambda row: (not row.in_flight, -row.started_at.timestamp(), row.id))

    async def past(self, words: tuple[str, ...], skip: int, limit: int) -> tuple[int, Sequence[BoardRow]]:
        """All rollouts on record in which each of the words occurs, the newest first: how many, and a part of them."""
        found = [record async for record in self._records() if _matches(record, words)]
        newest = heapq.nlargest(skip + limit, found, key=lambda record: (record.started_at, record.name))
        return len(found), [self._row(record) for record in newest[skip:]]

    async def workloads(
        self, words: tuple[str, ...], skip: int, limit: int
    ) -> tuple[int, Sequence[WorkloadRow]]:
        """Every guarded workload and every one on record in which the words occur, by name: how many, and a part."""
        keys = {*self._known.keys(), *[record.key async for record in self._records()]}
        found = []
        for index, key in enumerate(sorted(keys, key=str)):
            if index % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            row = self._workload(key)
            if row is not None and row.matches(words):
                found.append(row)
        return len(found), found[skip : skip + limit]

    def _workload(self, key: WorkloadKey) -> WorkloadRow | None:
        """None of one that no policy is meant for and that has no rollout on record."""
        workload, records = self._known.workload(key), self._store.of_workload(key)
        if workload is None:
            return workload_row(key, None, "", "it is gone from the cluster", records) if records else None
        match self._registry.guard(workload):
            case Guarded(policy):
                return workload_row(key, policy, self._registry.mode(policy).value, "", records)
            case Ambiguous() as several:
                return workload_row(key, None, "", str(several), records)
            case _:
                return workload_row(key, None, "", "no policy matches it now", records) if records else None

    async def _records(self) -> AsyncIterator[Record]:
        """Every record; others may go on meanwhile."""
        for index, record in enumerate(tuple(self._store.all())):
            if index % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            yield record

    async def delivery(self) -> Mapping[str, object]:
        """DORA's four figures as `sentinel dora --output json` has them, at most `DELIVERY_SECONDS` old.

        `incomplete` says why histories could not be read: then the figures are those of the records that are kept.
        """
        async with self._counting:
            now = self._clock.monotonic()
            if now - self._counted_at >= DELIVERY_SECONDS or not self._delivery:
                self._delivery, self._counted_at = await self._count_deliveries(), now
            return self._delivery

    async def _count_deliveries(self) -> Mapping[str, object]:
        # Records first: one that is deleted in between is in both, and counted once.
        records, incomplete = tuple(self._store.all()), ""
        histories: tuple[RolloutHistory, ...] = ()
        try:
            histories = await self._histories.all()
        except ClusterError as error:
            incomplete = str(error)
        scopes = await asyncio.to_thread(dora, records, histories, self._clock.now())
        return {**dora_document(scopes, self._targets), "incomplete": incomplete}

    def rollout(self, namespace: str, name: str) -> RolloutReport | None:
        """The rollout of the record of this name; None where there is no such record."""
        record = self._store.named(namespace, name)
        if record is None:
            return None
        record = self._newest(record)
        others = tuple(
            row_of(other, None) for other in self._store.of_workload(record.key) if other.name != name
        )
        last = record.decisions[-1] if record.decisions else None
        asked = tuple(command for command in self._commands.of_workload(record.key) if command.record == name)
        return report_of(record, self._registry.of(record), others, advice(record, last), asked)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call the listener whenever a record or a command was changed by anyone."""
        self._store.subscribe(lambda _key: listener())
        self._commands.subscribe(lambda _key: listener())

    def _row(self, record: Record) -> BoardRow:
        record = self._newest(record) if record.live else record
        return row_of(record, self._registry.of(record))


def _matches(record: Record, words: tuple[str, ...]) -> bool:
    return not words or row_of(record, None).matches(words)
