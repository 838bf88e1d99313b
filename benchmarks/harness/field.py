"""The field of the reaction benchmark: a world, its metrics and a daemon, faults struck and what came of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random

import aiohttp
import orjson

from benchmarks.harness.build import Build
from benchmarks.harness.daemon import DaemonProcess
from benchmarks.harness.link import Child, Message
from benchmarks.harness.metrics import run_metrics
from benchmarks.harness.world import NAMESPACE, STABLE_TAG, WorldSpec, name_of, run_world
from benchmarks.harness.yardstick import Yardstick

CRASH_LOOP, ALERT = "crash loop", "alert"
KINDS = (CRASH_LOOP, ALERT)
_POLICY = Path(__file__).with_name("policy.yaml")
_ALERT_NAME = "CheckoutFunnelBroken"
_ALERTED = (name_of(0), name_of(1))
_WARM_UP_SECONDS = 12.0
_YARDSTICK_EVERY = 5
_PENDING = 20
"""So many releases at once wait for their bake to begin: more, and some are over before a busy daemon sees them."""


@dataclass(frozen=True, slots=True)
class Level:
    """So many rollouts in flight, and so many strikes altogether, of each kind half."""

    in_flight: int
    strikes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. `interval`: of scrapes and metric rules, `spacing`: between strikes, both in seconds; `drained`
    pods more can all change at once."""

    deployments: int
    replicas: int
    history: int
    interval: float
    levels: tuple[Level, ...]
    spacing: float = 0.25
    burst: int = 0
    bursts: int = 0
    warm_up: float = _WARM_UP_SECONDS
    drained: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """What the daemon used during a level."""

    cpu_share: float
    resident_mib: float


@dataclass(slots=True)
class _Strike:
    """One fault; `begun` and the undo's arrival in nanoseconds of the machine's monotonic clock."""

    level: int
    kind: str
    begun: int
    undone: asyncio.Future[int]


