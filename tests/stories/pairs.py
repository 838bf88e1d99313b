"""Worlds of canary pairs: six stable pods beside a canary of none, and a route that splits the requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from clustersim.cluster import JsonObject
from clustersim.controllers.routes.in_force import RouteKey
from clustersim.metrics.load import Destination, ToPods, ToRoute
from clustersim.storage.resources import DEPLOYMENTS, ResourceType
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import PAUSED_ANNOTATION, TRAFFIC_ANNOTATION
from tests.support.account import let_guard
from tests.support.world import CANARY_POLICY, NAMESPACE, World, world

PODS = 6
ROUTE = RouteKey("httproutes", NAMESPACE, "web")
RATIO = CANARY_POLICY.replace("kinds: [Deployment], ", "").replace(
    "    canary:\n", "    canaryPair:\n      stable: web\n      canary: web-canary\n"
)
PAIR = RATIO.replace(
    "canary: web-canary\n", "canary: web-canary\n      route: {kind: HTTPRoute, name: web}\n"
)


@dataclass(frozen=True, slots=True)
class CanaryPair:
    """The pair `web` and `web-canary`, in its world."""

    world: World
    lost_before: int = 0

    def release(self, image: str) -> None:
        """Change the image in the canary's template."""
        self.world.cluster.set_image("web-canary", image, namespace=NAMESPACE)

    def image(self, name: str = "web") -> str:
        """The image in a member's template."""
        return self.world.image(name)

    def replicas(self, name: str = "web-canary") -> int:
        """How many pods a member is to have."""
        found: int = self.world.cluster.deployment(name, namespace=NAMESPACE)["spec"]["replicas"]
        return found

    def route_type(self) -> ResourceType:
        """The resource of the HTTPRoutes."""
        return self.world.cluster.api.registry.of_kind("gateway.networking.k8s.io", "v1", "HTTPRoute")

    def weights(self) -> tuple[int, int]:
        """The stable's and the canary's weight in the route."""
        route = self.world.cluster.store.get(self.route_type(), NAMESPACE, "web")
        stable, canary = route["spec"]["rules"][0]["backendRefs"]
        return stable["weight"], canary["weight"]

    def rules(self, *rules: JsonObject) -> None:
        """Give the route other rules."""

        def change(obj: JsonObject) -> None:
            obj["spec"]["rules"] = list(rules)

        self.world.cluster.change("web", change, namespace=NAMESPACE, resource=self.route_type())

    def weigh(self, stable: int, canary: int) -> None:
        """Change both weights by hand."""

        def change(obj: JsonObject) -> None:
            backends = obj["spec"]["rules"][0]["backendRefs"]
            backends[0]["weight"], backends[1]["weight"] = stable, canary

        self.world.cluster.change("web", change, namespace=NAMESPACE, resource=self.route_type())

    def tracked(self, application: str) -> None:
        """Have an Application of Argo CD deploy the route, by its mark."""
        mark = f"{application}:gateway.networking.k8s.io/HTTPRoute:{NAMESPACE}/web"

        def change(obj: JsonObject) -> None:
            obj["metadata"].setdefault("annotations", {})["argocd.argoproj.io/tracking-id"] = mark

        self.world.cluster.change("web", change, namespace=NAMESPACE, resource=self.route_type())

    def change(self, name: str, change: Callable[[JsonObject], None]) -> None:
        """Change a member in any way."""
        self.world.cluster.change(name, change, namespace=NAMESPACE)

    def delete(self, name: str) -> None:
        """Delete a member."""
        self.world.cluster.store.delete(DEPLOYMENTS, NAMESPACE, name)

    def at_rest(self) -> bool:
        """Whether all requests go to the stable, the canary has no pods, and no mark of ours is left."""
        canary = self.world.cluster.deployment("web-canary", namespace=NAMESPACE)
        marked = TRAFFIC_ANNOTATION in (canary["metadata"].get("annotations") or {})
        return self.weights()[1] == 0 and canary["spec"]["replicas"] == 0 and not marked

    def paused(self, name: str = "web") -> bool:
        """Whether a member's own rolling update is paused, by our mark."""
        found = self.world.cluster.deployment(name, namespace=NAMESPACE)
        marked = PAUSED_ANNOTATION in (found["metadata"].get("annotations") or {})
        assert marked is bool(found["spec"].get("paused"))
        return marked

    async def rest(self, within: float = 120) -> None:
        """Wait for that."""
        await self.world.until(self.at_rest, within=within, what="the pair is at rest")

    def lost(self) -> int:
        """The requests that found no ready pod since the daemon came."""
        return self.world.cluster.traffic.lost(f"{NAMESPACE}/web") - self.lost_before


def backends(*weights: tuple[str, int]) -> list[JsonObject]:
    """Services with their weights."""
    return [{"kind": "Service", "name": name, "weight": weight} for name, weight in weights]


def route_of(*rules: JsonObject) -> JsonObject:
    """A route with these rules."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "public"}], "rules": list(rules)},
    }


def template(name: str) -> JsonObject:
    """A member's pods: labelled for its own selector, and for a Service in front of both."""
    container = {"name": "main", "image": "web:1"}
    return {"metadata": {"labels": {"app": name, "shop": "web"}}, "spec": {"containers": [container]}}


@asynccontextmanager
async def paired(folder: Path, policy: str = PAIR, *, started: bool = True) -> AsyncIterator[CanaryPair]:
    """The pair under traffic, watched by a daemon with the rights that ship for it."""
    named = {
        "SENTINEL_KUBERNETES__KINDS": "Deployment,CanaryPair",
        "SENTINEL_KUBERNETES__ROUTES": "HTTPRoute,GRPCRoute",
    }
    async with world(folder, policy, **named) as here:
        let_guard(here.cluster, "routes")
        here.cluster.define("HTTPRoute")
        for name, pods in (("web", PODS), ("web-canary", 0)):
            here.cluster.deploy(name, "web:1", pods, namespace=NAMESPACE, template=template(name))
        for name in ("web", "web-canary"):
            here.cluster.expose(name, namespace=NAMESPACE, app=name)
        to: Destination = ToRoute("httproutes", "web")
        if "route:" in policy:
            here.cluster.create(route_of({"backendRefs": backends(("web", 100), ("web-canary", 0))}))
        else:
            to = ToPods((("shop", "web"),))
        here.cluster.offer("web", 100, namespace=NAMESPACE, to=to)
        await here.settle()
        made = CanaryPair(here, here.cluster.traffic.lost(f"{NAMESPACE}/web"))
        if started:
            await here.start()
            await here.phase(Phase.UNJUDGED)
        yield made
