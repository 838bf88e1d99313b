"""A whole shop on real time: a simulated cluster, a real Prometheus and Alertmanager, and the daemon among them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import Behaviour
from clustersim.ports import free_port
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.ports import SystemClock
from tests.support.alertmanager import real_alertmanager
from tests.support.fronts import thanos, vmauth
from tests.support.prometheus import Target, real_prometheus
from tests.support.tenants import TENANT, mimir
from tests.support.victoria import victoria_metrics
from tests.support.world import NAMESPACE, ROLLING, World, world

TOKEN = "a-webhook-token"
WELL = Quality(errors=0.003, latency=0.05)
"""How every image answers unless its story says otherwise."""
QUICK = Behaviour(start_after=0.3, ready_after=0.3)
REQUESTS_PER_SECOND = 300.0
LONG = 200.0
"""Seconds within which anything here must have happened, on a machine with much else to do."""
STORIES_LIMIT = 4 * LONG
"""Seconds that the stories of one shop, which are told together, may take with its start: of pytest-timeout."""

_POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy:
    canary:
      steps:
        - {weight: 10%, bake: BAKE}
        - {weight: 50%, bake: BAKE}
    bake: BAKE
    guard: 10m
    deadline: 5m
    warmup: 1s
    minRequests: 200
  rules:
    - name: error-rate
      errorRate:
        prometheus:
          total: http_requests_total{namespace="$namespace"}
          errors: http_requests_total{namespace="$namespace", code=~"5.."}
        max: 5%
        interval: 1s
    - name: latency
      latency:
        prometheus: {histogram: 'http_request_duration_seconds{namespace="$namespace"}'}
        mean: 1s
        interval: 1s
    - {name: crash-loop, crashLoop: {}}
    - {name: health, health: {readyWithin: 60s}}
  alerts:
    - {match: ['severity="page"'], action: undo}
  undo: {restoreWithin: 60s}
"""


def policy(bake: float = 4.0) -> str:
    """The rule file of a shop whose steps bake so many seconds."""
    return _POLICY.replace("BAKE", f"{bake:g}s")


SLOW_PODS = 'pod=~"offers-.+|news-.+"'
ALERT_RULES: tuple[Mapping[str, Any], ...] = (
    {
        "alert": "SlowAnswers",
        "expr": "sum by (namespace, pod)"
        f' (rate(http_request_duration_seconds_bucket{{le="0.25", {SLOW_PODS}}}[4s]))'
        f" / sum by (namespace, pod) (rate(http_request_duration_seconds_count{{{SLOW_PODS}}}[4s])) < 0.5",
        "for": "1s",
        "labels": {"severity": "page"},
        "annotations": {"summary": "most answers of {{ $labels.pod }} take longer than 250 ms"},
    },
    {
        "alert": "ClientsTurnedAway",
        "expr": 'sum by (namespace, deployment) (label_replace(rate(http_requests_total{code="429"}[4s]),'
        ' "deployment", "$1", "pod", "(.+)-[^-]+-[^-]+")) > 5',
        "for": "1s",
        "labels": {"severity": "page"},
        "annotations": {"summary": "{{ $labels.deployment }} turns clients away"},
    },
)
"""What no rule of the policy measures: slow answers below its limit (told by pod), and 429s (told by Deployment)."""


@dataclass(frozen=True, slots=True)
class Scraping:
    """What scrapes a shop how: `backend` is a program that answers PromQL, `discovered` whether it finds each pod by
    service discovery (Prometheus only) instead of all of them on one page. A step bakes for `bake` seconds.
    """

    backend: str = "prometheus"
    interval: float = 1.0
    discovered: bool = False
    bake: float = 4.0


@dataclass(frozen=True, slots=True)
class Front:
    """What answers in the place of a backend `behind` it: run with a folder, the backend's URL and a port.

    Its API is at `prefix`, for requests with the `headers`. The backend writes to it at `written`, where that is set.
    """

    behind: str
    run: Callable[[Path, str, int], AbstractAsyncContextManager[str]]
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    written: str = ""


