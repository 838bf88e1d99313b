"""How fast a bad rollout is undone: from the sign of the fault to the undo patch at the API server.

The simulated cluster, Prometheus' stand-in and the daemon (`sentinel run`) are three processes on one machine that
talk HTTP over the loopback. Every Deployment is guarded and has old records; so many of them are in a canary's bake,
with metric rules evaluated all the time. Two kinds of fault are struck, one at a time, and timed:

- crash loop: from the write of a candidate pod's status that shows it to the undo's write of the Deployment;
- alert: from just before Alertmanager's POST is sent to the undo's write of the Deployment.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.harness.build import Build
from benchmarks.harness.field import KINDS, Field, Level, Plan
from benchmarks.harness.figures import Figures, machine, table
from benchmarks.harness.result import Result

FULL = Plan(
    deployments=200,
    replicas=5,
    history=19,
    interval=5.0,
    levels=(Level(1, 40), Level(50, 120), Level(200, 240)),
    spacing=0.25,
    burst=20,
    bursts=3,
)
QUICK = Plan(
    deployments=50,
    replicas=3,
    history=5,
    interval=5.0,
    levels=(Level(1, 10), Level(50, 60)),
    burst=10,
    bursts=1,
)
AIM_MS = 100.0
POLLING_SECONDS = 10.0
"""Flagger's least interval."""


def bench(build: Build, quick: bool) -> Result:
    """Play the whole plan, or the quick one."""
    plan = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        field = asyncio.run(measure(build, plan, Path(folder)))
    return Result(figures(plan, field), lambda date: report(plan, field, date))


async def measure(build: Build, plan: Plan, folder: Path) -> Field:
    """Play the plan; the field with everything that was measured."""
    async with Field.laid_out(build, plan, folder) as field:
        for level in plan.levels:
            print(f"{level.in_flight} in flight: {level.strikes} strikes ...", file=sys.stderr)
            await field.play(level)
        return field


def figures(plan: Plan, field: Field) -> dict[str, float]:
    """What is compared with another build's: milliseconds, seconds of CPU a second, and MiB."""
    found: dict[str, float] = {}
    for level, use in zip(plan.levels, field.usage, strict=True):
        for kind in KINDS:
            times = Figures.of(field.sample(level, kind))
            found |= {f"{level.in_flight} in flight, {kind}, p50": times.p50}
            found |= {f"{level.in_flight} in flight, {kind}, p99": times.p99}
        found |= {f"{level.in_flight} in flight, CPU": use.cpu_share}
        found |= {f"{level.in_flight} in flight, memory": use.resident_mib}
    return found


def report(plan: Plan, field: Field, date: str) -> str:
    """The page."""
    yardstick = Figures.of(field.yardstick)
    highest = plan.levels[-1].in_flight
    rows = _rows(plan, field, yardstick.p50)
    head = ["", "n", "p50 ms", "p90 ms", "p99 ms", "max ms", "p50 ÷ PATCH", "p99 ÷ PATCH"]
    slowest = max(Figures.of(field.sample(plan.levels[-1], kind)).p99 for kind in KINDS) / 1000
    reached = "reached" if slowest * 1000 <= AIM_MS else "**not reached**"
    load_average = os.getloadavg()[0]
    load = [
        [str(level.in_flight), f"{use.cpu_share:.0%}", f"{use.resident_mib:.0f}"]
        for level, use in zip(plan.levels, field.usage, strict=True)
    ]
    return f"""# Reaction: from the fault to the undo

`python -m benchmarks reaction`, {date}. {machine("aiohttp", "orjson", "rollback-sentinel")}.

The simulated API server with its controllers, Prometheus' stand-in and `sentinel run` are three processes that share
this machine and talk HTTP over the loopback. {plan.deployments} guarded Deployments of {plan.replicas} pods, each
with {plan.history} old RolloutRecords; those in flight bake a canary step, with an error rate and a latency rule
evaluated every {plan.interval:g} s for all of them. Faults are struck {plan.spacing:g} s apart, so that at most a few
are under way together; what was undone is released again.

- **crash loop**: from the write of a pod status with CrashLoopBackOff into the API server's store to the write of the
  Deployment that the undo's patch makes there.
- **alert**: from just before the webhook's first byte is sent to that same write.
- **PATCH**: a round trip of a JSON patch of the same shape (tests and a pod template) by the daemon's API client,
  from a third process, at the highest load; median {yardstick.p50:.1f} ms, p99 {yardstick.p99:.1f} ms. The ratio
  tells more than milliseconds of one machine do: an undo reads the Deployment and the target's ReplicaSet, writes
  its intent into the record, and patches: three round trips in a row (an alert has one more, its record).

{table(head, rows)}

Not undone within {field.patience:g} s: {field.missed}. The aim, a p99 of at most {AIM_MS:g} ms at {highest} in
flight, is {reached} here. The machine's load average at the end, other programs included: {load_average:.1f}
(the benchmark ran at niceness {os.nice(0)}).

For context, **modelled, not measured**: something that polls every {POLLING_SECONDS:g} s (Flagger's least interval)
sees a fault {POLLING_SECONDS / 2:g} s late at the median and {POLLING_SECONDS * 0.99:.1f} s late at the 99th
percentile, before it does anything: {POLLING_SECONDS * 0.99 / slowest:.0f} times the p99 at
{highest} in flight.

What the daemon used meanwhile (all its threads; strikes and releases included):

{table(["in flight", "CPU", "resident MiB"], load)}
"""


def _rows(plan: Plan, field: Field, patch: float) -> list[list[str]]:
    """Each kind of fault at each load, and the burst."""
    rows = [
        _row(f"{level.in_flight} in flight, {kind}", field.sample(level, kind), patch)
        for level in plan.levels
        for kind in KINDS
    ]
    if burst := field.burst_sample():
        what = f"burst: {plan.burst} crash loops at once, {plan.levels[-1].in_flight} in flight"
        rows.append(_row(what, burst, patch))
    return rows


def _row(what: str, sample: list[float], patch: float) -> list[str]:
    found = Figures.of(sample)
    times = [f"{value:.1f}" for value in (found.p50, found.p90, found.p99, found.most)]
    return [what, str(found.count), *times, f"{found.p50 / patch:.1f}", f"{found.p99 / patch:.1f}"]
