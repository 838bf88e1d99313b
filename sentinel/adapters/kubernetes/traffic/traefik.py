"""Traefik's weighted TraefikServices. They have no status: what is written counts as in force."""

from sentinel.adapters.kubernetes.api.operations import Operation, holds
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import TRAEFIK_SERVICES
from sentinel.adapters.kubernetes.traffic.router import Backends, Routing, TrafficRouter
from sentinel.adapters.kubernetes.traffic.weights import (
    RouteRule,
    TrafficSplit,
    WeightedBackend,
    find_split,
    route_ref,
    unusable,
    weigh,
)
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind

_KIND = RouteKind.TRAEFIK_SERVICE
_DEFAULT_WEIGHT = 1


def _routing(raw: RawObject, backends: Backends, rule: str) -> Routing:
    ref = route_ref(raw, TRAEFIK_SERVICES.api_version, _KIND)
    try:
        return Routing(_split(ref, raw, backends, rule).share, True, "", ref)
    except InvalidObjectError as error:
        return Routing(None, False, str(error), ref)


def _plan(raw: RawObject, backends: Backends, rule: str, share: float) -> tuple[Operation, ...]:
    ref = route_ref(raw, TRAEFIK_SERVICES.api_version, _KIND)
    return weigh(_split(ref, raw, backends, rule), mapping(raw.get("metadata")).get("uid"), share)


def _split(ref: ObjectRef, raw: RawObject, backends: Backends, rule: str) -> TrafficSplit:
    if rule:
        raise unusable(ref, f"has no rules: take the rule {rule} out of the policy")
    services = objects(mapping(mapping(raw.get("spec")).get("weighted")).get("services"))
    found = tuple(_backend(index, entry, ref.namespace) for index, entry in enumerate(services))
    return find_split(ref, (RouteRule(0, found, "weighted"),), backends, rule)


def _backend(index: int, raw: RawObject, namespace: str) -> WeightedBackend:
    path, name = f"/spec/weighted/services/{index}", text(raw.get("name"))
    near = raw.get("kind", "Service") == "Service" and raw.get("namespace", namespace) == namespace
    return WeightedBackend(
        path,
        name if near else "",
        number(raw.get("weight"), _DEFAULT_WEIGHT),
        "weight" in raw,
        tests=(holds(f"{path}/name", name),),
    )


TRAEFIK_SERVICE = TrafficRouter(
    _KIND,
    TRAEFIK_SERVICES,
    ((TRAEFIK_SERVICES, "", ("get", "list", "watch", "patch")),),
    _routing,
    _plan,
    ".spec.weighted.services[].weight",
)
