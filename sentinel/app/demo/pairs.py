"""The demo's pairs: two Deployments to each service, what sends requests to them, and a policy that pairs them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import yaml

from clustersim.cluster import JsonObject, SimulatedCluster
from clustersim.metrics.load import Destination, ToRoute, ToService

ROUTE = "HTTPRoute"


@dataclass(frozen=True, slots=True)
class DemoPair:
    """One kind of pair: the names of both Deployments of a service, the one that serves first.

    `connect` makes what sends requests `to` them; `strategy` is the part of the policy that pairs them, made of the
    demo's own strategy.
    """

    names: Callable[[str], tuple[str, str]]
    connect: Callable[[SimulatedCluster, str, str], None]
    to: Callable[[str], Destination]
    strategy: Callable[[str, JsonObject], JsonObject]

    def deploy(
        self, cluster: SimulatedCluster, namespace: str, service: str, image: str, replicas: int
    ) -> None:
        """Both Deployments, the second without pods, and what sends all requests to the first."""
        for name, pods in zip(self.names(service), (replicas, 0), strict=True):
            cluster.deploy(name, image, pods, namespace=namespace)
        self.connect(cluster, namespace, service)


def pair_policies(services: list[tuple[str, DemoPair]]) -> str:
    """The demo's rules, once for each pair."""
    base = yaml.safe_load((files("sentinel.app.demo") / "policy.yaml").read_text())
    return yaml.safe_dump_all([_policy(base, service, pair) for service, pair in services])


def _policy(base: JsonObject, service: str, pair: DemoPair) -> JsonObject:
    spec = base["spec"]
    strategy = {key: value for key, value in spec["strategy"].items() if key != "canary"}
    paired = {**strategy, **pair.strategy(service, spec["strategy"])}
    namespaces = {"namespaces": spec["match"]["namespaces"]}
    return {
        **base,
        "metadata": {"name": service},
        "spec": {**spec, "match": namespaces, "strategy": paired},
    }


def _stable_and_canary(service: str) -> tuple[str, str]:
    return service, f"{service}-canary"


def _route(cluster: SimulatedCluster, namespace: str, service: str) -> None:
    names = _stable_and_canary(service)
    for name in names:
        cluster.expose(name, namespace=namespace, app=name)
    weights = zip(names, (100, 0), strict=True)
    backends = [{"kind": "Service", "name": name, "weight": weight} for name, weight in weights]
    cluster.create(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": ROUTE,
            "metadata": {"name": service, "namespace": namespace},
            "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": backends}]},
        }
    )


def _canary_steps(service: str, strategy: JsonObject) -> JsonObject:
    stable, canary = _stable_and_canary(service)
    route = {"kind": ROUTE, "name": service}
    return {"canaryPair": {"stable": stable, "canary": canary, "route": route, **strategy["canary"]}}


CANARY_PAIR = DemoPair(
    _stable_and_canary, _route, lambda service: ToRoute("httproutes", service), _canary_steps
)


def _blue_and_green(service: str) -> tuple[str, str]:
    return f"{service}-blue", f"{service}-green"


def _service(cluster: SimulatedCluster, namespace: str, service: str) -> None:
    cluster.expose(service, namespace=namespace, app=_blue_and_green(service)[0])


def _preview(service: str, _strategy: JsonObject) -> JsonObject:
    blue, green = _blue_and_green(service)
    preview = {"bake": "3s"}
    return {"blueGreen": {"service": service, "blue": blue, "green": green, "preview": preview}}


BLUE_GREEN = DemoPair(_blue_and_green, _service, ToService, _preview)
