"""Sets the demo up: cluster, services under traffic, and the real daemon against it over HTTP."""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import field, replace
from importlib.resources import files
from pathlib import Path

import aiohttp
import orjson
import yaml

from clustersim.cluster import SimulatedCluster
from clustersim.node.behaviour import crash_loop
from clustersim.replay.argo import define_rollouts
from clustersim.storage.resources import CRDS, PODS
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.app.demo.pairs import ROUTE
from sentinel.app.demo.shapes import NAMESPACE, Play
from sentinel.app.demo.stories import PLAYS, WELL, DemoStory
from sentinel.app.wiring.application import Application, build
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.record.record import Record
from sentinel.ports import SystemClock
from sentinel.settings import load_settings
from sentinel.values import dataclass

REQUESTS_PER_SECOND = 300.0
PROMETHEUS_SECONDS = 120.0
CRASHING_IMAGE = "cart:1.2"
"""For those who continue with `--keep`: a bad release that was not undone before."""


@dataclass(frozen=True, slots=True)
class Front:
    """How the demo is reached: its ports (0: any free one), and where the daemon listens.

    `prometheus` is the address of a real server to judge by, which scrapes the metrics' port; without one the
    demo brings a stand-in. `play` names the stories, `settings` are further variables of the daemon.
    """

    api_port: int = 0
    metrics_port: int = 0
    http_host: str = "127.0.0.1"
    http_port: int = 0
    ui_port: int = 0
    prometheus: str = ""
    play: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoStage:
    """The demo's world while it runs; `kubeconfig` is the file to point kubectl at."""

    cluster: SimulatedCluster
    application: Application
    kubeconfig: Path
    stories: tuple[DemoStory, ...]

    def record(self, story: DemoStory) -> Record | None:
        """The newest record of a story's release."""
        image = story.new_image
        found = (r for r in self.application.store.all() if r.candidate.images == (image,))
        return max(found, key=lambda record: record.started_at, default=None)


@asynccontextmanager
async def stage(front: Front) -> AsyncIterator[DemoStage]:
    """Everything up and at rest: every service runs its old image, the daemon watches."""
    clock = SystemClock()
    stories = PLAYS[front.play]
    options = replace(
        stories[0].shape.options, scrape_interval=1.0, port=front.api_port, metrics_port=front.metrics_port
    )
    with tempfile.TemporaryDirectory(prefix="sentinel-demo-") as folder:
        async with SimulatedCluster(clock.now, options) as cluster, _playing(_furnish(cluster, stories)):
            rules = _rules(Path(folder), stories)
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfig.write_bytes(orjson.dumps(cluster.kubeconfig()))
            application = await build(
                load_settings(None, _environment(cluster, kubeconfig, front, rules)),
                clock=clock,
                rng=random.Random(),  # noqa: S311  # nosec B311  # jitter, not secrets
            )
            await application.start()
            try:
                staged = DemoStage(cluster, application, kubeconfig, stories)
                await _at_rest(staged)
                if front.prometheus:
                    await _scraped(front.prometheus, len(cluster.store.list(PODS, NAMESPACE)))
                yield staged
            finally:
                await application.stop()


def _furnish(cluster: SimulatedCluster, stories: Sequence[DemoStory]) -> list[Play]:
    """Deploy everything; what has to be run for that."""
    cluster.behave(CRASHING_IMAGE, crash_loop())
    for definition in definitions():
        cluster.store.create(CRDS, definition)
    cluster.define(ROUTE)
    define_rollouts(cluster)
    plays = []
    for story in stories:
        cluster.serve(story.old_image, WELL)
        cluster.serve(story.new_image, WELL)
        plays.append(story.shape.deploy(cluster, story.service, story.old_image))
        to = story.shape.destination(story.service)
        cluster.offer(story.service, REQUESTS_PER_SECOND, namespace=NAMESPACE, to=to)
    return [play for play in plays if play is not None]


@asynccontextmanager
async def _playing(plays: Sequence[Play]) -> AsyncIterator[None]:
    """Run these for as long as the body does. Raises what one of them failed with."""
    tasks = [asyncio.create_task(play) for play in plays]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [error for error in ended if isinstance(error, Exception)]
    if failed:
        raise failed[0]


def _rules(folder: Path, stories: Sequence[DemoStory]) -> str:
    """The rule file: the demo's policy, as each service needs it."""
    base = yaml.safe_load((files("sentinel.app.demo") / "policy.yaml").read_text())
    policies = [story.shape.policy(base, story.service) for story in stories]
    made = folder / "policy.yaml"
    made.write_text(yaml.safe_dump_all({each["metadata"]["name"]: each for each in policies}.values()))
    return str(made)


def _environment(cluster: SimulatedCluster, kubeconfig: Path, front: Front, rules: str) -> dict[str, str]:
    """The daemon is set up as anyone would set it up: by its variables."""
    return {
        "SENTINEL_KUBERNETES__KUBECONFIG": str(kubeconfig),
        "SENTINEL_KUBERNETES__KINDS": "Deployment,StatefulSet,DaemonSet,Rollout,CanaryPair,BlueGreen",
        "SENTINEL_KUBERNETES__ROUTES": ROUTE,
        "SENTINEL_RULES__PATHS": rules,
        "SENTINEL_RULES__WATCH": "false",
        "SENTINEL_PROMETHEUS__URL": front.prometheus or cluster.prometheus_url,
        "SENTINEL_PROMETHEUS__SCRAPE_INTERVAL": "1",
        "SENTINEL_HTTP__HOST": front.http_host,
        "SENTINEL_HTTP__PORT": str(front.http_port),
        "SENTINEL_UI__HOST": front.http_host,
        "SENTINEL_UI__PORT": str(front.ui_port),
        "SENTINEL_DRAIN_SECONDS": "5",
        **front.settings,
    }


async def _at_rest(staged: DemoStage) -> None:
    async with asyncio.timeout(60):
        while not all(s.shape.rests(staged.cluster, s.service) for s in staged.stories):  # noqa: ASYNC110 - as a person would
            await asyncio.sleep(0.2)
    await staged.application.daemon.idle()
    await asyncio.sleep(3)  # a few scrapes, so that there is a baseline to compare with


async def _scraped(prometheus: str, pods: int) -> None:
    """Wait until a real Prometheus has seen all pods for some scrapes. Raises ConfigurationError where it does not."""
    query = {"query": "count(count by (namespace, pod) (http_requests_total offset 3s))"}
    try:
        async with asyncio.timeout(PROMETHEUS_SECONDS), aiohttp.ClientSession() as session:
            while await _number(session, f"{prometheus}/api/v1/query", query) < pods:  # noqa: ASYNC110 - as a person would
                await asyncio.sleep(1)
    except TimeoutError:
        raise ConfigurationError(
            f"after {PROMETHEUS_SECONDS:g} s the Prometheus at {prometheus} does not show the demo's {pods} pods: "
            "it must scrape the port that --metrics-port names"
        ) from None


async def _number(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> float:
    """The value of a query with one result, 0 without a result or an answer."""
    try:
        async with session.get(url, params=query, timeout=aiohttp.ClientTimeout(total=5)) as response:
            result = (await response.json())["data"]["result"]
    except (aiohttp.ClientError, KeyError, ValueError):
        return 0.0
    return float(result[0]["value"][1]) if result else 0.0
