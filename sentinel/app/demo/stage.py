"""Sets the demo up: cluster, services under traffic, and the real daemon against it over HTTP."""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from sentinel.adapters.kubernetes.crd import definitions
from sentinel.app.demo.stories import NAMESPACE, STORIES, WELL, Story
from sentinel.app.wiring import Application, build
from sentinel.domain.record import Record
from sentinel.ports import SystemClock
from sentinel.settings import load_settings
from sentinel.simulation.cluster import ClusterOptions, SimulatedCluster
from sentinel.simulation.resources import CRDS

REPLICAS = 10
REQUESTS_PER_SECOND = 300.0
ROLLING: dict[str, Any] = {"strategy": {"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}}


@dataclass(frozen=True, slots=True)
class Stage:
    """The demo's world while it runs; `kubeconfig` is the file to point kubectl at."""

    cluster: SimulatedCluster
    application: Application
    kubeconfig: Path

    def record(self, story: Story) -> Record | None:
        """The newest record of a story's release."""
        image = story.new_image
        found = (r for r in self.application.store.all() if r.candidate.images == (image,))
        return max(found, key=lambda record: record.started_at, default=None)

    def ready(self, story: Story) -> bool:
        """Whether all pods of a service are available."""
        status = self.cluster.deployment(story.service, namespace=NAMESPACE).get("status") or {}
        return status.get("availableReplicas") == REPLICAS and status.get("updatedReplicas") == REPLICAS


@asynccontextmanager
async def stage(port: int = 0) -> AsyncIterator[Stage]:
    """Everything up and at rest: every service runs its old image, the daemon watches."""
    clock = SystemClock()
    options = ClusterOptions(scrape_interval=1.0, port=port)
    with tempfile.TemporaryDirectory(prefix="sentinel-demo-") as folder:
        async with SimulatedCluster(clock.now, options) as cluster:
            _furnish(cluster)
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfig.write_bytes(orjson.dumps(cluster.kubeconfig()))
            application = await build(
                load_settings(None, _environment(cluster, kubeconfig)),
                clock=clock,
                rng=random.Random(),  # noqa: S311
            )
            await application.start()
            try:
                staged = Stage(cluster, application, kubeconfig)
                await _at_rest(staged)
                yield staged
            finally:
                await application.stop()


def _furnish(cluster: SimulatedCluster) -> None:
    for definition in definitions():
        cluster.store.create(CRDS, definition)
    for story in STORIES:
        cluster.serve(story.old_image, WELL)
        cluster.serve(story.new_image, WELL)
        cluster.deploy(story.service, story.old_image, REPLICAS, namespace=NAMESPACE, **ROLLING)
        cluster.offer(story.service, REQUESTS_PER_SECOND, namespace=NAMESPACE)


def _environment(cluster: SimulatedCluster, kubeconfig: Path) -> dict[str, str]:
    """The daemon is set up as anyone would set it up: by its variables."""
    return {
        "SENTINEL_KUBERNETES__KUBECONFIG": str(kubeconfig),
        "SENTINEL_RULES__PATHS": str(files("sentinel.app.demo") / "policy.yaml"),
        "SENTINEL_RULES__WATCH": "false",
        "SENTINEL_PROMETHEUS__URL": cluster.prometheus_url,
        "SENTINEL_PROMETHEUS__SCRAPE_INTERVAL": "1",
        "SENTINEL_HTTP__HOST": "127.0.0.1",
        "SENTINEL_HTTP__PORT": "0",
        "SENTINEL_DRAIN_SECONDS": "5",
    }


async def _at_rest(staged: Stage) -> None:
    async with asyncio.timeout(30):
        while not all(staged.ready(story) for story in STORIES):  # noqa: ASYNC110 - as a person would
            await asyncio.sleep(0.2)
    await staged.application.daemon.idle()
    await asyncio.sleep(3)  # a few scrapes, so that there is a baseline to compare with
