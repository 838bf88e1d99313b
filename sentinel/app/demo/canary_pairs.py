"""The demo's canary pairs: two Deployments to each service, behind an HTTPRoute, and a policy that pairs them."""

from importlib.resources import files

import yaml

from clustersim.cluster import JsonObject, SimulatedCluster
from clustersim.metrics.load import ToRoute

ROUTE = "HTTPRoute"


def canary_of(service: str) -> str:
    """The canary beside a service."""
    return f"{service}-canary"


def deploy_pair(cluster: SimulatedCluster, namespace: str, service: str, image: str, replicas: int) -> None:
    """The stable, a canary without pods, their Services, and the route that sends all requests to the stable."""
    names = (service, canary_of(service))
    for name, pods in zip(names, (replicas, 0), strict=True):
        cluster.deploy(name, image, pods, namespace=namespace)
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


def to_route(service: str) -> ToRoute:
    """Requests to the service's route."""
    return ToRoute("httproutes", service)


def pair_policies(services: list[str]) -> str:
    """The demo's rules, once for each pair."""
    base = yaml.safe_load((files("sentinel.app.demo") / "policy.yaml").read_text())
    return yaml.safe_dump_all([_policy(base, service) for service in services])


def _policy(base: JsonObject, service: str) -> JsonObject:
    spec = base["spec"]
    strategy = {key: value for key, value in spec["strategy"].items() if key != "canary"}
    pair = {
        "stable": service,
        "canary": canary_of(service),
        "route": {"kind": ROUTE, "name": service},
        "steps": spec["strategy"]["canary"]["steps"],
    }
    namespaces = {"namespaces": spec["match"]["namespaces"]}
    return {
        **base,
        "metadata": {"name": service},
        "spec": {**spec, "match": namespaces, "strategy": {**strategy, "canaryPair": pair}},
    }
