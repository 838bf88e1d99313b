"""Istio's VirtualServices: weights of an http rule's destinations, by host or by subset of a DestinationRule."""

from collections.abc import Iterator

from sentinel.adapters.kubernetes.api.operations import holds
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import VIRTUAL_SERVICES
from sentinel.adapters.kubernetes.traffic.router import TrafficRouter
from sentinel.adapters.kubernetes.traffic.weights import (
    Backends,
    RouteRule,
    TrafficSplit,
    WeightedBackend,
    called_route,
    find_split,
)
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind
from sentinel.values import replace

_ALONE = 100
"""What the only destination of a rule gets, whatever its weight."""


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
    RouteKind.VIRTUAL_SERVICE, VIRTUAL_SERVICES, _split, _taken_in, ".spec.http[].route[].weight"
)
