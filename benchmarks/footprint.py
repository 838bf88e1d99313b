"""What the daemon takes up in a cluster without workloads, and in one with many: memory, and CPU until it is ready.

An earlier build in the same run gives the ratios that count. Each build's daemon runs as its own image runs it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.build import Build
from benchmarks.harness.daemon import DaemonProcess
from benchmarks.harness.figures import machine, table
from benchmarks.harness.result import Result
from benchmarks.memory import Plan, setting

_SETTLING_SECONDS = 10.0
_IN_FLIGHT_SECONDS = 30.0
_LOOK_SECONDS = 2.0
_IDLE = 0.1
"""A daemon that uses less of a core than this has done what there was to do at its start."""
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Scale:
    """So many Deployments of so many pods, and how many of them are rolled out at once."""

    deployments: int
    replicas: int
    in_flight: int


FULL = Scale(1000, 5, 50)
QUICK = Scale(100, 5, 10)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resident memory in MiB, and the seconds of CPU used by then."""

    name: str
    resident: float
    cpu: float


def bench(build: Build, quick: bool) -> Result:
    """Without workloads, and with many."""
    scale = QUICK if quick else FULL
    found = asyncio.run(measure(build, scale))
    figures = {f"{each.name}, MiB": each.resident for each in found}
    figures |= {f"{each.name}, CPU": each.cpu for each in found}
    return Result(figures, lambda date: page(found, scale, date))


async def measure(build: Build, scale: Scale) -> list[Footprint]:
    """One daemon without workloads, then another with many."""
    empty = await _footprints(build, Scale(0, 0, 0))
    return [*empty, *await _footprints(build, scale)]


async def _footprints(build: Build, scale: Scale) -> list[Footprint]:
    plan = Plan(scale.deployments, scale.replicas, 0.0, 0.0, 0.0)
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        async with setting(build, plan, Path(folder)) as here:

            async def after(seconds: float, name: str) -> Footprint:
                await asyncio.sleep(seconds)
                return Footprint(name, here.daemon.resident_mib(), here.daemon.cpu_seconds())

            if not scale.deployments:
                return [await after(_SETTLING_SECONDS, "no workload")]
            cluster = f"{scale.deployments:,} Deployments of {scale.replicas} pods"
            await _at_rest(here.daemon)
            at_rest = await after(0.0, cluster)
            here.release(scale.in_flight)
            in_flight = await after(_IN_FLIGHT_SECONDS, f"{scale.in_flight} of them in flight")
            await here.daemon.stop()
            await here.daemon.start()
            return [at_rest, in_flight, await after(_SETTLING_SECONDS, "started again with them in flight")]


async def _at_rest(daemon: DaemonProcess) -> None:
    """Wait until it idles, a minute at most: its CPU is to be that of the whole start, on a busy machine too."""
    await asyncio.sleep(_SETTLING_SECONDS)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                used = daemon.cpu_seconds()
                await asyncio.sleep(_LOOK_SECONDS)
                if daemon.cpu_seconds() - used < _IDLE * _LOOK_SECONDS:
                    return


def page(found: Sequence[Footprint], scale: Scale, date: str) -> str:
    """The page of the documentation."""
    rows = [(each.name, f"{each.resident:.0f}", f"{each.cpu:.1f}") for each in found]
    return (
        "# What the daemon takes up\n\n"
        f"`python -m benchmarks footprint`, {date}. {machine('aiohttp', 'pydantic', 'rollback-sentinel')}.\n\n"
        "Resident memory of `sentinel run`, and the seconds of CPU that it had used by then, start included: "
        f"{_SETTLING_SECONDS:g} s\n"
        f"after it was ready without workloads; of the first one in a cluster of {scale.deployments:,} guarded "
        "Deployments, once it had\n"
        f"written a record of each and idled; {_IN_FLIGHT_SECONDS:g} s after {scale.in_flight} of them were released, "
        "each judged by two rules every\n"
        f"5 s; and {_SETTLING_SECONDS:g} s after the next process was ready. A build runs with or without docstrings, "
        "as its own\n"
        "image runs it.\n\n"
        f"{table(('', 'MiB', 'CPU s'), rows)}\n"
    )
