"""Routes that split traffic by weight, once the gateway has taken them in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.controllers.routes.in_force import RouteKey
from clustersim.metrics.load import ToRoute
from clustersim.node.behaviour import never_ready

JsonObject = dict[str, Any]
GATEWAY, ISTIO, TRAEFIK = "gateway.networking.k8s.io/v1", "networking.istio.io/v1", "traefik.io/v1alpha1"


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    """Two services of two pods each, `stable` and `canary`, and the definitions of every route."""
    async with SimulatedCluster(options=ClusterOptions(serve=False)) as running:
        for name in ("stable", "canary"):
            running.deploy(name, f"{name}:v1", 2)
            running.expose(name, app=name)
        running.define("HTTPRoute", "GRPCRoute", "VirtualService", "DestinationRule", "TraefikService")
        await asyncio.sleep(20)
        yield running


def manifest(version: str, kind: str, spec: JsonObject, name: str = "web") -> JsonObject:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def gateway_spec(*weights: tuple[str, int]) -> JsonObject:
    refs = [{"name": name, "weight": weight} for name, weight in weights]
    return {"parentRefs": [{"name": "public"}], "rules": [{"name": "all", "backendRefs": refs}]}


def istio_spec(*weights: tuple[str, int]) -> JsonObject:
    route = [{"destination": {"host": name}, "weight": weight} for name, weight in weights]
    return {"hosts": ["web"], "http": [{"route": route}]}


def traefik_spec(*weights: tuple[str, int]) -> JsonObject:
    return {"weighted": {"services": [{"name": name, "weight": weight} for name, weight in weights]}}


SPLITS = {
    "httproutes": (GATEWAY, "HTTPRoute", gateway_spec),
    "grpcroutes": (GATEWAY, "GRPCRoute", gateway_spec),
    "virtualservices": (ISTIO, "VirtualService", istio_spec),
    "traefikservices": (TRAEFIK, "TraefikService", traefik_spec),
}


async def served(cluster: SimulatedCluster, to: ToRoute, seconds: float = 100) -> tuple[int, int, int]:
    """What stable and canary answer of 10 requests a second, and what is lost."""
    before = counts(cluster)
    cluster.offer("web", 10, to=to, arrivals="even")
    lost = cluster.traffic.lost("default/web")
    await asyncio.sleep(seconds)
    after = counts(cluster)
    gone = cluster.traffic.lost("default/web") - lost
    cluster.traffic.withdraw("default/web")
    return after["stable:v1"] - before["stable:v1"], after["canary:v1"] - before["canary:v1"], gone


def counts(cluster: SimulatedCluster) -> dict[str, int]:
    found = {"stable:v1": 0, "canary:v1": 0}
    for counter in cluster.traffic.counters():
        found[counter.image] += counter.count
    return found


def change(cluster: SimulatedCluster, kind: str, change: Any) -> None:
    version = {"HTTPRoute": GATEWAY, "GRPCRoute": GATEWAY, "VirtualService": ISTIO, "DestinationRule": ISTIO}
    group, _, number = version[kind].partition("/")
    cluster.change("web", change, resource=cluster.api.registry.of_kind(group, number, kind))


def route(cluster: SimulatedCluster, kind: str = "HTTPRoute") -> JsonObject:
    resource = cluster.api.registry.of_kind("gateway.networking.k8s.io", "v1", kind)
    return cluster.store.get(resource, "default", "web")


def accepted(cluster: SimulatedCluster) -> JsonObject:
    (parent,) = route(cluster)["status"]["parents"]
    return {entry["type"]: entry for entry in parent["conditions"]}


@pytest.mark.parametrize("plural", list(SPLITS))
async def test_requests_are_split_by_weight(cluster: SimulatedCluster, plural: str) -> None:
    """900 to 100 gives one request in ten to the canary; weights are shares of their sum."""
    version, kind, spec = SPLITS[plural]
    cluster.create(manifest(version, kind, spec(("stable", 900), ("canary", 100))))
    await asyncio.sleep(1)
    assert await served(cluster, ToRoute(plural, "web")) == (900, 100, 0)


@pytest.mark.parametrize("plural", list(SPLITS))
async def test_no_weight_at_all_loses_every_request(cluster: SimulatedCluster, plural: str) -> None:
    """Both at 0 is accepted, and serves nobody."""
    version, kind, spec = SPLITS[plural]
    cluster.create(manifest(version, kind, spec(("stable", 0), ("canary", 0))))
    await asyncio.sleep(1)
    assert await served(cluster, ToRoute(plural, "web")) == (0, 0, 1000)


async def test_a_new_weight_is_in_force_once_the_gateway_has_taken_it_in(cluster: SimulatedCluster) -> None:
    """Until then the old one holds, and the status names the old generation."""
    cluster.create(manifest(GATEWAY, "HTTPRoute", gateway_spec(("stable", 100), ("canary", 0))))
    await asyncio.sleep(1)
    assert accepted(cluster)["Accepted"]["observedGeneration"] == 1
    cluster.routes.held = True

    def shift(obj: JsonObject) -> None:
        stable, canary = obj["spec"]["rules"][0]["backendRefs"]
        stable["weight"], canary["weight"] = 50, 50

    change(cluster, "HTTPRoute", shift)
    assert await served(cluster, ToRoute("httproutes", "web")) == (1000, 0, 0)
    assert (
        accepted(cluster)["Accepted"]["observedGeneration"],
        route(cluster)["metadata"]["generation"],
    ) == (
        1,
        2,
    )
    cluster.routes.held = False
    await asyncio.sleep(2)
    assert await served(cluster, ToRoute("httproutes", "web")) == (500, 500, 0)
    assert accepted(cluster)["Accepted"]["observedGeneration"] == 2


async def test_a_refused_route_changes_nothing_but_its_status(cluster: SimulatedCluster) -> None:
    """Accepted is False with the reason, for the generation that was refused."""
    cluster.create(manifest(GATEWAY, "HTTPRoute", gateway_spec(("stable", 1), ("canary", 0))))
    await asyncio.sleep(1)
    cluster.routes.refused[RouteKey("httproutes", "default", "web")] = "UnsupportedValue"

    def shift(obj: JsonObject) -> None:
        obj["spec"]["rules"][0]["backendRefs"][1]["weight"] = 1

    change(cluster, "HTTPRoute", shift)
    await asyncio.sleep(1)
    found = accepted(cluster)["Accepted"]
    assert (found["status"], found["reason"], found["observedGeneration"]) == ("False", "UnsupportedValue", 2)
    assert await served(cluster, ToRoute("httproutes", "web")) == (1000, 0, 0)


async def test_a_backend_that_is_missing_is_said_in_the_status(cluster: SimulatedCluster) -> None:
    """ResolvedRefs is False until the Service is there; its share is lost meanwhile."""
    cluster.create(manifest(GATEWAY, "HTTPRoute", gateway_spec(("stable", 1), ("preview", 1))))
    await asyncio.sleep(1)
    assert accepted(cluster)["ResolvedRefs"]["reason"] == "BackendNotFound"
    assert await served(cluster, ToRoute("httproutes", "web")) == (500, 0, 500)
    cluster.expose("preview", app="canary")
    await asyncio.sleep(1)
    assert accepted(cluster)["ResolvedRefs"]["status"] == "True"
    assert await served(cluster, ToRoute("httproutes", "web")) == (500, 500, 0)


async def test_the_share_of_unready_pods_is_lost(cluster: SimulatedCluster) -> None:
    """A weight on a backend without ready endpoints is a share of errors."""
    cluster.behave("canary:v1", never_ready())
    cluster.create(manifest(GATEWAY, "HTTPRoute", gateway_spec(("stable", 90), ("canary", 10))))
    await asyncio.sleep(2)
    assert await served(cluster, ToRoute("httproutes", "web")) == (900, 0, 100)


async def test_defaults_are_written_at_admission(cluster: SimulatedCluster) -> None:
    """A weight of 1, and a match of every path."""
    cluster.create(manifest(GATEWAY, "HTTPRoute", {"rules": [{"backendRefs": [{"name": "stable"}]}]}))
    (rule,) = route(cluster)["spec"]["rules"]
    assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "stable", "weight": 1}]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


async def test_a_header_chooses_the_rule(cluster: SimulatedCluster) -> None:
    """The most specific rule that accepts the request has it, wherever it is in the list."""
    everybody: JsonObject = {"backendRefs": [{"name": "stable"}]}
    beta: JsonObject = {"matches": [{"headers": [{"name": "X-Beta", "value": "yes"}]}]}
    rules = [everybody, {**beta, "backendRefs": [{"name": "canary"}]}]
    cluster.create(manifest(GATEWAY, "HTTPRoute", {"rules": rules}))
    await asyncio.sleep(1)
    assert await served(cluster, ToRoute("httproutes", "web")) == (1000, 0, 0)
    chosen = ToRoute("httproutes", "web", headers=(("x-beta", "yes"),))
    assert await served(cluster, chosen) == (0, 1000, 0)


async def test_a_cookie_chooses_the_first_rule_of_a_virtual_service(cluster: SimulatedCluster) -> None:
    """By regular expression, as Istio matches headers."""
    beta = {"match": [{"headers": {"cookie": {"regex": ".*beta=1.*"}}}]}
    chosen: JsonObject = {**beta, "route": [{"destination": {"host": "canary"}}]}
    rest = {"route": [{"destination": {"host": "stable"}}]}
    cluster.create(manifest(ISTIO, "VirtualService", {"hosts": ["web"], "http": [chosen, rest]}))
    await asyncio.sleep(1)
    assert await served(cluster, ToRoute("virtualservices", "web")) == (1000, 0, 0)
    to = ToRoute("virtualservices", "web", headers=(("cookie", "a=2; beta=1"),))
    assert await served(cluster, to) == (0, 1000, 0)


async def test_subsets_are_pods_of_one_service(cluster: SimulatedCluster) -> None:
    """As the DestinationRule of the host names them."""
    for name, track in (("stable", "old"), ("canary", "new")):
        for pod in cluster.pods(name):
            labels = {"site": "web", "track": track}
            cluster.plane.store.mutate(
                cluster.api.registry.of_kind("", "v1", "Pod"),
                "default",
                pod["metadata"]["name"],
                lambda obj, labels=labels: obj["metadata"]["labels"].update(labels),  # type: ignore[misc]
            )
    cluster.expose("site", site="web")
    subsets = [{"name": "v1", "labels": {"track": "old"}}, {"name": "v2", "labels": {"track": "new"}}]
    cluster.create(manifest(ISTIO, "DestinationRule", {"host": "site", "subsets": subsets}))
    route = [
        {"destination": {"host": "site", "subset": "v1"}, "weight": 80},
        {"destination": {"host": "site", "subset": "v2"}, "weight": 20},
    ]
    cluster.create(manifest(ISTIO, "VirtualService", {"hosts": ["site"], "http": [{"route": route}]}))
    await asyncio.sleep(1)
    assert await served(cluster, ToRoute("virtualservices", "web")) == (800, 200, 0)


async def test_traefik_services_may_lie_in_one_another(cluster: SimulatedCluster) -> None:
    """Half of a half goes to the canary."""
    inner = traefik_spec(("stable", 1), ("canary", 1))
    cluster.create(manifest(TRAEFIK, "TraefikService", inner, name="inner"))
    services = [{"name": "stable", "weight": 1}, {"name": "inner", "kind": "TraefikService", "weight": 1}]
    cluster.create(manifest(TRAEFIK, "TraefikService", {"weighted": {"services": services}}))
    await asyncio.sleep(1)
    assert await served(cluster, ToRoute("traefikservices", "web")) == (750, 250, 0)


async def test_a_deleted_route_serves_nobody(cluster: SimulatedCluster) -> None:
    """Once the gateway has noticed."""
    cluster.create(manifest(GATEWAY, "HTTPRoute", gateway_spec(("stable", 1))))
    await asyncio.sleep(1)
    resource = cluster.api.registry.of_kind("gateway.networking.k8s.io", "v1", "HTTPRoute")
    cluster.store.delete(resource, "default", "web")
    await asyncio.sleep(1)
    assert await served(cluster, ToRoute("httproutes", "web")) == (0, 0, 1000)
