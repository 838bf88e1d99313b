"""The web page's server over records in memory, for tests of it by HTTP and in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.listener import ServerOptions
from sentinel.adapters.http.page.server import PageServer
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.reports.dora import DoraTargets
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.read_model import RecordReadModel, ReplicaIdentity
from tests.engine.builders import CANARY, in_state
from tests.runtime.doubles import Rules, Shelf
from tests.support.processes import free_port

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Told(Shelf):
    """A record store in memory whose listeners hear of each change."""

    listeners: list[Callable[[WorkloadKey], None]] = field(default_factory=list)

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        self.listeners.append(listener)

    def put(self, *records: Record) -> None:
        """These records, new or changed."""
        for record in records:
            self.records[record.name] = record
            for listener in self.listeners:
                listener(record.key)


class FixedClock:
    """Always the same time of day."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits on the clock")


@dataclass
class Served:
    """The page as it is served: what it is about can be changed meanwhile."""

    url: str
    store: Told
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    remarks: list[str] = field(default_factory=list)
    leads: bool = True

    def put(self, *records: Record) -> None:
        """These records, new or changed."""
        self.store.put(*records)


def named(name: str, namespace: str = "shop", *, ago: float = 60, of: Record | None = None) -> Record:
    """The record of a rollout of the workload of this name that began so many seconds ago."""
    key = WorkloadKey(WorkloadKind.DEPLOYMENT, namespace, name)
    began = NOW - timedelta(seconds=ago)
    return replace(of or in_state(), name=f"{name}-new", key=key, started_at=began)


@asynccontextmanager
async def served(
    records: Iterable[Record] = (), policies: Sequence[Policy] = (CANARY,), logins: Sequence[Login] = ()
) -> AsyncIterator[Served]:
    """The page, served on a free port of the loopback."""
    store = Told()
    store.put(*records)
    credentials, port = Authenticator(logins), free_port()

    def server() -> PageServer:
        model = RecordReadModel(
            store,
            PolicyRegistry(Rules(tuple(policies)), Mode.ENFORCE),
            FixedClock(),
            ReplicaIdentity("sentinel-1", "0.1.0", "", "enforce"),
            leads=lambda: here.leads,
            remarks=lambda: here.remarks,
            newest=lambda record: record,
            targets=DoraTargets(),
        )
        return PageServer(model, credentials, ServerOptions(host="127.0.0.1", port=port))

    running = [server()]

    async def start() -> None:
        running.append(server())
        await running[-1].start()

    here = Served(f"http://127.0.0.1:{port}/ui/", store, start, lambda: running[-1].stop())
    await running[-1].start()
    try:
        yield here
    finally:
        await here.stop()
