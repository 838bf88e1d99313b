"""DORA's figures on a real Prometheus that scrapes the daemon: the chart's rules and dashboards."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from clustersim.node.behaviour import Behaviour, crash_loop
from clustersim.ports import free_port
from sentinel.adapters.http.metrics import METRICS
from sentinel.domain.record.state import Phase
from sentinel.ports import SystemClock
from tests.support.cli import sentinel
from tests.support.helm import CHART, find_helm, only
from tests.support.helm import NAMESPACE as RELEASE_NAMESPACE
from tests.support.prometheus import Target, real_prometheus
from tests.support.world import NAMESPACE, ROLLING, World, world

pytestmark = [
    pytest.mark.real,
    pytest.mark.real_time,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

LONG = 120.0
"""Seconds within which anything here must have happened, on a machine with much else to do."""
POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy: {bake: 1s, warmup: 0s, deadline: 5m}
  rules: [{name: crash-loop, crashLoop: {}}]
"""
COMMITTED = timedelta(minutes=40)


@dataclass(slots=True)
class Shop:
    """A daemon that a Prometheus scrapes, and questions about both."""

    world: World
    url: str

    async def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """The samples of an instant query. Fails with Prometheus' own sentence."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v1/query", params={"query": query}) as response,
        ):
            answer = await response.json()
        assert answer["status"] == "success", f"{query}: {answer}"
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    async def scraped(self, query: str) -> None:
        """Wait until a query has an answer: what the daemon said before is scraped."""
        async with asyncio.timeout(LONG):
            while not await self.ask(query):  # noqa: ASYNC110 - no event tells of a scrape
                await asyncio.sleep(0.2)

    async def release(self, name: str, image: str, phase: Phase) -> None:
        """Roll out an image whose commit is forty minutes old; wait for how it ends."""
        committed = (self.world.cluster.now() - COMMITTED).isoformat()

        def change(deployment: dict[str, Any]) -> None:
            template = deployment["spec"]["template"]
            template["spec"]["containers"][0]["image"] = image
            template["metadata"].setdefault("annotations", {})["rollback-sentinel.dev/committed-at"] = (
                committed
            )

        self.world.cluster.change(name, change, namespace=NAMESPACE)
        await self.world.phase(phase, name, image=image, within=LONG)

    async def figures(self) -> dict[str, Any]:
        """What `sentinel dora` says of the namespace over seven days."""
        result = await sentinel(self.world, "dora", "-o", "json", "--days", "7")
        (scope,) = (one for one in json.loads(result.output)["scopes"] if not one["workload"])
        found: dict[str, Any] = scope["windows"][0]
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """Two deployments and one failure in a namespace that had none, a restart, and a deployment more."""
    folder, port = tmp_path_factory.mktemp("dora"), free_port()
    values = {"metrics": {"doraRules": {"enabled": True, "windows": ["7d"]}}}
    helm = find_helm(tmp_path_factory.mktemp("helm"))
    (group,) = only(helm.template(values), "PrometheusRule", "-dora")["spec"]["groups"]
    daemon = Target(f"127.0.0.1:{port}", "rollback-sentinel", {"namespace": RELEASE_NAMESPACE, "pod": "one"})
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(folder, POLICY, now=SystemClock().now))
        here.cluster.behaviours.default = Behaviour(start_after=0.2, ready_after=0.2)
        here.environ |= {
            "SENTINEL_HTTP__PORT": str(port),
            "SENTINEL_DORA__METRICS": "true",
            "SENTINEL_DORA__LEAD_TIME": "4h",
            "SENTINEL_DRAIN_SECONDS": "5",
        }
        for name in ("api", "web"):
            here.cluster.deploy(name, f"{name}:1", 2, namespace=NAMESPACE, **ROLLING)
            await here.settle(name, within=LONG)
        url = await stack.enter_async_context(
            real_prometheus([daemon], group["rules"], interval="500ms", home=Path(folder))
        )
        found = Shop(here, url)
        await here.start()
        await found.scraped("count(sentinel_deployments_total == 0) == 2")
        await found.release("api", "api:2", Phase.PROMOTED)
        here.cluster.behave("web:2", crash_loop())
        await found.release("web", "web:2", Phase.UNDONE)
        await found.scraped("sum(sentinel_time_to_restore_seconds_count) == 1")
        await found.scraped('sentinel_undo_total{outcome="done"} == 1')
        await here.restart()
        await found.scraped("count(sentinel_deployments_total == 0) == 2")
        await found.release("api", "api:3", Phase.PROMOTED)
        await found.release("web", "web:3", Phase.PROMOTED)
        await found.scraped("sum(sentinel_lead_time_seconds_count) == 2")
        await found.scraped("workload_namespace:sentinel_deployments:increase7d > 2.5")
        yield found


RECORDED = {
    "deployments:increase7d": "deployments",
    "change_failures:ratio7d": "changeFailureRate",
    "lead_time_seconds:median7d": "leadTime",
    "time_to_restore_seconds:median7d": "timeToRestore",
}
"""The recording rules, and the figure of `sentinel dora` that each estimates."""


async def test_the_commands_figures_are_those_that_happened(shop: Shop) -> None:
    """Three deployments of forty minutes each, and one failure of four changes."""
    figures = await shop.figures()
    assert (figures["deployments"], figures["changes"], figures["failed"]) == (3, 4, 1)
    assert figures["leadTime"] == pytest.approx(COMMITTED.total_seconds(), rel=0.1)


@pytest.mark.parametrize("rule", RECORDED)
async def test_recording_rules_agree_with_the_command(shop: Shop, rule: str) -> None:
    """Nothing is missing: not the first deployment or lead time of the namespace, nor the first after a restart.

    Prometheus extends a count by up to half a scrape on either side, and interpolates times within their buckets.
    """
    ((labels, value),) = await shop.ask(f"workload_namespace:sentinel_{rule}")
    wanted = (await shop.figures())[RECORDED[rule]]
    assert labels["workload_namespace"] == NAMESPACE
    if "seconds" in rule:
        lower, upper = bucket_of(wanted)
        assert lower <= value <= upper
    else:
        assert value == pytest.approx(wanted, rel=0.1)


async def test_every_lead_time_and_restore_is_increased(shop: Shop) -> None:
    """Three times to promotion and one time to restore, though there was no series before the first workload."""
    for name, wanted in (("lead_time", 3), ("time_to_restore", 1)):
        ((_, value),) = await shop.ask(f"sum(increase(sentinel_{name}_seconds_count[7d]))")
        assert value == pytest.approx(wanted, rel=0.1), name


def panels(name: str) -> list[tuple[str, str]]:
    """The title and expression of each query of a dashboard, as Grafana sends it."""
    loaded = json.loads((CHART / "files" / name).read_text())
    asked = []
    for panel in loaded["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "10m").replace("[$window]", "[7d]")
            for variable in ("workload_namespace", "namespace", "job"):
                expression = expression.replace(f"${variable}", ".+")
            asked.append((panel["title"], expression))
    return asked


async def test_every_panel_of_doras_dashboard_has_data(shop: Shop) -> None:
    """Numbers, not NaN; the target of the settings beside them."""
    for title, expression in panels("dora-dashboard.json"):
        found = await shop.ask(expression)
        assert found, f"{title}: {expression}"
        assert all(math.isfinite(value) for _, value in found), title
    ((_, target),) = await shop.ask('max(sentinel_dora_target{figure="lead_time"})')
    assert target == 4 * 3600


NOTHING_TO_SHOW = {
    "Webhook posts by status",
    "Missing evidence",
    "Metrics sources, 95th percentile",
    "Paused Deployments",
}
"""No alert is posted here, no rule asks a source, and kube-state-metrics, which tells of paused ones, does not run."""


async def test_every_panel_of_the_daemons_dashboard_has_data(shop: Shop) -> None:
    """Where there is something to show; the first undo after a start is seen."""
    empty = [title for title, expression in panels("dashboard.json") if not await shop.ask(expression)]
    assert set(empty) <= NOTHING_TO_SHOW, empty
    ((_, undos),) = await shop.ask('sum(increase(sentinel_undo_total{outcome="done"}[24h]))')
    assert undos == pytest.approx(1, rel=0.1)


def bucket_of(seconds: float) -> tuple[float, float]:
    """The bounds of the bucket of the histogram that holds so many seconds."""
    (buckets,) = (metric.buckets for metric in METRICS if metric.name == "lead_time_seconds")
    upper = min(bound for bound in buckets if bound >= seconds)
    return max((bound for bound in (0.0, *buckets) if bound < upper), default=0.0), upper
