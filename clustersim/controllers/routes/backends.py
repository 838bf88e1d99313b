"""What the routes in force come to: which Services get which share of a request like this."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clustersim.controllers.routes.in_force import RouteKey, RoutesInForce

JsonObject = dict[str, Any]
_ANYTHING: tuple[JsonObject, ...] = ({},)
_DEPTH = 5
"""How deep TraefikServices may lie in one another."""


@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """What of a request a route looks at: headers (names in lower case) and path."""

    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service and its weight; `labels` narrow its pods down to a subset."""

    namespace: str
    service: str
    weight: float
    labels: Mapping[str, str] = field(default_factory=dict)


def backends(routes: RoutesInForce, key: RouteKey, request: RoutedRequest) -> list[Backend]:
    """The backends of a route for a request; empty where it is not in force or has no rule for the request."""
    spec = routes.find(key)
    if spec is None:
        return []
    match key.plural:
        case "httproutes" | "grpcroutes":
            return list(_of_gateway_rule(spec, key.namespace, request))
        case "virtualservices":
            return list(_of_virtual_service(routes, spec, key.namespace, request))
        case "traefikservices":
            return list(_of_traefik_service(routes, spec, key.namespace, _DEPTH))
        case _:
            raise ValueError(f"{key.plural} split no traffic")


# -- Gateway API


def _of_gateway_rule(spec: JsonObject, namespace: str, request: RoutedRequest) -> Iterator[Backend]:
    """Of the most specific rule; of several, of the first."""
    ranked = [
        (rank, rule)
        for rule in spec.get("rules") or ()
        for match in rule.get("matches") or _ANYTHING
        if (rank := _rank(match, request)) is not None
    ]
    if ranked:
        _, rule = max(ranked, key=lambda entry: entry[0])
        for backend in rule.get("backendRefs") or ():
            place = backend.get("namespace", namespace)
            yield Backend(place, backend["name"], backend.get("weight", 1))


def _rank(match: JsonObject, request: RoutedRequest) -> tuple[bool, int, int] | None:
    """How specific a match is that accepts the request: exact path, length of the path, headers."""
    path, method = match.get("path") or {}, match.get("method")
    if isinstance(method, dict):
        path = {"type": "PathPrefix", "value": "/".join(["", *_method(method)])}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    headers = match.get("headers") or ()
    if match.get("queryParams") or not _path_matches(kind, value, request.path):
        return None
    if not all(_header_matches(header, request) for header in headers):
        return None
    return kind == "Exact", len(value), len(headers)


def _method(method: JsonObject) -> list[str]:
    """The parts of the path of a gRPC method."""
    return [part for part in (method.get("service"), method.get("method")) if part]


def _path_matches(kind: str, value: str, path: str) -> bool:
    if kind == "Exact":
        return path == value
    if kind == "RegularExpression":
        return re.fullmatch(value, path) is not None
    return path == value or path.startswith(value.rstrip("/") + "/")


def _header_matches(header: JsonObject, request: RoutedRequest) -> bool:
    given = request.headers.get(header["name"].lower())
    if given is None:
        return False
    if header.get("type") == "RegularExpression":
        return re.fullmatch(header["value"], given) is not None
    return bool(given == header["value"])


# -- Istio


def _of_virtual_service(
    routes: RoutesInForce, spec: JsonObject, namespace: str, request: RoutedRequest
) -> Iterator[Backend]:
    """Of the first rule that accepts the request; a missing weight counts as 0 beside others."""
    for rule in spec.get("http") or ():
        if not any(_istio_accepts(match, request) for match in rule.get("match") or _ANYTHING):
            continue
        destinations = rule.get("route") or ()
        for entry in destinations:
            host, subset = entry["destination"]["host"], entry["destination"].get("subset")
            weight = 1 if len(destinations) == 1 else entry.get("weight", 0)
            name, _, rest = host.partition(".")
            place = rest.partition(".")[0] or namespace
            yield Backend(place, name, weight, _subset(routes, namespace, host, subset))
        return


def _istio_accepts(match: JsonObject, request: RoutedRequest) -> bool:
    uri = match.get("uri")
    if uri is not None and not _string_matches(uri, request.path):
        return False
    return all(
        (given := request.headers.get(name.lower())) is not None and _string_matches(wanted, given)
        for name, wanted in (match.get("headers") or {}).items()
    )


def _string_matches(wanted: JsonObject, given: str) -> bool:
    if "exact" in wanted:
        return bool(given == wanted["exact"])
    if "prefix" in wanted:
        return given.startswith(wanted["prefix"])
    return "regex" not in wanted or re.fullmatch(wanted["regex"], given) is not None


def _subset(routes: RoutesInForce, namespace: str, host: str, subset: str | None) -> Mapping[str, str]:
    """The labels of a subset; those of one that no DestinationRule names select nothing."""
    if subset is None:
        return {}
    for spec in routes.of("destinationrules", namespace):
        if spec["host"] == host:
            for entry in spec.get("subsets") or ():
                if entry["name"] == subset:
                    labels: dict[str, str] = entry.get("labels") or {}
                    return labels
    return {"": subset}


# -- Traefik


def _of_traefik_service(
    routes: RoutesInForce, spec: JsonObject, namespace: str, depth: int
) -> Iterator[Backend]:
    """Of all its services; a missing weight counts as 1, a TraefikService among them is split in its turn."""
    for entry in (spec.get("weighted") or {}).get("services") or ():
        weight, place = entry.get("weight", 1), entry.get("namespace", namespace)
        inner = routes.find(RouteKey("traefikservices", place, entry["name"]))
        if entry.get("kind", "Service") == "Service":
            yield Backend(place, entry["name"], weight)
        elif inner is not None and depth:
            found = list(_of_traefik_service(routes, inner, place, depth - 1))
            whole = sum(backend.weight for backend in found) or 1
            for backend in found:
                yield Backend(backend.namespace, backend.service, weight * backend.weight / whole)
