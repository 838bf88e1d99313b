"""Whether the daemon's resident memory stays flat, and its CPU: at rest, with rollouts in flight, without answers.

One `sentinel run` goes through all phases, against the simulated cluster and Prometheus' stand-in in separate
processes. What counts is a ratio within the run: the mean of a phase's last third to that of its middle third.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.harness.build import HERE, Build
from benchmarks.harness.daemon import DaemonProcess
from benchmarks.harness.figures import machine, table
from benchmarks.harness.link import Child, Message
from benchmarks.harness.metrics import run_metrics
from benchmarks.harness.remembered import Remembered, fill
from benchmarks.harness.result import Result
from benchmarks.harness.world import NAMESPACE, WorldSpec, name_of, run_world
from sentinel.adapters.prometheus.http.client import REMEMBERED_SECONDS

MAY_GROW = 0.05
_POLICY = Path(__file__).parent / "harness" / "policy.yaml"
_INTERVAL = 5.0
_SAMPLE_SECONDS = 2.0
_SETTLING_SECONDS = 10.0
_START_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How many Deployments of how many pods, for how many seconds each phase is watched.

    `filling`: after how many seconds what is remembered of a source's answers has reached its level; `again`: after
    how many seconds it has so once more, after a silence that it outlasts in part. `asked`: about how many pods, for
    how many ticks, to fill what remembers answers.
    """

    deployments: int
    replicas: int
    seconds: float
    filling: float
    again: float
    asked: tuple[int, int] = (500, 25)


FULL = Plan(200, 5, 60.0, REMEMBERED_SECONDS + 20.0, 60.0)
QUICK = Plan(50, 3, 30.0, 30.0, 10.0, (100, 5))


@dataclass(frozen=True, slots=True)
class Phase:
    """Resident memory in MiB, sampled at even distances through a part of the run, and seconds of CPU a minute."""

    name: str
    samples: Sequence[float]
    cpu: float = 0.0

    @property
    def growth(self) -> float:
        """By which share the last third lies over the middle third."""
        third = len(self.samples) // 3
        return statistics.mean(self.samples[-third:]) / statistics.mean(self.samples[third:-third]) - 1


def bench(build: Build, quick: bool) -> Result:
    """Go through the phases; growth is a flaw. An earlier build is measured at rest and in flight alone."""
    plan = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        phases = asyncio.run(measure(build, plan, Path(folder), silent=build.root == HERE.root))
    held = asyncio.run(fill(*plan.asked))
    figures = {f"{phase.name}, most MiB": max(phase.samples) for phase in phases}
    figures |= {f"{phase.name}, CPU a minute": phase.cpu for phase in phases}
    grown = [phase.name for phase in phases if phase.growth > MAY_GROW]
    return Result(
        figures,
        lambda date: report(phases, plan, held, date),
        f"memory grew: {', '.join(grown)}" if grown else "",
    )


class Setting:
    """The three processes."""

    def __init__(self, daemon: DaemonProcess, world: Child, metrics: Child, deployments: int) -> None:
        self.daemon = daemon
        self._world = world
        self._metrics = metrics
        self._deployments = deployments

    def release_all(self) -> None:
        """Bring every Deployment into a canary's bake, with two metric rules on it."""
        self.release(self._deployments)

    def release(self, count: int) -> None:
        """Bring so many of them there."""
        for index in range(count):
            self._world.link.send("release", name_of(index), "next")

    def silence_prometheus(self) -> None:
        """Have it take questions and answer none."""
        os.kill(self._metrics.pid, signal.SIGSTOP)

    def wake_prometheus(self) -> None:
        """Have it answer again."""
        os.kill(self._metrics.pid, signal.SIGCONT)

    async def watch(self, name: str, seconds: float, settling: float) -> Phase:
        """Sample for so long, once what has just begun has settled for so many seconds."""
        print(f"{name}: {settling + seconds:g} s ...", file=sys.stderr)
        await asyncio.sleep(settling)
        samples = []
        began, used = time.monotonic(), self.daemon.cpu_seconds()
        for _ in range(round(seconds / _SAMPLE_SECONDS)):
            samples.append(self.daemon.resident_mib())
            await asyncio.sleep(_SAMPLE_SECONDS)
        cpu = (self.daemon.cpu_seconds() - used) / (time.monotonic() - began) * 60
        return Phase(name, samples, cpu)


