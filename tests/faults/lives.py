"""The daemon's lives in a schedule: started as its pod would be, killed without a farewell, started again."""

from __future__ import annotations

import asyncio
import contextvars
import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from clustersim.cluster import SimulatedCluster
from clustersim.virtual_time import VirtualTimeLoop
from sentinel.app.wiring import policies, sources
from sentinel.app.wiring.application import Application, build
from sentinel.app.wiring.people import telling
from sentinel.domain.errors import NoticeError, SentinelError
from sentinel.domain.notice import Notice
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.record.record import Record
from sentinel.policies.load import Options
from sentinel.policies.source import FilePolicySource
from sentinel.settings import Settings
from tests.faults.strategies import NAMESPACE
from tests.support.direct import DirectPrometheus, DirectSession, Network

_LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)
H = TypeVar("H", bound=asyncio.Handle)
PATIENCE = 3.0
"""Seconds until a process that ended by itself is started again."""


class Loop(VirtualTimeLoop):
    """Virtual time; knows which tasks and connections belong to a life, by the context they were made in."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_tracked)

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As the base class does; the life it belongs to can be killed just here, or be paused meanwhile."""
        life = _life_in(context)
        if life is None:
            return super().call_soon(callback, *args, context=context)
        life.step()
        return life.scheduled(super().call_soon, callback, args, context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As the base class does; the life it belongs to may be paused when it is due."""
        life = _life_in(context)
        if life is None:
            return super().call_at(when, callback, *args, context=context)
        return life.scheduled(partial(super().call_at, when), callback, args, context)

    async def create_server(self, factory: Any, *arguments: Any, **how: Any) -> asyncio.Server:
        """As the base class does; the life can end it."""
        life = _LIFE.get()
        if life is None:
            return await super().create_server(factory, *arguments, **how)

        def tracked() -> Any:
            protocol = factory()
            life.protocols[protocol] = None
            return protocol

        server = await super().create_server(tracked, *arguments, **how)
        life.servers.append(server)
        return server


def current_life() -> Life | None:
    """The life to which what runs now belongs."""
    return _LIFE.get()


def _life_in(context: contextvars.Context | None) -> Life | None:
    return context.get(_LIFE) if context is not None else _LIFE.get()


def _tracked(loop: asyncio.AbstractEventLoop, coro: Any, **how: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **how)
    life = _life_in(how.get("context"))
    if life is not None:
        life.tasks[task] = None
    return task


class SkewedClock:
    """The daemon's clock: the cluster's time of day plus an error, and the running loop's seconds."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.error = timedelta()

    def now(self) -> datetime:
        """The time of day as this machine has it."""
        return self._now() + self.error

    def monotonic(self) -> float:
        """The running loop's clock."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)


class _Policies:
    """In the place of the rule files' loader: the same text is parsed once for all schedules."""

    @staticmethod
    def open(paths: tuple[Path, ...], options: Options) -> FilePolicySource:
        """The rule set in force."""
        text = paths[0].read_text()
        known = next((each for each in _PARSED if each[:2] == (text, options)), None)
        if known is None:
            known = (text, options, FilePolicySource.open(paths, options))
            _PARSED.append(known)
        return known[2]


_PARSED: list[tuple[str, Options, FilePolicySource]] = []


@dataclass(slots=True)
class Channel:
    """Where people are told; it can be down or hang. `told` holds the ids of decisions, in order."""

    down: bool = False
    hangs: bool = False
    told: list[str] = field(default_factory=list)
    felt: Callable[[str], None] = lambda _what: None

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Take a notice."""
        if self.hangs or self.down:
            self.felt("channel hanging" if self.hangs else "channel down")
        if self.hangs:
            await asyncio.Event().wait()
        if self.down:
            raise NoticeError("the channel is down")
        await asyncio.sleep(0.01)
        if notice.entry is not None:
            self.told.append(notice.entry.id)
        return NoticeRef("C1", "1.0")


class Life:
    """One process from its start to its death."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], None] = weakref.WeakKeyDictionary()
        """In the order in which they were made: the order of a set goes by addresses, and a seed is one story."""
        self.application: Application | None = None
        self.session: DirectSession | None = None
        self.died = asyncio.Event()
        self.servers: list[asyncio.Server] = []
        self.protocols: dict[Any, None] = {}
        self.paused = False
        self._parked: list[Callable[[], object]] = []
        self._steps_left = 0
        self._at_step: Callable[[], None] = lambda: None

    def step(self) -> None:
        """Something of it goes on after an await."""
        if self._steps_left:
            self._steps_left -= 1
            if not self._steps_left:
                self._at_step()

    def after_steps(self, steps: int, then: Callable[[], None]) -> None:
        """Do something, `kill` for one, when this many awaits have ended from now."""
        self._steps_left, self._at_step = steps, then

    def pause(self) -> None:
        """SIGSTOP: nothing of it runs, though its time goes on."""
        self.paused = True

    def resume(self) -> None:
        """SIGCONT: whatever was due meanwhile runs now, in its order."""
        self.paused = False
        parked, self._parked = self._parked, []
        for each in parked:
            each()

    def scheduled(
        self,
        schedule: Callable[..., H],
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> H:
        """The handle of a callback of this life."""
        home = context if context is not None else contextvars.copy_context()
        handles: list[H] = []

        def run() -> None:
            if self.paused:
                again = partial(asyncio.get_running_loop().call_soon, run, context=home)
                self._parked.append(again)
            elif not handles[0].cancelled():
                callback(*args)

        handles.append(schedule(run, context=home))
        return handles[0]

    def kill(self) -> None:
        """SIGKILL: from now on nothing of it has any effect, and its connections are reset."""
        self._steps_left = 0
        if self.session is not None:
            self.session.dead = True
        for server in self.servers:
            server.close()
        for protocol in self.protocols:
            if protocol.transport is not None:
                protocol.transport.abort()
        self.died.set()
        if self.paused:
            self.resume()

    async def bury(self) -> None:
        """Take away what is left of the process."""
        while tasks := [task for task in self.tasks if not task.done()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=5.0)
        if self.application is not None:
            await self.application.http.stop()
            await self.application._base.resources.aclose()


class Pod:
    """Keeps the daemon running, as its Deployment would."""

    def __init__(self, cluster: SimulatedCluster, settings: Settings, network: Network, seed: int) -> None:
        self.clock = SkewedClock(cluster.now)
        self.channel = Channel()
        self.prometheus = DirectPrometheus(cluster, network)
        self.away = 0.5
        self.life: Life | None = None
        self.lives = 0
        self.faults: list[str] = []
        self._cluster = cluster
        self._settings = settings
        self._network = network
        self._seed = seed
        self._keeper: asyncio.Task[None] | None = None
        self._boot: asyncio.Task[None] | None = None

    @property
    def url(self) -> str | None:
        """Where its webhook listens, None while nobody does."""
        application = self.life.application if self.life is not None and not self.life.died.is_set() else None
        try:
            return application.http.url if application is not None else None
        except RuntimeError:  # it does not listen yet
            return None

    @property
    def leads(self) -> bool:
        """Whether its process is the one that acts for the workloads."""
        application = self.life.application if self.life is not None and not self.life.died.is_set() else None
        return application is not None and application.leadership.left(NAMESPACE) > 0

    @property
    def up(self) -> bool:
        """Whether a process has started to its end and lives."""
        return self._boot is not None and self._boot.done() and not (self.life and self.life.died.is_set())

    def start(self) -> None:
        """Keep one running from now on."""
        self._keeper = asyncio.create_task(self._keep(), name="pod")

    def kill(self, away: float) -> None:
        """Kill the process; the next one comes after so many seconds."""
        self.away = away
        if self.life is not None:
            self.life.kill()

    async def terminate(self) -> None:
        """SIGTERM, and none after it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self.up and self.life is not None and self.life.application is not None:
            await self.life.application.stop()
            left = [t.get_name() for t in self.life.tasks if not t.done()]
            if left:
                self.faults.append(f"tasks outlive SIGTERM: {sorted(left)}")
        if self.life is not None:
            await self.life.bury()

    def kept_too_long(self, records: list[Record]) -> list[str]:
        """What the process keeps in memory of rollouts that are over and of workloads that are gone."""
        assert self.life is not None
        assert self.life.application is not None
        daemon = self.life.application.daemon
        reconciler, services = daemon._reconciler, daemon._services
        work = reconciler._work
        live = {record.name for record in records if record.live}
        keys = set(services.cluster.keys())
        notices = services.notifications
        kept = {
            "measurements": set(services.collector._ledgers) - live,
            "rollouts asked about": set(services.collector._in_flight._rollouts) - live,
            "lessons": set(services.collector._pasts._rollouts) - live,
            "states": {*work._memory.working._states, *work._memory.working._pulled} - live,
            "sightings": {*work._memory.working._judged_at, *work._memory.working._restored} - live,
            "saved records": set(work._memory.working._saved) - live,
            "workloads at rest": set(work._memory.settled) - keys,
            "failures": set(reconciler._failures) - keys,
            "timers": set(daemon._queue._timers) - keys,
            "notices": {*notices._pending, *notices._records, *notices._failures},
        }
        return [f"{what} are kept of {sorted(map(str, names))}" for what, names in kept.items() if names]

    async def _keep(self) -> None:
        while True:
            self.lives += 1
            life = self.life = Life(self._network)
            context = contextvars.copy_context()
            context.run(_LIFE.set, life)
            boot = self._boot = asyncio.create_task(self._start(life), context=context, name="boot")
            died = asyncio.create_task(life.died.wait(), name="death")
            try:
                await asyncio.wait([boot, died], return_when=asyncio.FIRST_COMPLETED)
                ended = boot.done() and not boot.cancelled() and boot.exception() is not None
                if ended and not isinstance(boot.exception(), SentinelError):
                    self.faults.append(f"the start failed: {boot.exception()!r}")
                if not ended:
                    await died
            finally:
                died.cancel()
            if ended:
                life.kill()
            await life.bury()
            await asyncio.sleep(PATIENCE if ended else self.away)

    async def _start(self, life: Life) -> None:
        prometheus = self.prometheus
        with (
            mock.patch.object(sources, "PrometheusClient", return_value=prometheus),
            mock.patch.object(telling, "notifier", return_value=self.channel),
            mock.patch.object(policies, "FilePolicySource", _Policies),
        ):
            application = await build(
                self._settings, clock=self.clock, rng=random.Random(self._seed + self.lives)
            )
        life.application = application
        life.session = DirectSession(self._cluster.api, self._network)
        application.store._client._session = life.session  # type: ignore[attr-defined]
        await application.start()
