"""What several replicas carry that share a wide cluster's namespaces by `leadership.shards`, and what a crash costs.

    python -m benchmarks.shards [--deployments 10000] [--rollouts 1000] [--lease 15] [--output FILE]

The simulated cluster, Prometheus' stand-in and each replica are separate processes. All share the machine, so that
times are those of a machine that is too small; CPU and memory are each replica's own.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Set
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import orjson

from benchmarks.harness import daemon as harness
from benchmarks.harness.build import HERE
from benchmarks.harness.daemon import DaemonProcess
from benchmarks.harness.figures import machine, table
from benchmarks.harness.link import Child, Message
from benchmarks.harness.metrics import run_metrics
from benchmarks.harness.wide import WideSpec, name_of, run_wide

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "shards.md"
_POLICY = Path(__file__).parent / "harness" / "policy.yaml"
_SCRAPE = 15.0
_PATIENCE = 3600.0
_TELL_EVERY = 10.0
_LED = re.compile(r'^sentinel_leader\{shard="(.*?)"\} 1', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Options:
    """The cluster's size, how many rollouts are in flight at once, and who shares it. `watched` and `lease` are in
    seconds."""

    deployments: int = 10_000
    pods: int = 5
    namespaces: int = 60
    rollouts: int = 1000
    replicas: int = 3
    watched: float = 120.0
    lease: float = 15.0


@dataclass(slots=True)
class Carried:
    """What one replica used: CPU seconds until ready and MiB then; CPU seconds until all that runs was on record; CPU
    a minute and MiB with its rollouts in flight; how many shards it led."""

    start_cpu: float
    start_mib: float
    known_cpu: float = 0.0
    shards: int = 0
    flight_cpu: float = 0.0
    flight_mib: float = 0.0
    left: bool = True


@dataclass(slots=True)
class Found:
    """What all replicas carried; how many releases were over before anybody led their shard; after how many seconds the
    lost one's shards were led again, and by how many."""

    options: Options
    carried: list[Carried] = field(default_factory=list)
    unseen: int = 0
    taken_over: float = 0.0
    successors: int = 0


class Scene:
    """The cluster, its metrics and the replicas; takes in what the cluster tells."""

    def __init__(self, options: Options, world: Child, metrics: Child) -> None:
        self.options = options
        self.world, self.metrics = world, metrics
        self.replicas: list[DaemonProcess] = []
        self.baking: set[str] = set()
        self.known: set[str] = set()
        self.unseen: set[str] = set()
        self._told = asyncio.Event()
        self._ready: dict[Child, asyncio.Future[Message]] = {}
        self._released = tuple(name_of(index) + "-" for index in range(options.rollouts))

    async def addresses(self) -> tuple[object, str]:
        """The cluster's kubeconfig and Prometheus' URL, once both stand."""
        loop = asyncio.get_running_loop()
        for child in (self.world, self.metrics):
            self._ready[child] = loop.create_future()
            child.link.listen(lambda message, child=child: self._heed(child, message))  # type: ignore[misc]
        async with asyncio.timeout(_PATIENCE):
            (_, _, kubeconfig), (_, url) = await asyncio.gather(*self._ready.values())
        return kubeconfig, url

    def _heed(self, child: Child, message: Message) -> None:
        match message:
            case ("ready", *_):
                self._ready[child].set_result(message)
            case ("pod", str(namespace), str(name), bool(present)):
                # Pods that nobody judges have no series here: a stand-in for all would be what is measured.
                if name.startswith(self._released):
                    self.metrics.link.send("pod", name, present, namespace)
            case ("baking", str(name), True):
                self.baking.add(name)
            case ("known", str(name)) if name in self.known:
                self.unseen.add(name)
            case ("known", str(name)):
                self.known.add(name)
        self._told.set()

    async def all_known(self) -> None:
        """Wait until what runs is on record: a release before that is not judged, as nothing is known to undo it to."""
        await self._all(self.known, self.options.deployments, "on record")

    async def all_baking(self) -> None:
        """Wait until every rollout bakes, but those that were over while nobody led their shard."""
        await self._all(self.baking, self.options.rollouts, "baking", besides=self.unseen)

    async def _all(self, reached: set[str], wanted: int, what: str, besides: Set[str] = frozenset()) -> None:
        loop = asyncio.get_running_loop()
        told_at = began = loop.time()
        try:
            async with asyncio.timeout(_PATIENCE):
                while len(reached | besides) < wanted:
                    if loop.time() >= told_at + _TELL_EVERY:
                        told_at = loop.time()
                        print(
                            f"{len(reached)} of {wanted} {what} after {told_at - began:.0f} s",
                            file=sys.stderr,
                        )
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            raise RuntimeError(
                f"{len(reached)} of {wanted} were {what} within {_PATIENCE:g} s, e.g. not {self._lacks(reached)}"
            ) from None

    def _lacks(self, reached: set[str]) -> str:
        return next(
            (name for name in map(name_of, range(self.options.deployments)) if name not in reached), ""
        )

    async def led(self) -> list[set[str]]:
        """The shards that each replica leads now."""
        async with aiohttp.ClientSession() as session:
            return [await _led(session, replica.url) for replica in self.replicas]