class Field:
    """Strikes and measures. `yardstick` are round trips in milliseconds, `missed` strikes that nothing came of."""

    patience = 10.0
    """Seconds after which a strike is given up."""

    def __init__(self, plan: Plan, world: Child, metrics: Child) -> None:
        self.yardstick: list[float] = []
        self.usage: list[Use] = []
        self.missed = 0
        self._plan = plan
        self._world = world
        self._metrics = metrics
        self._addresses: dict[str, Message] = {}
        self._answered = {"world": asyncio.Event(), "metrics": asyncio.Event()}
        self._samples: dict[tuple[int, str], list[float]] = {}
        self._burst: list[float] = []
        self._strikes: dict[str, _Strike] = {}
        self._image: dict[str, str] = {}
        self._baking: list[str] = []
        self._recorded: set[str] = set()
        self._ripe = asyncio.Event()
        self._in_flight = 0
        self._tags = count(1)
        self._fingerprints = count(1)
        self._rng = Random(0)
        self._daemon: DaemonProcess | None = None
        self._session: aiohttp.ClientSession | None = None
        self._measure: Yardstick | None = None

    @classmethod
    @asynccontextmanager
    async def laid_out(cls, build: Build, plan: Plan, folder: Path) -> AsyncIterator[Field]:
        """All three processes up, everything at rest."""
        spec = WorldSpec(
            plan.deployments, plan.replicas, plan.history, _POLICY, build.definitions, plan.drained
        )
        world = Child(run_world, spec)
        metrics = Child(run_metrics, NAMESPACE, (_ALERT_NAME,), plan.interval)
        try:
            async with aiohttp.ClientSession() as session:
                field = cls(plan, world, metrics)
                try:
                    await field._start(build, folder, session)
                    yield field
                finally:
                    await field._stop()
        finally:
            world.stop()
            metrics.stop()

    def sample(self, level: Level, kind: str) -> list[float]:
        """Milliseconds from strike to undo."""
        return self._samples.get((level.in_flight, kind), [])

    def burst_sample(self) -> list[float]:
        """Milliseconds from strike to undo, of many strikes at once."""
        return self._burst

    async def play(self, level: Level) -> None:
        """Bring so many rollouts into flight, then strike them one after the other."""
        assert self._daemon is not None
        await self._bring_into_flight(level.in_flight)
        began, used = time.monotonic(), self._daemon.cpu_seconds()
        for number in range(level.strikes):
            due = asyncio.get_running_loop().time() + self._plan.spacing * self._rng.uniform(0.5, 1.5)
            kind = KINDS[number % 2]
            await self._strike(await self._next(kind), kind, level.in_flight)
            if level is self._plan.levels[-1] and number % _YARDSTICK_EVERY == 0:
                self.yardstick.append(await self._yardstick())
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        share = (self._daemon.cpu_seconds() - used) / (time.monotonic() - began)
        self.usage.append(Use(share, self._daemon.resident_mib()))
        if level is self._plan.levels[-1]:
            for _ in range(self._plan.bursts):
                await self._strike_many(level)
        await self._all_baking(level.in_flight)

    # -- setting up

    async def _start(self, build: Build, folder: Path, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._world.link.listen(self._heed)
        self._metrics.link.listen(self._heed_metrics)
        for who, child in (("world", self._world), ("metrics", self._metrics)):
            async with asyncio.timeout(300):
                await child.link.until(self._answered[who])
        _, _url, config = self._addresses["world"]
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_bytes(orjson.dumps(config))
        prometheus = self._addresses["metrics"][1]
        self._daemon = DaemonProcess(build, folder, kubeconfig, _POLICY, prometheus, self._plan.interval)
        await self._daemon.start()
        await self._watching()
        self._measure = await Yardstick.connect(kubeconfig)

    async def _watching(self) -> None:
        """Wait until every Deployment is on record: what is released before was there before anyone watched it.

        Not forever: an earlier build may not record them.
        """
        for _ in range(300):
            if len(self._recorded) >= self._plan.deployments:
                break
            await asyncio.sleep(0.1)

    async def _stop(self) -> None:
        if self._measure is not None:
            await self._measure.close()
        if self._daemon is not None:
            await self._daemon.stop()

    async def _bring_into_flight(self, wanted: int) -> None:
        flying = {name for name in self._image if name in self._baking}
        for index in range(wanted):
            if name_of(index) not in flying:
                while len(self._image) - len(self._baking) >= _PENDING:
                    await self._change()
                self._release(name_of(index))
                await asyncio.sleep(0.02)
        self._in_flight = wanted
        await self._all_baking(wanted)
        await asyncio.sleep(self._plan.warm_up)

    async def _all_baking(self, wanted: int) -> None:
        async with asyncio.timeout(60 + wanted):
            while len(self._baking) < wanted:
                await self._change()

    async def _change(self) -> None:
        """Wait until one more bakes."""
        self._ripe.clear()
        await self._ripe.wait()

    def _release(self, name: str) -> None:
        tag = f"r{next(self._tags)}"
        self._image[name] = f"{name}:{tag}"
        self._world.link.send("release", name, tag)

    # -- striking

    async def _next(self, kind: str = CRASH_LOOP) -> str:
        """A workload whose canary bakes, the longest waiting first.

        Alerts come for the same two workloads all the time: for three within minutes they were a storm, which undoes
        nothing. Those two are struck by crash loops only where there are no others.
        """
        async with asyncio.timeout(60):
            while True:
                fit = [name for name in self._baking if self._suits(name, kind)]
                if fit:
                    self._baking.remove(fit[0])
                    return fit[0]
                await self._change()

    def _suits(self, name: str, kind: str) -> bool:
        return self._in_flight <= len(_ALERTED) or (kind == ALERT) == (name in _ALERTED)

    async def _strike(self, name: str, kind: str, level: int) -> None:
        strike = self._prepared(name, kind, level)
        if kind == CRASH_LOOP:
            self._world.link.send("strike", (name,))
        else:
            strike.begun = time.monotonic_ns()
            await self._post_alert(name)
        await self._take(name, self._samples.setdefault((level, kind), []))

    async def _strike_many(self, level: Level) -> None:
        names = tuple([await self._next() for _ in range(self._plan.burst)])
        for name in names:
            self._prepared(name, CRASH_LOOP, level.in_flight)
        self._world.link.send("strike", names)
        await asyncio.gather(*(self._take(name, self._burst) for name in names))
        await self._all_baking(level.in_flight)

    def _prepared(self, name: str, kind: str, level: int) -> _Strike:
        strike = _Strike(level, kind, 0, asyncio.get_running_loop().create_future())
        self._strikes[name] = strike
        return strike

    async def _take(self, name: str, sample: list[float]) -> None:
        strike = self._strikes[name]
        try:
            async with asyncio.timeout(self.patience):
                undone = await strike.undone
        except TimeoutError:
            self.missed += 1
        else:
            sample.append((undone - strike.begun) / 1e6)

    async def _post_alert(self, name: str) -> None:
        assert self._session is not None
        assert self._daemon is not None
        labels = {"alertname": _ALERT_NAME, "namespace": NAMESPACE, "deployment": name}
        alert = {
            "status": "firing",
            "labels": labels,
            "annotations": {"summary": "Orders per minute fell by half"},
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": f"{next(self._fingerprints):016x}",
        }
        payload = {"version": "4", "status": "firing", "receiver": "sentinel", "alerts": [alert]}
        url = f"{self._daemon.url}/webhooks/alertmanager"
        async with self._session.post(url, json=payload) as response:
            response.raise_for_status()

    async def _yardstick(self) -> float:
        assert self._measure is not None
        return await self._measure.round_trip()

    # -- what the world says

    def _introduced(self, who: str, message: Message) -> None:
        self._addresses[who] = message
        self._answered[who].set()

    def _heed(self, message: Message) -> None:
        match message:
            case ("ready", *_):
                self._introduced("world", message)
            case ("pod", *_):
                self._metrics.link.send(*message)
            case ("struck", str(name), int(stamp)):
                self._strikes[name].begun = stamp
            case ("patched", str(name), int(stamp)):
                strike = self._strikes.get(name)
                if strike is not None and not strike.undone.done():
                    strike.undone.set_result(stamp)
            case ("phase", str(name), str(image), str(phase)):
                self._phase(name, image, phase)
            case _:
                self._heed_more(message)

    def _heed_metrics(self, message: Message) -> None:
        self._introduced("metrics", message)

    def _heed_more(self, message: Message) -> None:
        """What only some fields ask for."""

    def _phase(self, name: str, image: str, phase: str) -> None:
        if image == f"{name}:{STABLE_TAG}":  # and not one of its old records
            self._recorded.add(name)
        if image != self._image.get(name):
            return
        if phase == "Baking":
            self._baking.append(name)
            self._ripe.set()
        elif phase == "Unjudged":  # over before a busy daemon saw it
            self._baking = [each for each in self._baking if each != name]
            self._release(name)
        elif phase in ("Undone", "Held", "Failed") and name in self._strikes:
            self._release(name)
