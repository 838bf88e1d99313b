"""What it costs to take a large cluster in: time, stalls of the event loop, memory.

The same pods of the same simulated API server, in a separate process, are taken in three ways, each in a fresh
process: by the daemon's watches into its cache (with Deployments, ReplicaSets, Nodes and records beside them), by
`orjson.loads` of the bare pages, and by kubernetes_asyncio's typed models.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import kubernetes_asyncio
import orjson

from benchmarks.harness.build import Build
from benchmarks.harness.crowd import serve
from benchmarks.harness.daemon import DaemonProcess
from benchmarks.harness.figures import machine, table
from benchmarks.harness.link import Child
from benchmarks.harness.result import Result
from benchmarks.start import cost_of
from sentinel.adapters.kubernetes.api.access import load_access
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import PODS
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.app.memory import NEVER
from sentinel.ports import SystemClock

FULL = (5000, 200)
"""Pods, and Deployments that they are of."""
QUICK = (500, 20)
_POLICY = Path(__file__).parent / "harness" / "policy.yaml"
_PAGE_SIZE = 500
_SYNC_SECONDS = 120.0
_SPAWN = multiprocessing.get_context("spawn")


Way = Callable[[Path], AbstractAsyncContextManager[Any]]
"""Takes the cluster of a kubeconfig in and keeps it until the context ends."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds altogether and of processor time, the longest stall of the loop in seconds, memory added in MiB."""

    seconds: float
    cpu: float
    stall: float
    mib: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The three ways, a whole daemon's start until it is ready, and how many bytes of JSON a pod has."""

    watches: Cost
    bare: Cost
    typed: Cost
    daemon: Start
    pods: int
    deployments: int
    pod_bytes: int


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds of processor time until a daemon is ready, and its most memory until then in MiB."""

    cpu: float
    peak: float


def bench(build: Build, quick: bool) -> Result:
    """Take the whole cluster in, or a small one."""
    costs = measure(build, *(QUICK if quick else FULL))
    figures = {"a daemon's start, CPU": costs.daemon.cpu, "a daemon's start, peak memory": costs.daemon.peak}
    return Result(figures, lambda date: report(costs, date))


def measure(build: Build, pods: int, deployments: int) -> Costs:
    """Set the cluster up and take it in in each way."""
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        world = Child(serve, deployments, pods // deployments)
        try:
            kubeconfig.write_bytes(asyncio.run(address_of(world)))
            watches = in_fresh_process(by_watches, kubeconfig)
            bare = in_fresh_process(by_bare_pages, kubeconfig)
            typed = in_fresh_process(by_typed_models, kubeconfig)
            daemon = asyncio.run(start_of(build, Path(folder), kubeconfig))
            pod_bytes = asyncio.run(_bytes_of_a_pod(kubeconfig))
            return Costs(watches, bare, typed, daemon, pods, deployments, pod_bytes)
        finally:
            world.stop()


async def start_of(build: Build, folder: Path, kubeconfig: Path) -> Start:
    """Start the whole program; it guards every Deployment. Nothing answers where it looks for Prometheus."""
    cost_of(build.sentinel("run"), build.root)  # which compiles every module
    daemon = DaemonProcess(build, folder, kubeconfig, _POLICY, "http://127.0.0.1:9", 5.0)
    await daemon.start()
    try:
        return Start(daemon.cpu_seconds(), daemon.peak_mib())
    finally:
        await daemon.stop()


async def address_of(world: Child) -> bytes:
    """The kubeconfig of a cluster that `serve` sets up, once it is there."""
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    world.link.listen(lambda message: answered.set_result(message[1]))
    try:
        async with asyncio.timeout(600):
            return await answered
    finally:
        world.link.close()


def in_fresh_process(way: Way, kubeconfig: Path) -> Cost:
    """What one way costs in a fresh process."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_weigh, args=(theirs, way, kubeconfig))
    process.start()
    theirs.close()
    cost: Cost = ours.recv()
    process.join()
    return cost


def _weigh(connection: Connection, way: Way, kubeconfig: Path) -> None:
    connection.send(asyncio.run(_cost(way, kubeconfig)))


async def _cost(way: Way, kubeconfig: Path) -> Cost:
    """What one way costs; what it gives is kept until it has been weighed."""
    gc.collect()
    memory, cpu, began = _resident(), time.process_time(), time.perf_counter()
    async with AsyncExitStack() as kept:
        async with stalls() as worst:
            await kept.enter_async_context(way(kubeconfig))
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        gc.collect()
        added = _resident() - memory
    return Cost(seconds, used, worst[0], added / 2**20)


