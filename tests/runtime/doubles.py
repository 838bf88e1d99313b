"""In-memory stand-ins for the world outside: they keep what they were given, and fail when told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sentinel.domain.errors import ClusterUnavailableError, ConfigurationError
from sentinel.domain.notice import Notice
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json
from sentinel.domain.revert import RevertRef
from sentinel.domain.workload.facts import WorkloadKey


class LoopClock:
    """The running loop's time."""

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@dataclass
class Counts:
    """Telemetry by metric and outcome."""

    counted: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add."""
        self.counted[f"{name} {labels.get('outcome', '')}".strip()] += int(amount)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Not kept."""

    def begin(self, name: str, **labels: str) -> None:
        """Not kept."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Not kept."""

    def info(self, name: str, **labels: str) -> None:
        """Not kept."""


@dataclass
class Channel:
    """A notifier. `answers` are raised, or waited for as seconds, one for each delivery; then all is well."""

    answers: list[Exception | float] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Take the notice."""
        answer = self.answers.pop(0) if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        await asyncio.sleep(answer)
        self.told.append(notice)
        self.at.append(asyncio.get_running_loop().time())
        return NoticeRef("C1", "ts-1")


@dataclass
class Shelf:
    """A record store in memory."""

    records: dict[str, Record] = field(default_factory=dict)
    down: bool = False

    def of_workload(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All of a workload."""
        return tuple(record for record in self.records.values() if record.key == key)

    def named(self, namespace: str, name: str) -> Record | None:
        """The one of this name."""
        found = self.records.get(name)
        return found if found is not None and found.key.namespace == namespace else None

    def all(self) -> Iterable[Record]:
        """All."""
        return tuple(self.records.values())

    def live(self) -> Iterable[Record]:
        """Those to which anything may still happen."""
        return tuple(record for record in self.records.values() if record.live)

    def in_flight(self, key: WorkloadKey) -> bool:
        """Whether one of these is the workload's."""
        return any(record.key == key for record in self.live())

    async def create(self, record: Record) -> Record:
        """Keep it."""
        return await self.save(record)

    async def save(self, record: Record) -> Record:
        """Keep it."""
        self.records[record.name] = record
        return record

    async def save_notice(self, record: Record, notice: NoticeRef, channel: str = "") -> None:
        """Keep the notice, unless down."""
        if self.down:
            raise ClusterUnavailableError("the API server is down")
        kept = self.records[record.name]
        changed = {"notices": {**kept.notices, channel: notice}} if channel else {"notice": notice}
        self.records[record.name] = replace(kept, **changed)

    async def save_revert(self, record: Record, revert: RevertRef) -> None:
        """Keep the outcome of the revert, unless down."""
        if self.down:
            raise ClusterUnavailableError("the API server is down")
        self.records[record.name] = replace(self.records[record.name], revert=revert)

    async def fresh(self, record: Record) -> Record | None:
        """As it is."""
        return self.records.get(record.name)

    async def delete(self, record: Record) -> None:
        """Remove it."""
        self.records.pop(record.name, None)

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Nobody is told."""


@dataclass
class Rules:
    """A policy source."""

    now: tuple[Policy, ...] = ()
    then: dict[str, Policy] = field(default_factory=dict)
    restored: int = 0

    def policies(self) -> tuple[Policy, ...]:
        """In force."""
        return self.now

    def restore(self, document: Json) -> Policy:
        """By the document's `name`."""
        self.restored += 1
        policy = self.then.get(str(document.get("name")))
        if policy is None:
            raise ConfigurationError("no such field: spec.rule")
        return policy
