"""The daemon's reconciling over a modelled workload: the services of production, with memory where the network is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sentinel.domain.command import Command, CommandPhase
from sentinel.domain.decision import Change
from sentinel.domain.evidence import Past, PastCounters, Span, ValueSample
from sentinel.domain.gate import WebhookGate
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.domain.record.record import Record
from sentinel.domain.workload.config import ConfigReading
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.pairing import Pairing
from sentinel.domain.workload.revision import Applied
from sentinel.engine.replay.setting import World
from sentinel.ports import MetricSource
from sentinel.runtime.evidence.collector import EvidenceCollector
from sentinel.runtime.fence import Fence, unfenced
from sentinel.runtime.gates.jobs import GateJobs
from sentinel.runtime.gates.runner import GateRunner
from sentinel.runtime.notify.announcements import Announcements
from sentinel.runtime.notify.notifications import Notifications
from sentinel.runtime.notify.reporting import Reporter
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.queue import KeyedQueue, Turn
from sentinel.runtime.reconciling.commands import CommandHandler
from sentinel.runtime.reconciling.driver import Driver, Limits, ReconcileServices
from sentinel.runtime.reconciling.reconciler import ReconcileLoop
from tests.runtime.doubles import Channel, Counts, LoopClock, Rules, Shelf


@dataclass
class OneWorkload:
    """A cluster of one modelled workload. Listeners are told of each change as a watch would tell them."""

    world: World
    clock: LoopClock
    key: WorkloadKey
    applied_changes: list[Change]
    changed: asyncio.Event

    def keys(self) -> Iterable[WorkloadKey]:
        """The one."""
        return (self.key,)

    def workload(self, key: WorkloadKey) -> Workload | None:
        """As it is now."""
        return self.world.at(self.clock.now()) if key == self.key else None

    def pair(self, pairings: Iterable[Pairing]) -> None:
        """It is no pair."""

    def pair_of(self, key: WorkloadKey) -> WorkloadKey:
        """Nothing is a member of one."""
        return key

    def owner_of_pod(self, namespace: str, pod: str) -> WorkloadKey | None:
        """By the pods there are now."""
        here = self.workload(self.key)
        names = {one.name for one in here.pods} if here else set()
        return self.key if namespace == self.key.namespace and pod in names else None

    def workloads_behind(self, namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        """By name."""
        return (self.key,) if (namespace, service) == (self.key.namespace, self.key.name) else ()

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """The world's own changes are watched by `Daemonlet`."""

    async def apply(self, workload: Workload, change: Change, *, timeout: float = 10.0) -> str:
        """Make it at once."""
        self.world.apply(change, self.clock.now())
        self.applied_changes.append(change)
        self.changed.set()
        return "done"

    def follow_config(self, workload: Workload, *, wanted: bool = True) -> None:
        """The world shows what it has."""

    async def read_config(self, workload: Workload, *, keep: bool) -> ConfigReading:
        """As the snapshot says."""
        return ConfigReading(workload.config)

    async def confirm(self, workload: Workload) -> None:
        """What the watch shows is so."""

    async def applied(self, key: WorkloadKey) -> Applied | None:
        """As the snapshot says."""
        here = self.workload(key)
        return Applied(here.uid, here.candidate.digest) if here else None

    def renew(self) -> None:
        """Nothing was missed."""

    async def announce(self, workload: Workload, reason: str, message: str, *, warning: bool = False) -> None:
        """Nobody reads Events here."""


@dataclass
class Desk:
    """Commands that come in at their times."""

    waiting: list[Command]
    clock: LoopClock

    def workloads(self) -> Iterable[WorkloadKey]:
        """Those asked for by now."""
        return {command.key for command in self.waiting}

    def of_workload(self, key: WorkloadKey) -> tuple[Command, ...]:
        """Asked for by now, and not answered."""
        now = self.clock.now()
        return tuple(c for c in self.waiting if c.key == key and c.created_at <= now)

    async def answer(
        self, command: Command, phase: CommandPhase, message: str, at: datetime, refusal: str = ""
    ) -> None:
        """Take it off the desk."""
        self.waiting = [one for one in self.waiting if one.uid != command.uid]

    async def delete(self, command: Command) -> None:
        """None is kept."""

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """They come in by the clock."""


