"""Routes of every kind for the tests, with any weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from clustersim.storage.patching import json_patch
from sentinel.adapters.kubernetes.traffic.registry import ROUTERS
from sentinel.adapters.kubernetes.traffic.weights import Backends

JsonObject = dict[str, Any]
WEB = Backends("web-stable", "web-canary")
Weights = list[tuple[str, int | None]]


def _weighted(named: JsonObject, weight: int | None) -> JsonObject:
    return named if weight is None else {**named, "weight": weight}


def _gateway(rules: list[tuple[str, Weights]]) -> JsonObject:
    return {
        "parentRefs": [{"name": "public"}],
        "rules": [
            {
                **({"name": name} if name else {}),
                "matches": [{"path": {"type": "PathPrefix", "value": f"/{position}"}}],
                "filters": [{"type": "RequestMirror"}],
                "backendRefs": [
                    _weighted({"name": service, "kind": "Service", "group": "", "port": 80}, weight)
                    for service, weight in weights
                ],
            }
            for position, (name, weights) in enumerate(rules)
        ],
    }


def _istio(rules: list[tuple[str, Weights]]) -> JsonObject:
    return {
        "hosts": ["web"],
        "http": [
            {
                **({"name": name} if name else {}),
                "timeout": "5s",
                "route": [_weighted({"destination": {"host": host}}, weight) for host, weight in weights],
            }
            for name, weights in rules
        ],
    }


def _traefik(rules: list[tuple[str, Weights]]) -> JsonObject:
    services = [_weighted({"name": name, "port": 80}, weight) for _, ws in rules for name, weight in ws]
    return {"weighted": {"services": services, "sticky": {"cookie": {}}}}


SPECS = {
    "HTTPRoute": _gateway,
    "GRPCRoute": _gateway,
    "VirtualService": _istio,
    "TraefikService": _traefik,
}
WITH_RULES = ["HTTPRoute", "GRPCRoute", "VirtualService"]


def route(kind: str, *weights: tuple[str, int | None], name: str = "") -> JsonObject:
    """A route of one rule with these backends."""
    return ruled(kind, (name, list(weights)))


def ruled(kind: str, *rules: tuple[str, Weights]) -> JsonObject:
    """A route of several rules."""
    return {
        "apiVersion": ROUTERS[kind].resource.api_version,
        "kind": kind,
        "metadata": {"namespace": "shop", "name": "web", "uid": "u-1", "generation": 1},
        "spec": SPECS[kind](list(rules)),
    }


def moved(
    raw: JsonObject, share: float, backends: Backends = WEB, rule: str = "", scale: int = 0
) -> JsonObject:
    """The route after the router's patch."""
    operations = ROUTERS[raw["kind"]].plan(raw, backends, rule, share, scale)
    return json_patch(deepcopy(raw), list(operations))


def problem(raw: JsonObject, backends: Backends = WEB, rule: str = "") -> str:
    """What the router says is wrong."""
    return ROUTERS[raw["kind"]].routing(raw, backends, rule).problem


def backend_lists(raw: JsonObject) -> list[list[JsonObject]]:
    """The backends of each rule."""
    spec = raw["spec"]
    if "weighted" in spec:
        return [spec["weighted"]["services"]]
    return [rule.get("backendRefs", rule.get("route")) for rule in spec.get("rules", spec.get("http"))]


def weights(raw: JsonObject, rule: int = 0) -> list[int]:
    """The weights of one rule, in order."""
    return [backend["weight"] for backend in backend_lists(raw)[rule]]
