"""The daemon as a real process on the real clock, killed by SIGKILL and stopped by SIGSTOP at random writes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import CRDS
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.ports import SystemClock
from tests.e2e.child import Running, daemon
from tests.faults.plan import BAKE, HEADER, POLICIES, Service
from tests.faults.scene import NAMESPACE
from tests.faults.strategies import DEPLOYMENT
from tests.faults.witness import Witness, image_of

SERVICES = (Service("s0", "bare", 2), Service("s1", "steps", 3))
QUICK = 3
"""So many seconds a step bakes here."""
WRITES = frozenset({"create", "update", "patch"})
PATIENCE = 90.0
PATHS = ("deployments", "rolloutrecords")


def quick_rules() -> str:
    """The campaign's policies without metrics, with short bakes."""
    texts = [HEADER % (name, "Deployment", name) + POLICIES[name] for name in ("bare", "steps")]
    return "---\n".join(texts).replace(f"bake: {BAKE:g}s", f"bake: {QUICK}s").replace("bake: 10s", "bake: 1s")


class Keeper:
    """Starts a process, and another one whenever it has died."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.running: Running | None = None
        self.lives = 0
        self._folder = folder
        self._variables = variables

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            async with daemon(self._folder, self._variables) as self.running:
                self.lives += 1
                await self.running.process.wait()

    def kill(self) -> None:
        """SIGKILL."""
        if self.running is not None:
            self.running.process.kill()

    def pause(self) -> None:
        """SIGSTOP, and SIGCONT some seconds later: longer than its lease."""
        if self.running is not None:
            process = self.running.process
            process.send_signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(4.0, _go_on, process)


def _go_on(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it was killed meanwhile
        process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[tuple[SimulatedCluster, Witness, Keeper]]:
    """Two services at rest, a witness, and a daemon that is kept running."""
    (folder / "rules").mkdir()
    (folder / "rules" / "policy.yaml").write_text(quick_rules())
    async with SimulatedCluster(SystemClock().now, ClusterOptions(nodes=2, events=False)) as cluster:
        for definition in definitions():
            cluster.store.create(CRDS, definition)
        witness = Witness(cluster, SERVICES, bake=QUICK)
        with witness.people():
            for each in SERVICES:
                cluster.deploy(
                    each.name,
                    f"{each.name}:1-good",
                    each.replicas,
                    namespace=NAMESPACE,
                    labels={"policy": each.policy},
                    **DEPLOYMENT.spec,
                )
        (folder / "kubeconfig").write_bytes(orjson.dumps(cluster.kubeconfig()))
        variables = {
            "SENTINEL_KUBERNETES__KUBECONFIG": str(folder / "kubeconfig"),
            "SENTINEL_RULES__PATHS": str(folder / "rules"),
            "SENTINEL_LEADERSHIP__LEASE_DURATION": "5",
        }
        keeper = Keeper(folder, variables)
        keeping = asyncio.create_task(keeper.keep())
        try:
            await until(lambda: len(witness.records()) == 2 and not witness.settled())
            yield cluster, witness, keeper
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            witness.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - the cluster has no event for just this
            await asyncio.sleep(0.05)


@pytest.mark.real_time
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_a_process_that_is_killed_at_its_writes_carries_on(tmp_path: Path, seed: int) -> None:
    """A bad release is undone once and a good one promoted, however often SIGKILL or SIGSTOP strikes at a write."""
    rng = random.Random(seed)
    async with shop(tmp_path) as (cluster, witness, keeper):
        for strike in (keeper.kill, rng.choice((keeper.kill, keeper.pause))):
            kind = rng.choice((FaultKind.LOST, FaultKind.DROP))
            how = {"path": rng.choice(PATHS), "skip": rng.choice((0, 1, 2)), "count": 1}
            cluster.faults.add(InjectedFault(kind, verbs=WRITES, then=strike, **how))
        cluster.behave("s0:2-crash", crash_loop())
        with witness.people():
            cluster.set_image("s0", "s0:2-crash", namespace=NAMESPACE)
            cluster.set_image("s1", "s1:2-good", namespace=NAMESPACE)
        await until(lambda: len(witness.records()) >= 4 and not witness.settled())
        images = {name: image_of(cluster.deployment(name, namespace=NAMESPACE)) for name in ("s0", "s1")}
    assert witness.violations == []
    assert images == {"s0": "s0:1-good", "s1": "s1:2-good"}
    assert keeper.lives > 1
