"""The web page's server over records in memory, for tests of it by HTTP and in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from clustersim.ports import free_port
from sentinel.adapters.http.auth import Authenticator, Login
from sentinel.adapters.http.listener import ServerOptions
from sentinel.adapters.http.page.server import PageServer
from sentinel.adapters.http.page.visitors import Visitors
from sentinel.adapters.http.page.writes import PageWrites
from sentinel.app.reasons import known_reasons
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.errors import ClusterUnavailableError
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.revision import Revision
from sentinel.reports.dora import DoraTargets
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.read_model import ReadSources, RecordReadModel, ReplicaIdentity
from tests.engine.builders import CANARY, in_state
from tests.runtime.doubles import Counts, Rules, Shelf
from tests.runtime.test_retention import Histories

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOBODY = Visitors()
ONCALL = Visitors([ip_network("127.0.0.1")], groups={"oncall": ["shop"]})
"""People of a group may write in one namespace, if a proxy on the loopback says that they are of it."""


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
class CommandDesk:
    """Commands in memory: what is asked for waits until the test answers it."""

    commands: dict[str, Command] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    listeners: list[Callable[[WorkloadKey], None]] = field(default_factory=list)
    down: bool = False

    def of_workload(self, key: WorkloadKey) -> tuple[Command, ...]:
        return tuple(one for one in self.commands.values() if one.key == key)

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        self.listeners.append(listener)

    async def request(
        self, key: WorkloadKey, action: CommandAction, *, name: str, source: str = "", **spec: Any
    ) -> bool:
        if self.down:
            raise ClusterUnavailableError("the API server is down")
        made = name not in self.commands
        if made:
            self.sources[name] = source
            self.put(Command(name=name, key=key, action=action, created_at=NOW, uid=name, **spec))
        return made

    def answer(self, name: str, phase: CommandPhase, message: str) -> None:
        """The sentinel's answer."""
        self.put(replace(self.commands[name], phase=phase, message=message, answered_at=NOW))

    def put(self, command: Command) -> None:
        """A command, new or answered."""
        self.commands[command.name] = command
        for listener in self.listeners:
            listener(command.key)


@dataclass
class Served:
    """The page as it is served: what it is about can be changed meanwhile."""

    url: str
    store: Told
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    remarks: list[str] = field(default_factory=list)
    leads: bool = True
    histories: Histories = field(default_factory=Histories)
    desk: CommandDesk = field(default_factory=CommandDesk)
    telemetry: Counts = field(default_factory=Counts)

    workloads: tuple[WorkloadKey, ...] = ()

    def put(self, *records: Record) -> None:
        """These records, new or changed."""
        self.store.put(*records)

    def keys(self) -> Iterable[WorkloadKey]:
        """The workloads of the cluster: those put there, and those on record."""
        return (*self.workloads, *(record.key for record in self.store.all()))

    def workload(self, key: WorkloadKey) -> Workload | None:
        """One of them."""
        return Workload(key, "uid", Revision("digest"))


def named(name: str, namespace: str = "shop", *, ago: float = 60, of: Record | None = None) -> Record:
    """The record of a rollout of the workload of this name that began so many seconds ago."""
    key = WorkloadKey(WorkloadKind.DEPLOYMENT, namespace, name)
    began = NOW - timedelta(seconds=ago)
    return replace(of or in_state(), name=f"{name}-new", key=key, started_at=began)


@asynccontextmanager
async def served(
    records: Iterable[Record] = (),
    policies: Sequence[Policy] = (CANARY,),
    logins: Sequence[Login] = (),
    visitors: Visitors = NOBODY,
) -> AsyncIterator[Served]:
    """The page, served on a free port of the loopback."""
    store = Told()
    store.put(*records)
    credentials, port = Authenticator(logins), free_port()

    def server() -> PageServer:
        model = RecordReadModel(
            ReadSources(
                store, here.desk, here.histories, here, PolicyRegistry(Rules(tuple(policies)), Mode.ENFORCE)
            ),
            FixedClock(),
            ReplicaIdentity("sentinel-1", "0.1.0", "", "enforce"),
            leads=lambda: here.leads,
            remarks=lambda: here.remarks,
            newest=lambda record: record,
            targets=DoraTargets(),
        )
        writes = PageWrites(visitors, store, here.desk, here.telemetry)
        options = ServerOptions(host="127.0.0.1", port=port)
        return PageServer(model, credentials, options, writes, lambda: list(known_reasons().values()))

    running: list[PageServer] = []

    async def start() -> None:
        running.append(server())
        await running[-1].start()

    here = Served(f"http://127.0.0.1:{port}/ui/", store, start, lambda: running[-1].stop())
    await start()
    try:
        yield here
    finally:
        await here.stop()
