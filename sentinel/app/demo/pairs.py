"""The demo's pairs: two Deployments to each service, what sends requests to them, and a policy that pairs them."""

from collections.abc import Callable

from clustersim.cluster import ClusterOptions, JsonObject, SimulatedCluster
from clustersim.metrics.load import Destination, ToRoute, ToService
from sentinel.app.demo.shapes import DEPLOYMENT, NAMESPACE, REPLICAS
from sentinel.values import dataclass

ROUTE = "HTTPRoute"


@dataclass(frozen=True, slots=True)
class DemoPair:
    """One kind of pair: the names of both Deployments of a service, the one that serves first.

    `connect` makes what sends requests `to` them; `strategy` is the part of the policy that pairs them, made of the
    demo's own strategy.
    """

    members: Callable[[str], tuple[str, str]]
    connect: Callable[[SimulatedCluster, str], None]
    destination: Callable[[str], Destination]
    strategy: Callable[[str, JsonObject], JsonObject]
    kind: str = DEPLOYMENT.kind
    registry: str = DEPLOYMENT.registry
    versions: tuple[str, str] = DEPLOYMENT.versions
    options: ClusterOptions = DEPLOYMENT.options

    def deploy(self, cluster: SimulatedCluster, service: str, image: str) -> None:
        """Both Deployments, the second without pods, and what sends all requests to the first."""
        for name, pods in zip(self.members(service), (REPLICAS, 0), strict=True):
            cluster.deploy(name, image, pods, namespace=NAMESPACE)
        self.connect(cluster, service)

    def rests(self, cluster: SimulatedCluster, service: str) -> bool:
        """By the Deployment that serves first."""
        return DEPLOYMENT.rests(cluster, self.members(service)[0])

    def release(self, cluster: SimulatedCluster, service: str, image: str) -> None:
        """Into the Deployment that does not serve yet."""
        DEPLOYMENT.release(cluster, self.members(service)[-1], image)

    def policy(self, base: JsonObject, service: str) -> JsonObject:
        """One for each pair, which names its parts."""
        spec = base["spec"]
        strategy = {key: value for key, value in spec["strategy"].items() if key != "canary"}
        paired = {**strategy, **self.strategy(service, spec["strategy"])}
        match = {"namespaces": spec["match"]["namespaces"]}
        return {**base, "metadata": {"name": service}, "spec": {**spec, "match": match, "strategy": paired}}


def _stable_and_canary(service: str) -> tuple[str, str]:
    return service, f"{service}-canary"


def _route(cluster: SimulatedCluster, service: str) -> None:
    names = _stable_and_canary(service)
    for name in names:
        cluster.expose(name, namespace=NAMESPACE, app=name)
    weights = zip(names, (100, 0), strict=True)
    backends = [{"kind": "Service", "name": name, "weight": weight} for name, weight in weights]
    cluster.create(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": ROUTE,
            "metadata": {"name": service, "namespace": NAMESPACE},
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


def _service(cluster: SimulatedCluster, service: str) -> None:
    cluster.expose(service, namespace=NAMESPACE, app=_blue_and_green(service)[0])


def _preview(service: str, _strategy: JsonObject) -> JsonObject:
    blue, green = _blue_and_green(service)
    preview = {"bake": "3s"}
    return {"blueGreen": {"service": service, "blue": blue, "green": green, "preview": preview}}


BLUE_GREEN = DemoPair(_blue_and_green, _service, ToService, _preview)