@asynccontextmanager
async def setting(build: Build, plan: Plan, folder: Path) -> AsyncIterator[Setting]:
    """All three up, everything at rest."""
    world = Child(run_world, WorldSpec(plan.deployments, plan.replicas, 5, _POLICY, build.definitions))
    metrics = Child(run_metrics, NAMESPACE, (), _INTERVAL)
    loop = asyncio.get_running_loop()
    ready: dict[Child, asyncio.Future[Message]] = {child: loop.create_future() for child in (world, metrics)}

    def heed(child: Child) -> Callable[[Message], None]:
        def take(message: Message) -> None:
            if message[0] == "ready":
                ready[child].set_result(message)
            elif message[0] == "pod":
                metrics.link.send(*message)

        return take

    try:
        for child in (world, metrics):
            child.link.listen(heed(child))
        async with asyncio.timeout(_START_SECONDS):
            (_, _, kubeconfig), (_, prometheus) = await asyncio.gather(*ready.values())
        (folder / "kubeconfig").write_bytes(orjson.dumps(kubeconfig))
        daemon = DaemonProcess(build, folder, folder / "kubeconfig", _POLICY, prometheus, _INTERVAL)
        await daemon.start()
        try:
            yield Setting(daemon, world, metrics, plan.deployments)
        finally:
            await daemon.stop()
    finally:
        os.kill(metrics.pid, signal.SIGCONT)
        world.stop()
        metrics.stop()


async def measure(build: Build, plan: Plan, folder: Path, *, silent: bool = True) -> list[Phase]:
    """Go through the phases; those in and after a silence of Prometheus only where asked."""
    seconds = plan.seconds
    async with setting(build, plan, folder) as here:
        phases = [await here.watch("at rest", seconds, _SETTLING_SECONDS)]
        here.release_all()
        phases.append(await here.watch("all in flight", seconds, plan.filling))
        if silent:
            here.silence_prometheus()
            name = "Prometheus takes questions and answers none"
            phases.append(await here.watch(name, seconds, _SETTLING_SECONDS))
            here.wake_prometheus()
            phases.append(await here.watch("it answers again", seconds, plan.again))
        return phases


def report(phases: Sequence[Phase], plan: Plan, held: Remembered, date: str) -> str:
    """The page."""
    rows = [
        [
            phase.name,
            *(f"{value:.0f}" for value in (phase.samples[0], phase.samples[-1], max(phase.samples))),
            f"{phase.growth:+.1%}",
            f"{phase.cpu:.1f}",
        ]
        for phase in phases
    ]
    seconds = len(phases[0].samples) * _SAMPLE_SECONDS
    return f"""# Memory: what stays, and that it stays flat

`python -m benchmarks memory`, {date}. {machine("aiohttp", "orjson", "rollback-sentinel")}.

One `sentinel run` with {plan.deployments} guarded Deployments of {plan.replicas} pods, against the simulated
cluster and Prometheus' stand-in in separate processes, goes through four phases, each of which is sampled for
{seconds:g} s: that in which answers begin to come only after {plan.filling:g} s, when what is
remembered of them has reached its level. In flight means in a canary's bake, with an error rate and a latency rule
evaluated every {_INTERVAL:g} s for every Deployment. *Grows* is the mean of a phase's last third over that of its
middle third: more than {MAY_GROW:.0%} fails the benchmark. A rollout in flight takes
{phases[1].cpu / plan.deployments * 1000:.0f} ms of CPU a minute.

{table(["resident MiB", "first", "last", "most", "grows", "CPU s a minute"], rows)}

What is on top of rest while rollouts are in flight are their answers of Prometheus (100,000 samples at most, for three
minutes) and what was made of them: counters by pod (100,000 samples) and spans (20,000), for one minute. Filled with
{plan.asked[1]} ticks of {plan.asked[0]} pods, the spans held {held.spans:.1f} MiB that nothing else held, the counters
{held.counters:.1f} beyond that, and the answers {held.answers:.1f}, by Python's own account; see
[operations](../operations.md#memory) for the whole.
"""
