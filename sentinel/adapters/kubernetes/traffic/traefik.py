"""Traefik's weighted TraefikServices. They have no status: what is written counts as in force."""

from sentinel.adapters.kubernetes.api.operations import holds
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import TRAEFIK_SERVICES
from sentinel.adapters.kubernetes.traffic.router import TrafficRouter
from sentinel.adapters.kubernetes.traffic.weights import (
    Backends,
    RouteRule,
    TrafficSplit,
    WeightedBackend,
    find_split,
    placed_service,
    unusable,
)
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind

_DEFAULT_WEIGHT = 1


def _split(ref: ObjectRef, raw: RawObject, backends: Backends, rule: str) -> TrafficSplit:
    if rule:
        raise unusable(ref, f"has no rules: take the rule {rule} out of the policy")
    services = objects(mapping(mapping(raw.get("spec")).get("weighted")).get("services"))
    found = tuple(_backend(index, entry, ref.namespace) for index, entry in enumerate(services))
    return find_split(ref, (RouteRule(0, found, "weighted"),), backends, rule)


def _backend(index: int, raw: RawObject, namespace: str) -> WeightedBackend:
    path, name = f"/spec/weighted/services/{index}", text(raw.get("name"))
    own = raw.get("kind", "Service") == "Service"
    return WeightedBackend(
        path,
        placed_service(raw, namespace) if own else "",
        number(raw.get("weight"), _DEFAULT_WEIGHT),
        "weight" in raw,
        tests=(holds(f"{path}/name", name),),
    )


def _taken_in(_raw: RawObject, _ref: ObjectRef) -> tuple[bool, str]:
    return True, ""


TRAEFIK_SERVICE = TrafficRouter(
    RouteKind.TRAEFIK_SERVICE, TRAEFIK_SERVICES, _split, _taken_in, ".spec.weighted.services[].weight"
)
