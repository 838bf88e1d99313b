"""The routers' patches on a running API server: what the gateway then does with the traffic."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.metrics.load import ToRoute
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.traffic.registry import ROUTERS
from sentinel.adapters.kubernetes.traffic.router import Routing
from sentinel.domain.errors import PreconditionError
from tests.adapters.kubernetes.traffic.routes import SPECS, WEB, backend_lists, route

PAIR = (("web-stable", 100), ("web-canary", 0))


async def pair(cluster: SimulatedCluster, kind: str) -> None:
    """Two Deployments with a Service each and a route of this kind in front of them."""
    cluster.define(kind)
    for name in (WEB.stable, WEB.candidate):
        cluster.deploy(name, f"{name}:1", 2)
        cluster.expose(name, app=name)
    raw = route(kind, *PAIR)
    raw["metadata"] = {"name": "web"}
    cluster.create(raw)
    await asyncio.sleep(20)


async def set_share(client: ApiClient, kind: str, share: float) -> Routing:
    """Read, plan, patch; the route as the patch's answer shows it."""
    router = ROUTERS[kind]
    place = RequestTarget(router.resource, "default", "web")
    operations = router.plan(await client.get(place), WEB, "", share)
    return router.routing(await client.json_patch(place, list(operations)), WEB, "")


async def routing(client: ApiClient, kind: str) -> Routing:
    router = ROUTERS[kind]
    return router.routing(await client.get(RequestTarget(router.resource, "default", "web")), WEB, "")


async def answered(cluster: SimulatedCluster, kind: str) -> Counter[str]:
    """Who answers how many of 1,000 requests."""

    def counts() -> Counter[str]:
        found: Counter[str] = Counter()
        for counter in cluster.traffic.counters():
            found[counter.image.partition(":")[0]] += counter.count
        return found

    before = counts()
    cluster.offer("web", 10, to=ToRoute(ROUTERS[kind].resource.plural, "web", path="/0"), arrivals="even")
    await asyncio.sleep(100)
    cluster.traffic.withdraw("default/web")
    return counts() - before


@pytest.mark.parametrize("kind", list(SPECS))
async def test_traffic_follows_the_patch(cluster: SimulatedCluster, client: ApiClient, kind: str) -> None:
    """A fifth, then everything, then nothing again."""
    await pair(cluster, kind)
    for share, expected in ((0.2, {"web-stable": 800, "web-canary": 200}), (1, {"web-canary": 1000})):
        assert (await set_share(client, kind, share)).share == share
        await asyncio.sleep(2)
        assert (await routing(client, kind)).in_force
        assert await answered(cluster, kind) == expected
    await set_share(client, kind, 0)
    await asyncio.sleep(2)
    assert await answered(cluster, kind) == {"web-stable": 1000}


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
async def test_it_is_in_force_once_the_gateway_has_taken_it_in(
    cluster: SimulatedCluster, client: ApiClient, kind: str
) -> None:
    """Set at once, in force later; a gateway that is down is waited for."""
    await pair(cluster, kind)
    cluster.routes.held = True
    found = await set_share(client, kind, 0.5)
    assert (found.share, found.in_force, found.problem) == (0.5, False, "")
    await asyncio.sleep(5)
    assert not (await routing(client, kind)).in_force
    cluster.routes.held = False
    await asyncio.sleep(2)
    assert (await routing(client, kind)).in_force


@pytest.mark.parametrize("kind", list(SPECS))
async def test_backends_in_another_order_refuse_the_patch(
    cluster: SimulatedCluster, client: ApiClient, kind: str
) -> None:
    """The API server answers with the failed test, and the weights stay as they are."""
    await pair(cluster, kind)
    router = ROUTERS[kind]
    place = RequestTarget(router.resource, "default", "web")
    operations = router.plan(await client.get(place), WEB, "", 0.2)
    resource = cluster.api.registry.of_kind(router.resource.group, router.resource.version, kind)
    cluster.change("web", lambda raw: backend_lists(raw)[0].reverse(), resource=resource)
    with pytest.raises(PreconditionError):
        await client.json_patch(place, list(operations))
    assert (await routing(client, kind)).share == 0


async def test_other_managers_keep_what_is_theirs(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Filters, matches and hostnames that others wrote are as they were; a second patch changes nothing at all."""
    await pair(cluster, "HTTPRoute")
    place = RequestTarget(ROUTERS["HTTPRoute"].resource, "default", "web")

    def bare(raw: Any) -> Any:
        (rule,) = raw["spec"]["rules"]
        return {**rule, "backendRefs": [{**each, "weight": 0} for each in rule["backendRefs"]]}

    before = await client.get(place)
    await set_share(client, "HTTPRoute", 0.2)
    after = await client.get(place)
    assert bare(after) == bare(before)
    assert ROUTERS["HTTPRoute"].plan(after, WEB, "", 0.2) == ()