FRONTS: Mapping[str, Front] = {
    "vmauth": Front("victoria-metrics", vmauth),
    "thanos": Front("prometheus", thanos),
    "mimir": Front("prometheus-3", mimir, "/prometheus", TENANT, "/api/v1/push"),
}


class Metrics:
    """A real backend that can go and come back with its data."""

    def __init__(self, home: Path, metrics_url: str, alertmanager: str, scraping: Scraping) -> None:
        self._home = home
        self._metrics_url = metrics_url
        self._alertmanager = alertmanager
        self._scraping = scraping
        self._port = free_port()
        self._running = AsyncExitStack()
        self._front = FRONTS.get(scraping.backend)
        self.url = f"http://127.0.0.1:{self._port}{self._front.prefix if self._front else ''}"
        self.headers = self._front.headers if self._front else {}

    async def up(self) -> None:
        """Run it, with pods as targets of their own or all on one page, and what stands before it."""
        if self._front is None:
            await self._running.enter_async_context(self._server(self._scraping.backend, self._port))
            return
        url = await self._running.enter_async_context(self._server(self._front.behind, free_port()))
        await self._running.enter_async_context(self._front.run(self._home, url, self._port))

    def _server(self, program: str, port: int) -> AbstractAsyncContextManager[str]:
        page, how, front = self._metrics_url.removeprefix("http://"), self._scraping, self._front
        written = f"http://127.0.0.1:{self._port}{front.written}" if front and front.written else None
        every = f"{how.interval:g}s"
        if "victoria" in program:
            return victoria_metrics(self._home, page, program=program, port=port, interval=every)
        return real_prometheus(
            () if how.discovered else (Target(page),),
            ALERT_RULES,
            self._alertmanager,
            interval=every,
            discovery=f"{self._metrics_url}/http_sd" if how.discovered else None,
            home=self._home,
            port=port,
            program=program,
            native=how.backend == "prometheus-3",
            writes_to=written,
            writes_as=self.headers,
            external={"replica": "a"} if how.backend == "thanos" else None,
        )

    async def down(self) -> None:
        """Stop it."""
        await self._running.aclose()

    async def value(self, query: str) -> float:
        """The value of a query with one result, 0 where it has none."""
        result = await self._ask(query)
        return float(result[0]["value"][1]) if result else 0.0

    async def newest(self, now: float) -> dict[str, float]:
        """The time of each pod's newest sample; the selector is another each time, so that nothing is remembered."""
        series = f'http_requests_total{{looked_at!="{now}"}}'
        result = await self._ask(f"max by (pod) (timestamp({series}) and {series})")
        return {one["metric"]["pod"]: float(one["value"][1]) for one in result}

    async def _ask(self, query: str) -> list[Any]:
        parameters = {"query": query, "nocache": "1"}
        async with (
            aiohttp.ClientSession(headers=self.headers) as session,
            session.get(f"{self.url}/api/v1/query", params=parameters) as response,
        ):
            found: list[Any] = (await response.json())["data"]["result"]
        return found


