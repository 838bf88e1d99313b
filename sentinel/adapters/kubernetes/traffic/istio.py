"""Istio's VirtualServices: weights of an http rule's destinations, by host or by subset of a DestinationRule."""

from collections.abc import Iterator
from dataclasses import replace

from sentinel.adapters.kubernetes.api.operations import Operation, holds
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import VIRTUAL_SERVICES
from sentinel.adapters.kubernetes.traffic.router import Backends, Routing, TrafficRouter
from sentinel.adapters.kubernetes.traffic.weights import (
    RouteRule,
    TrafficSplit,
    WeightedBackend,
    called_route,
    find_split,
    route_ref,
    weigh,
)
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind

_KIND = RouteKind.VIRTUAL_SERVICE
_ALONE = 100
"""What the only destination of a rule gets, whatever its weight."""


def _routing(raw: RawObject, backends: Backends, rule: str) -> Routing:
    ref = route_ref(raw, VIRTUAL_SERVICES.api_version, _KIND)
    try:
        share = _split(ref, raw, backends, rule).share
    except InvalidObjectError as error:
        return Routing(None, False, str(error), ref)
    in_force, problem = _taken_in(raw, ref)
    return Routing(share, in_force, problem, ref)


def _plan(raw: RawObject, backends: Backends, rule: str, share: float) -> tuple[Operation, ...]:
    ref = route_ref(raw, VIRTUAL_SERVICES.api_version, _KIND)
    return weigh(_split(ref, raw, backends, rule), mapping(raw.get("metadata")).get("uid"), share)


def _split(ref: ObjectRef, raw: RawObject, backends: Backends, rule: str) -> TrafficSplit:
    near = replace(
        backends,
        stable=_service(backends.stable, ref.namespace),
        candidate=_service(backends.candidate, ref.namespace),
    )
    return find_split(ref, tuple(_rules(raw, ref.namespace)), near, rule)


def _rules(raw: RawObject, namespace: str) -> Iterator[RouteRule]:
    for position, rule in enumerate(objects(mapping(raw.get("spec")).get("http"))):
        path, name = f"/spec/http/{position}", text(rule.get("name"))
        destinations = list(objects(rule.get("route")))
        absent = _ALONE if len(destinations) == 1 else 0
        found = tuple(
            _backend(f"{path}/route/{index}", entry, namespace, absent)
            for index, entry in enumerate(destinations)
        )
        yield RouteRule(position, found, name, (holds(f"{path}/name", name),) if name else ())


def _backend(path: str, raw: RawObject, namespace: str, absent: int) -> WeightedBackend:
    destination = mapping(raw.get("destination"))
    host, subset = text(destination.get("host")), text(destination.get("subset"))
    return WeightedBackend(
        path,
        _service(host, namespace),
        number(raw.get("weight"), absent),
        "weight" in raw,
        subset,
        (holds(f"{path}/destination", dict(destination)),),
    )


def _service(host: str, namespace: str) -> str:
    """The name of the Service of this namespace that a host stands for; any other host stays as it is."""
    name, _, rest = host.partition(".")
    near = rest in (namespace, f"{namespace}.svc") or rest.startswith(f"{namespace}.svc.")
    return name if near else host


def _taken_in(raw: RawObject, ref: ObjectRef) -> tuple[bool, str]:
    """Whether istiod has taken in what is written, where it writes any status; by default it writes none."""
    status = mapping(raw.get("status"))
    observed = text(status.get("observedGeneration")) or str(number(status.get("observedGeneration"), -1))
    generation = number(mapping(raw.get("metadata")).get("generation"))
    current = not observed.isdecimal() or int(observed) >= generation
    errors = [one for one in objects(status.get("validationMessages")) if one.get("level") == "ERROR"]
    if current and errors:
        codes = ", ".join(text(mapping(one.get("type")).get("code")) for one in errors)
        return False, f"{called_route(ref)} is not in force: Istio finds errors in it ({codes})"
    return current, ""


VIRTUAL_SERVICE = TrafficRouter(
    _KIND,
    VIRTUAL_SERVICES,
    ((VIRTUAL_SERVICES, "", ("get", "list", "watch", "patch")),),
    _routing,
    _plan,
    ".spec.http[].route[].weight",
)