@asynccontextmanager
async def stalls() -> AsyncIterator[list[float]]:
    """Watch the loop: the one element is the most processor time in seconds between two turns of a timer of 1 ms."""
    worst = [0.0]

    async def watch() -> None:
        while True:
            asked = time.thread_time()
            await asyncio.sleep(0.001)
            worst[0] = max(worst[0], time.thread_time() - asked)

    task = asyncio.create_task(watch())
    try:
        yield worst
    finally:
        task.cancel()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- the three ways


@asynccontextmanager
async def by_watches(kubeconfig: Path) -> AsyncIterator[Any]:
    """As the daemon does: every watch lists into its cache, trimmed, page by page."""
    gc.set_threshold(*gc.get_threshold()[:2], NEVER)  # as in the daemon
    gateway = await KubernetesGateway.connect(
        clock=SystemClock(), rng=random.Random(0), kubeconfig=str(kubeconfig)
    )
    await gateway.start()
    try:
        await gateway.wait_synced(_SYNC_SECONDS)
        yield gateway
    finally:
        await gateway.close()


@asynccontextmanager
async def by_bare_pages(kubeconfig: Path) -> AsyncIterator[Any]:
    """Every page decoded and kept as it is: what JSON alone costs."""
    pages, token = [], ""
    async with ApiClient(await load_access(str(kubeconfig), None, SystemClock())) as client:
        while True:
            params = {"limit": str(_PAGE_SIZE), **({"continue": token} if token else {})}
            answer = await client.exchange("GET", RequestTarget(PODS), params=params, timeout=_SYNC_SECONDS)
            pages.append(orjson.loads(answer))
            token = pages[-1]["metadata"].get("continue", "")
            if not token:
                break
    yield pages


@asynccontextmanager
async def by_typed_models(kubeconfig: Path) -> AsyncIterator[Any]:
    """As programs on kubernetes_asyncio do by default."""
    configuration: Any = kubernetes_asyncio.client.Configuration()
    await kubernetes_asyncio.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    async with kubernetes_asyncio.client.ApiClient(configuration) as client:
        api: Any = kubernetes_asyncio.client.CoreV1Api(client)
        pages: list[Any] = []
        more: dict[str, Any] = {}
        while True:
            pages.append(await api.list_pod_for_all_namespaces(limit=_PAGE_SIZE, **more))
            more = {"_continue": pages[-1].metadata._continue}
            if not more["_continue"]:
                break
    yield pages


async def _bytes_of_a_pod(kubeconfig: Path) -> int:
    async with by_bare_pages(kubeconfig) as pages:
        items = [pod for page in pages for pod in page["items"]]
    return sum(len(orjson.dumps(pod)) for pod in items) // len(items)


# -- the page


def report(costs: Costs, date: str) -> str:
    """The page."""
    rows = []
    for what, cost in (
        ("the daemon's watches (everything)", costs.watches),
        ("`orjson.loads`, pages kept (pods)", costs.bare),
        ("kubernetes_asyncio's typed models (pods)", costs.typed),
    ):
        per_pod = cost.mib * 2**20 / costs.pods / 1024
        figures = (
            f"{cost.seconds:.2f}",
            f"{cost.cpu:.2f}",
            f"{cost.stall:.3f}",
            f"{cost.mib:.0f}",
            f"{per_pod:.1f}",
        )
        rows.append([what, *figures, f"{cost.cpu / costs.bare.cpu:.1f}"])
    head = ["", "s", "CPU s", "longest stall s", "MiB added", "KiB a pod", "CPU ÷ orjson"]
    start = costs.daemon
    return f"""# Scale: taking a cluster in

`python -m benchmarks scale`, {date}. {machine("aiohttp", "orjson", "kubernetes-asyncio", "rollback-sentinel")}.

{costs.pods} pods of {costs.deployments} Deployments, {costs.pod_bytes / 1024:.1f} KiB of JSON each, listed over the
loopback from a simulated API server in a separate process, each way in a fresh process. Seconds include the server's
share; the stall is the most processor time that the event loop's thread used between two turns of a timer of 1 ms:
it leaves out what others take of a shared machine. The first row lists all five resources at once, the others pods
alone.

{table(head, rows)}

The whole program, from its start until it is ready with every Deployment guarded: {start.cpu:.2f} s of CPU,
{start.cpu / costs.bare.cpu:.1f} times that of `orjson.loads`, and {start.peak:.0f} MiB at most.
"""