@dataclass(slots=True)
class Shop:
    """The running whole, with verbs for stories on real time."""

    world: World
    prometheus: Metrics
    alertmanager: str
    within: float = LONG
    """Seconds within which anything here must have happened."""
    first_step: float = 20.0
    """Seconds that are more than the first step of a release takes."""

    def release(self, service: str, quality: Quality = WELL) -> None:
        """Roll out the new image of a service, which answers so."""
        self.world.cluster.serve(f"{service}:2", quality)
        self.world.cluster.set_image(service, f"{service}:2", namespace=NAMESPACE)

    async def phase(self, phase: Phase, service: str) -> Record:
        """Wait until the release of a service is in a phase; its record."""
        return await self.world.phase(phase, service, image=f"{service}:2", within=self.within)

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        await self.world.until(holds, within=self.within, what=what)

    def pods(self, service: str) -> tuple[int, int]:
        """How many pods of the old and the new image live."""
        return self.world.pods_of(f"{service}:1", service), self.world.pods_of(f"{service}:2", service)

    def candidate_pod(self, service: str) -> str:
        """The name of a pod of the new image."""
        pods = self.world.cluster.pods(service, namespace=NAMESPACE)
        images = {str(pod["metadata"]["name"]): pod["spec"]["containers"][0]["image"] for pod in pods}
        return next(name for name, image in images.items() if image == f"{service}:2")

    async def alert(self, labels: Mapping[str, str], starts_at: datetime, *, resolved: bool = False) -> None:
        """Give the real Alertmanager an alert as Prometheus does, or say that it is over."""
        alert: dict[str, Any] = {"labels": {"namespace": NAMESPACE, "severity": "page", **labels}}
        alert["startsAt"] = starts_at.isoformat()
        if resolved:
            alert["endsAt"] = datetime.now(UTC).isoformat()
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.alertmanager}/api/v2/alerts", json=[alert]) as response,
        ):
            assert response.status == 200, await response.text()

    @property
    def webhook(self) -> str:
        """Where the daemon takes alerts in."""
        return f"{self._address}/webhooks/alertmanager"

    async def posts(self, code: int) -> float:
        """How many posts to the webhook the daemon answered with this status, by its own metrics."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._address}/metrics") as response:
            page = await response.text()
        line = f'sentinel_webhook_posts_total{{code="{code}"}} '
        return sum(float(row.removeprefix(line)) for row in page.splitlines() if row.startswith(line))

    @property
    def _address(self) -> str:
        assert self.world.application is not None
        return self.world.application.http.url


@asynccontextmanager
async def shop(
    folder: Path, services: Mapping[str, int], scraping: Scraping = Scraping()
) -> AsyncIterator[Shop]:
    """Services with so many pods each, at rest: under traffic, scraped, guarded."""
    port = free_port()
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(folder, policy(scraping.bake), now=SystemClock().now))
        credentials = {"authorization": {"type": "Bearer", "credentials": TOKEN}}
        alertmanager = await stack.enter_async_context(
            real_alertmanager(f"http://127.0.0.1:{port}/webhooks/alertmanager", http_config=credentials)
        )
        here.cluster.behaviours.default = QUICK
        for service, replicas in services.items():
            here.cluster.serve(f"{service}:1", WELL)
            here.cluster.deploy(service, f"{service}:1", replicas, namespace=NAMESPACE, **ROLLING)
            here.cluster.offer(service, REQUESTS_PER_SECOND, namespace=NAMESPACE)
        prometheus = Metrics(folder / "prometheus", here.cluster.metrics_url, alertmanager, scraping)
        (folder / "prometheus").mkdir()
        await prometheus.up()
        stack.push_async_callback(prometheus.down)
        here.environ |= {
            "SENTINEL_PROMETHEUS__URL": prometheus.url,
            "SENTINEL_PROMETHEUS__HEADERS": json.dumps(dict(prometheus.headers)),
            "SENTINEL_HTTP__PORT": str(port),
            "SENTINEL_HTTP__WEBHOOK__TOKEN": TOKEN,
            "SENTINEL_DRAIN_SECONDS": "5",
        }
        # The series of a story are too young to tell.
        here.environ["SENTINEL_PROMETHEUS__SCRAPE_INTERVAL"] = f"{scraping.interval:g}"
        await _at_rest(here, prometheus, services)
        within = LONG + 10 * scraping.interval + 5 * scraping.bake
        yield Shop(here, prometheus, alertmanager, within, first_step=12 + 2 * scraping.bake)


async def _at_rest(here: World, prometheus: Metrics, services: Mapping[str, int]) -> None:
    for service in services:
        await here.settle(service, within=LONG)
    await here.start()
    for service in services:
        await here.phase(Phase.UNJUDGED, service, within=LONG)
    pods = sum(services.values())
    async with asyncio.timeout(LONG):
        while await prometheus.value("count(count by (pod) (http_requests_total offset 2s))") < pods:  # noqa: ASYNC110 - no event tells of a scrape
            await asyncio.sleep(0.2)
