"""The whole cluster behind its facade."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.controllers.common.base import Controller
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import NODES


async def test_the_api_serves_what_the_controllers_made() -> None:
    """A Deployment made through the facade is seen, with its status, over HTTP with the kubeconfig."""
    async with SimulatedCluster() as cluster:
        cluster.deploy("api", "app:v1", 3, namespace="shop")
        await asyncio.sleep(10)
        config = cluster.kubeconfig()
        server = config["clusters"][0]["cluster"]["server"]
        headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        url = f"{server}/apis/apps/v1/namespaces/shop/deployments/api"
        async with ClientSession(headers=headers) as session, session.get(url) as response:
            assert (await response.json())["status"]["availableReplicas"] == 3


async def test_the_errors_of_a_bad_release_show_in_the_query_api() -> None:
    """From image to counter to scrape to PromQL: the candidate's error share, apart from the baseline's."""
    async with SimulatedCluster() as cluster:
        cluster.deploy(
            "api", "app:v1", 10, strategy={"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}
        )
        cluster.offer("api", 200)
        cluster.serve("app:v2", Quality(errors=0.12))
        await asyncio.sleep(60)
        cluster.set_image("api", "app:v2")
        await asyncio.sleep(0.05)
        cluster.pause("api")
        await asyncio.sleep(300)
        share = 'sum by (pod) (increase(http_requests_total{code=~"5.."}[4m]))'
        share += " / sum by (pod) (increase(http_requests_total[4m]))"
        points = cluster.prometheus.instant(share, cluster.now().timestamp())
        assert isinstance(points, list)
        found = {point.labels["pod"]: getattr(point, "value", 0.0) for point in points}
        bad = [
            pod["metadata"]["name"]
            for pod in cluster.pods("api")
            if pod["spec"]["containers"][0]["image"] == "app:v2"
        ]
        assert len(bad) == 1
        assert found[bad[0]] == pytest.approx(0.12, abs=0.02)
        assert max(value for name, value in found.items() if name not in bad) < 0.01


async def test_the_clock_can_be_given() -> None:
    """Stamps come from the clock that is handed in."""
    epoch = datetime(2030, 5, 1, tzinfo=UTC)
    loop = asyncio.get_running_loop()
    clock = lambda: epoch + timedelta(seconds=loop.time())  # noqa: E731
    async with SimulatedCluster(clock, ClusterOptions(serve=False)) as cluster:
        made = cluster.deploy("api", "app:v1")
    assert made["metadata"]["creationTimestamp"] == "2030-05-01T00:00:00Z"


async def test_nodes_are_ready_from_the_start() -> None:
    """As many as asked for."""
    async with SimulatedCluster(options=ClusterOptions(serve=False, nodes=4)) as cluster:
        nodes = cluster.store.list(NODES)
    assert [node["status"]["conditions"][0]["status"] for node in nodes] == ["True"] * 4


async def test_every_kind_of_workload_comes_up() -> None:
    """Each through its verb, with the labels and annotations that were asked for."""
    async with SimulatedCluster(options=ClusterOptions(serve=False)) as cluster:
        made = cluster.deploy("api", "app:v1", 2, labels={"team": "a"}, annotations={"note": "b"})
        cluster.deploy_stateful("db", "db:v1", 2)
        cluster.deploy_daemon("agent", "agent:v1")
        await asyncio.sleep(20)
        assert made["metadata"]["labels"] == {"app": "api", "team": "a"}
        assert made["metadata"]["annotations"] == {"note": "b"}
        assert [len(cluster.pods(name)) for name in ("api", "db", "agent")] == [2, 2, 3]


async def test_without_kubelets_pods_stay_as_they_were_made() -> None:
    """The user of the cluster writes their statuses."""
    async with SimulatedCluster(options=ClusterOptions(serve=False, kubelet=False)) as cluster:
        cluster.deploy("api", "app:v1", 2)
        await asyncio.sleep(60)
        assert {pod["status"]["phase"] for pod in cluster.pods("api")} == {"Pending"}


async def test_a_failed_controller_is_reported_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What broke inside the simulation does not pass for a quiet cluster."""

    def broken(self: Controller, key: object) -> None:
        raise ZeroDivisionError("broken on purpose")

    async def use() -> None:
        async with SimulatedCluster(options=ClusterOptions(serve=False)) as cluster:
            cluster.deploy("api", "app:v1")
            await asyncio.sleep(1)

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    monkeypatch.setattr("clustersim.controllers.deployment.DeploymentController.sync", broken)
    with pytest.raises(ExceptionGroup, match="controllers of the simulated cluster failed"):
        await use()


async def test_a_thousand_pods_cost_nothing_while_nothing_happens() -> None:
    """A day goes by without a single write."""
    options = ClusterOptions(serve=False, events=False, nodes=12)
    async with SimulatedCluster(options=options) as cluster:
        for index in range(10):
            cluster.deploy(f"app-{index}", "app:v1", 100)
        await asyncio.sleep(60)
        assert cluster.deployment("app-9")["status"]["availableReplicas"] == 100
        before = cluster.store.revision
        await asyncio.sleep(86_400)
        assert cluster.store.revision == before


async def test_many_rollouts_run_at_once() -> None:
    """All complete; the ones with a bad image all stop at their first batch."""
    async with SimulatedCluster(options=ClusterOptions(serve=False, events=False, nodes=10)) as cluster:
        cluster.behave("app:bad", crash_loop())
        for index in range(40):
            cluster.deploy(f"app-{index}", "app:v1", 4)
        await asyncio.sleep(60)
        for index in range(40):
            cluster.set_image(f"app-{index}", "app:bad" if index % 2 else "app:v2")
        await asyncio.sleep(120)
        available = [cluster.deployment(f"app-{index}")["status"] for index in range(40)]
        assert all(status["updatedReplicas"] == 4 for status in available[::2])
        assert all(status["availableReplicas"] == 3 for status in available[1::2])