async def _led(session: aiohttp.ClientSession, url: str) -> set[str]:
    async with session.get(f"{url}/metrics") as response:
        return set(_LED.findall(await response.text()))


def _policy() -> str:
    """The policy of all namespaces: its queries name none, so that one serves the whole cluster."""
    text = _POLICY.read_text().replace("[shop, pool]", '["shop-*"]').replace("5s", f"{_SCRAPE:g}s")
    return text.replace('{namespace="$namespace"}', "").replace('namespace="$namespace", ', "")


@asynccontextmanager
async def scene(options: Options, folder: Path) -> AsyncIterator[Scene]:
    """The cluster with all its Deployments available, and every replica ready."""
    world = Child(run_wide, WideSpec(options.deployments, options.pods, options.namespaces))
    metrics = Child(run_metrics, "", (), _SCRAPE)
    try:
        here = Scene(options, world, metrics)
        kubeconfig, prometheus = await here.addresses()
        (folder / "kubeconfig").write_bytes(orjson.dumps(kubeconfig))
        rules = folder / "policy.yaml"
        rules.write_text(_policy())
        leadership = {"shards": options.replicas, "namespace": "shop-00", "lease_duration": options.lease}
        async with AsyncExitStack() as running:
            for number in range(options.replicas):
                own = folder / f"replica-{number}"
                own.mkdir()
                more = {"leadership": leadership}
                replica = DaemonProcess(HERE, own, folder / "kubeconfig", rules, prometheus, _SCRAPE, more)
                running.push_async_callback(replica.stop)
                here.replicas.append(replica)
            print("the replicas start ...", file=sys.stderr)
            await asyncio.gather(*(replica.start() for replica in here.replicas))
            yield here
    finally:
        world.stop()
        metrics.stop()


async def measure(options: Options, folder: Path) -> Found:
    """Start all, bring the rollouts into flight, watch, and lose one replica."""
    found = Found(options)
    async with scene(options, folder) as here:
        async with asyncio.timeout(_PATIENCE):
            while len(set().union(*await here.led())) < options.replicas:  # noqa: ASYNC110 - as a person would
                await asyncio.sleep(0.5)
        found.carried = [Carried(one.cpu_seconds(), one.resident_mib()) for one in here.replicas]
        print("all shards are led ...", file=sys.stderr)
        await here.all_known()
        for one, carried in zip(here.replicas, found.carried, strict=True):
            carried.known_cpu = one.cpu_seconds()
        here.world.link.send("release", tuple(range(options.rollouts)))
        await here.all_baking()
        found.unseen = len(here.unseen - here.baking)
        before = [one.cpu_seconds() for one in here.replicas]
        began = time.monotonic()
        await asyncio.sleep(options.watched)
        minutes = (time.monotonic() - began) / 60
        for one, used, carried in zip(here.replicas, before, found.carried, strict=True):
            carried.flight_cpu = (one.cpu_seconds() - used) / minutes
            carried.flight_mib = one.resident_mib()
        for shards, carried in zip(await here.led(), found.carried, strict=True):
            carried.shards = len(shards)
        await _lose_one(here, found)
    return found


