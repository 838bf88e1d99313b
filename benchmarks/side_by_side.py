"""What a controller takes up in a real cluster: at its start, at rest, and with many releases at once.

    python -m benchmarks.side_by_side --kubeconfig FILE
    python -m benchmarks.side_by_side --kubeconfig FILE --controller "rollouts-controller --kubeconfig FILE"

Both get the same pods, steps, two measurements every 5 s and answers, one after the other on one control plane. Nodes
must make pods ready (any fake kubelet does), and the definitions of both programs be there. `--controller` starts Argo
Rollouts' controller in the foreground; the sentinel is this checkout's.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.harness.build import HERE, compile_modules
from benchmarks.harness.daemon import DaemonProcess
from benchmarks.harness.figures import table
from benchmarks.harness.link import Child, Message
from benchmarks.harness.metrics import run_metrics
from benchmarks.harness.program import Foreground
from benchmarks.harness.workloads import NAMESPACE, Cluster, JsonObject, Scale
from sentinel.adapters.kubernetes.api.access import load_access
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, ROLLOUTS, ApiResource
from sentinel.ports import SystemClock

POLICY = Path(__file__).parent / "harness" / "side_by_side.yaml"
"""What guards the Deployments: one document. The Rollouts' analysis and steps are the next ones."""
_TEMPLATES = ApiResource("argoproj.io", "v1alpha1", "analysistemplates")
_ANALYSES = {"a-minute": 12, "half-a-minute": 6}
"""How often is measured, by the name of the template."""
_QUIET, _IDLE = 10.0, 0.3
"""So many seconds with so few seconds of CPU, and a start is over."""


@dataclass(frozen=True, slots=True)
class Use:
    """Seconds of CPU, and MiB at the end."""

    what: str
    cpu: float
    resident: float


class SideBySide:
    """One controller in its turn: everything is laid out, then it is started, left alone and given releases."""

    def __init__(self, cluster: Cluster, scale: Scale, controller: Foreground | DaemonProcess) -> None:
        self._cluster = cluster
        self._scale = scale
        self._controller = controller
        self.uses: list[Use] = []

    async def started(self, what: str) -> None:
        """Start it, and wait until it has nothing more to do."""
        await self._controller.start()
        at = time.monotonic()
        used, since = self._controller.cpu_seconds(), at
        while time.monotonic() - since < _QUIET:
            await asyncio.sleep(1)
            if self._controller.cpu_seconds() - used > _IDLE:
                used, since = self._controller.cpu_seconds(), time.monotonic()
        self._note(what, 0.0)

    async def stands(self) -> None:
        """Leave it alone for a minute."""
        used = self._controller.cpu_seconds()
        await asyncio.sleep(60)
        self._note("a minute at rest", used)

    async def releases(self) -> None:
        """Release many at once, and wait until all are promoted."""
        used, began = self._controller.cpu_seconds(), time.monotonic()
        await self._cluster.release()
        while (promoted := await self._cluster.promoted()) < self._scale.released:
            print(f"{promoted} of {self._scale.released} are promoted", flush=True)
            await asyncio.sleep(5)
        took = time.monotonic() - began
        self._note(f"{self._scale.released} releases at once, promoted within {took:.0f} s", used)

    async def stop(self) -> None:
        """End it."""
        await self._controller.stop()

    def _note(self, what: str, since: float) -> None:
        use = Use(what, self._controller.cpu_seconds() - since, self._controller.resident_mib())
        self.uses.append(use)
        print(use, flush=True)


@asynccontextmanager
async def _prometheus(cluster: Cluster) -> AsyncIterator[str]:
    """Prometheus' stand-in with the counters of the pods of what is released; its URL."""
    metrics, introduced = Child(run_metrics, NAMESPACE, (), 5.0), asyncio.Event()
    url = ""

    def heed(message: Message) -> None:
        nonlocal url
        url = message[1]
        introduced.set()

    async def tell_pods() -> None:
        known: set[str] = set()
        while True:
            pods = await cluster.pods()
            for name in pods ^ known:
                metrics.link.send("pod", name, name in pods)
            known = pods
            await asyncio.sleep(1)

    metrics.link.listen(heed)
    try:
        await metrics.link.until(introduced)
        telling = asyncio.create_task(tell_pods())
        yield url
        telling.cancel()
    finally:
        metrics.stop()


async def measure(chosen: argparse.Namespace, folder: Path) -> list[Use]:
    """What one controller takes up."""
    scale = Scale(chosen.workloads, chosen.replicas, chosen.released)
    documents = list(yaml.safe_load_all(POLICY.read_text()))
    policy, template, strategies = documents
    ours = chosen.controller is None
    async with ApiClient(await load_access(str(chosen.kubeconfig), None, SystemClock())) as client:
        resource, strategy = (DEPLOYMENTS, strategies["ours"]) if ours else (ROLLOUTS, strategies["argo"])
        cluster = Cluster(client, scale, resource, {"strategy": strategy})
        async with _prometheus(cluster) as url:
            if ours:
                rules = folder / "rules.yaml"
                rules.write_text(yaml.safe_dump(policy))
                compile_modules(HERE)
                await cluster.create(())
                daemon = DaemonProcess(HERE, folder, chosen.kubeconfig, rules, url, 5.0)
                return await _play(SideBySide(cluster, scale, daemon), first=True)
            templates = [
                (_TEMPLATES, _template(template, name, count, url)) for name, count in _ANALYSES.items()
            ]
            argo = Foreground(shlex.split(chosen.controller), folder / "controller.log")
            await argo.start()
            await asyncio.sleep(_QUIET)
            argo.cpu_seconds()  # it has not ended
            await cluster.create(templates)
            await argo.stop()
            return await _play(SideBySide(cluster, scale, argo), first=False)


def _template(document: JsonObject, name: str, count: int, url: str) -> JsonObject:
    words = {"NAME": name, "COUNT": str(count), "PROMETHEUS": url}
    written = yaml.safe_dump(document)
    for word, value in words.items():
        written = written.replace(word, value)
    made: JsonObject = yaml.safe_load(written)
    return made


async def _play(side: SideBySide, *, first: bool) -> list[Use]:
    if first:
        await side.started("first start")
        await side.stop()
    try:
        await side.started("start")
        await side.stands()
        await side.releases()
        await side.stands()
    finally:
        await side.stop()
    return side.uses


def main() -> None:
    """Measure one controller, and print a table."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.side_by_side",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of an administrator")
    parser.add_argument("--controller", help="the command that starts Argo Rollouts; the sentinel without it")
    parser.add_argument("--workloads", type=int, default=1000)
    parser.add_argument("--replicas", type=int, default=5)
    parser.add_argument("--released", type=int, default=50, help="how many are released at once")
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        uses = asyncio.run(measure(parser.parse_args(), Path(folder)))
    print(table(["", "CPU s", "MiB"], [[use.what, f"{use.cpu:.1f}", f"{use.resident:.0f}"] for use in uses]))


if __name__ == "__main__":
    main()