@dataclass
class Counting:
    """A metrics source that answers from a function of the time."""

    answer: Callable[[datetime, datetime], tuple[Span, ...]]
    name: str = "prometheus"
    settle: float = 0.0
    extents: None = None
    min_interval: float = 1.0

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """What was counted between the two times."""
        return self.answer(since, until)

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """None is kept."""
        return ()

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """Always nought."""
        return ValueSample(at, (0.0,), scalar=True)

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> list[PastCounters]:
        """Nothing is known of the hour before."""
        return [{} for _ in pasts]


class Silent:
    """Conditions and gates that nobody asks."""

    def holds(self, expression: str, values: tuple[float, ...], *, scalar: bool) -> bool:
        """Never."""
        return False

    async def ask(self, gate: WebhookGate, record: Record) -> object:
        """Nobody asks."""
        raise AssertionError


class Daemonlet:
    """Reconciles one modelled workload on the loop's clock, as the daemon does."""

    def __init__(
        self,
        policy: Policy,
        world: World,
        source: MetricSource,
        *,
        commands: tuple[Command, ...] = (),
        fence: Fence = unfenced,
    ) -> None:
        clock, telemetry = LoopClock(), Counts()
        first = world.at(clock.now())
        assert first is not None
        self.shelf = Newest()
        self._changed = asyncio.Event()
        self.cluster = OneWorkload(world, clock, first.key, [], self._changed)
        self.queue: KeyedQueue[WorkloadKey] = KeyedQueue()
        self._world, self._clock = world, clock
        self._commands = commands
        silent, rng = Silent(), random.Random(0)
        registry = PolicyRegistry(Rules((policy,)), Mode.ENFORCE)
        notifications = Notifications(Channel(), self.shelf, lambda _: None, telemetry, rng)  # type: ignore[arg-type]
        announcements = Announcements(self.cluster)
        self.services = ReconcileServices(
            cluster=self.cluster,
            keepers=silent,  # type: ignore[arg-type] - nothing deploys the workload
            histories=silent,  # type: ignore[arg-type] - no record is deleted
            store=self.shelf,  # type: ignore[arg-type] - of the protocol only what is called
            registry=registry,
            collector=EvidenceCollector(
                {source.name: source},
                self.cluster.workload,
                partial(self.queue.add, turn=Turn.ROUTINE),
                clock,
                telemetry,
            ),
            notifications=notifications,
            announcements=announcements,
            reporter=Reporter(notifications, announcements, registry.mode_of),
            commands=CommandHandler(Desk(list(commands), clock), clock, telemetry, fence),
            gates=GateRunner(
                silent, GateJobs(None, None, fence, clock, telemetry), self.queue.add, clock, telemetry
            ),  # type: ignore[arg-type]
            conditions=silent,
            clock=clock,
            telemetry=telemetry,
            rng=rng,
            fence=fence,
        )
        self.driver = Driver(self.services, self.queue, Limits())
        self._reconciler = ReconcileLoop(self.driver, self.queue, clock, telemetry, rng)

    async def run(self, seconds: float) -> Record | None:
        """Reconcile for so long; returns the newest record."""
        serving = asyncio.ensure_future(self.queue.run(self._reconciler.reconcile))
        events = asyncio.ensure_future(self._tell_events())
        self.queue.add(self.cluster.key)
        await asyncio.sleep(seconds)
        for task in (serving, events):
            task.cancel()
        await asyncio.gather(serving, events, return_exceptions=True)
        await self.services.collector.close()
        await self.services.gates.close()
        records = self.shelf.of_workload(self.cluster.key)
        return records[0] if records else None

    async def _tell_events(self) -> None:
        """What a watch tells: every change of the world by itself, and every command."""
        asked = sorted(command.created_at for command in self._commands)
        while True:
            now = self._clock.now()
            ahead = [at for at in asked if at > now]
            change = self._world.next_change(now)
            due = min([*ahead, *([change] if change else [])], default=None)
            self._changed.clear()
            wait = None if due is None else max(0.001, (due - now).total_seconds())
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self.queue.add(self.cluster.key)


class Newest(Shelf):
    """A shelf that gives the newest rollout first, and versions what it keeps."""

    def of_workload(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All of a workload, newest first."""
        return tuple(sorted(super().of_workload(key), key=lambda one: one.started_at, reverse=True))

    async def save(self, record: Record) -> Record:
        """Keep it under a new version."""
        version = str(int(record.version or 0) + 1)
        return await super().save(replace(record, version=version))