async def _lose_one(here: Scene, found: Found) -> None:
    """Kill a replica that leads a shard, and wait until others lead all that it led."""
    led = await here.led()
    lost = next(index for index, shards in enumerate(led) if shards)
    replica = here.replicas.pop(lost)
    await replica.kill()
    found.carried[lost].left = False
    began = time.monotonic()
    async with asyncio.timeout(_PATIENCE):
        while not led[lost] <= set().union(*(now := await here.led())):  # noqa: ASYNC110 - as a person would
            await asyncio.sleep(0.25)
    found.taken_over = time.monotonic() - began
    found.successors = sum(bool(shards & led[lost]) for shards in now)


def report(found: Found, date: str) -> str:
    """The page."""
    options = found.options
    rows = [
        (
            f"replica {number}" + ("" if one.left else " (killed at the end)"),
            str(one.shards),
            *(f"{value:.1f}" for value in (one.start_cpu, one.start_mib, one.known_cpu)),
            *(f"{value:.1f}" for value in (one.flight_cpu, one.flight_mib)),
        )
        for number, one in enumerate(found.carried, 1)
    ]
    head = ["", "shards", "CPU s until ready", "MiB then", "CPU s until all is on record"]
    head += ["CPU s a minute in flight", "MiB in flight"]
    whole = Options()
    part = (
        f"A part of the whole size ({whole.deployments * whole.pods:,} pods of {whole.deployments:,} Deployments, "
        f"{whole.rollouts:,} rollouts), which was not played here. The simulated API server is one process beside the "
        "replicas.\n\n"
        if options.deployments < whole.deployments
        else ""
    )
    unseen = (
        f"{found.unseen} of the releases were over before a replica led their shard, on a machine where the API server "
        "answers late; they are Unjudged.\n"
        if found.unseen
        else ""
    )
    return f"""# Shards: what replicas carry together

`python -m benchmarks.shards`, {date}. {machine("aiohttp", "orjson", "rollback-sentinel")}.

{part}\
{options.deployments * options.pods:,} pods of {options.deployments:,} Deployments in {options.namespaces} namespaces,
{options.rollouts:,} rollouts in flight (a canary's bake, an error rate and a latency rule every {_SCRAPE:g} s), and
{options.replicas} replicas with `leadership.shards: {options.replicas}`. The cluster, Prometheus' stand-in and
the replicas are processes of one machine, watched for {options.watched:g} s.
{unseen}Every replica watches the whole cluster,
so memory and start are not divided; reconciles, queries and writes are
([decision 11](../decisions/0011-shards.md)).

{table(head, rows)}

One replica was killed: {found.taken_over:.0f} s later all that it led was led again,
by {found.successors} of the others (a Lease lasts {options.lease:g} s).
"""


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = Options()
    for name in ("deployments", "pods", "namespaces", "rollouts", "replicas"):
        parser.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    for name in ("watched", "lease"):
        parser.add_argument(f"--{name}", type=float, default=getattr(defaults, name), help="seconds")
    parser.add_argument("--output", type=Path, default=PAGE)
    chosen = vars(parser.parse_args())
    output: Path = chosen.pop("output")
    harness.READY_SECONDS = _PATIENCE
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        found = asyncio.run(measure(Options(**chosen), Path(folder)))
    page = report(found, f"{datetime.now(UTC):%Y-%m-%d}")
    output.write_text(page)
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
