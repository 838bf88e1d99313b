"""The traffic of an Argo Rollout: routed canaries become canary pairs, and blue-green becomes blue-green.

Source: argoproj/argo-rollouts, `pkg/apis/rollouts/v1alpha1/types.go` (`RolloutTrafficRouting`, `BlueGreenStrategy`) and
argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi, `pkg/plugin/types.go`.
"""

from datetime import timedelta

from sentinel.policies.importing.draft import Draft, Values
from sentinel.policies.importing.shapes import items, mapping, text, whole
from sentinel.policies.schema.quantities import format_duration

_GATEWAY_PLUGIN = "argoproj-labs/gatewayAPI"
_GATEWAY_ROUTES = (("httpRoute", "HTTPRoute"), ("grpcRoute", "GRPCRoute"))
_SCALE_DOWN_DELAY = 30


def routed_pair(canary: Values, name: str) -> dict[str, object]:
    """The canary pair of a canary whose requests are routed; empty where its router has no equivalent."""
    routing = mapping(canary.get("trafficRouting"))
    stable, other = text(canary.get("stableService")), text(canary.get("canaryService"))
    route = _gateway(routing) or _traefik(routing) or _istio(routing)
    if not route:
        return {}
    subsets = mapping(mapping(routing.get("istio")).get("destinationRule"))
    backends = {
        "stable": _backend(stable, text(subsets.get("stableSubsetName")), name),
        "canary": _backend(other, text(subsets.get("canarySubsetName")), name),
    }
    if backends["stable"] == backends["canary"]:
        return {}
    return {"stable": name, "canary": f"{name}-canary", "route": {**route, **backends}}


def _backend(service: str, subset: str, name: str) -> dict[str, object]:
    return {"name": service or name, **({"subset": subset} if subset else {})}


def _gateway(routing: Values) -> dict[str, object]:
    plugin = mapping(mapping(routing.get("plugins")).get(_GATEWAY_PLUGIN))
    for key, kind in _GATEWAY_ROUTES:
        several = [text(route.get("name")) for route in items(plugin.get(f"{key}s"))]
        if route := text(plugin.get(key)) or next(iter(several), ""):
            return {"kind": kind, "name": route}
    return {}


def _traefik(routing: Values) -> dict[str, object]:
    service = text(mapping(routing.get("traefik")).get("weightedTraefikServiceName"))
    return {"kind": "TraefikService", "name": service} if service else {}


def _istio(routing: Values) -> dict[str, object]:
    istio = mapping(routing.get("istio"))
    several = next(iter(items(istio.get("virtualServices"))), {})
    service = mapping(istio.get("virtualService")) or several
    name, routes = text(service.get("name")), service.get("routes")
    if not name:
        return {}
    named = isinstance(routes, list) and len(routes) == 1
    rule = text(routes[0]) if named and isinstance(routes, list) else ""
    return {"kind": "VirtualService", "name": name, **({"rule": rule} if rule else {})}


def blue_green_of(blue_green: Values, name: str) -> dict[str, object]:
    """The blue-green strategy with the same Services; empty where it names none. Raises ImportRefusedError."""
    service = text(blue_green.get("activeService"))
    if not service:
        return {}
    given = blue_green.get("scaleDownDelaySeconds")
    delay = _SCALE_DOWN_DELAY if given is None else whole(given, "scaleDownDelaySeconds")
    preview: dict[str, object] = {"bake": "0s"}
    if blue_green.get("autoPromotionSeconds") is not None:
        seconds = whole(blue_green["autoPromotionSeconds"], "autoPromotionSeconds")
        preview["bake"] = format_duration(timedelta(seconds=seconds))
    if blue_green.get("autoPromotionEnabled") is False:
        preview["approval"] = "required"
    other = text(blue_green.get("previewService"))
    return {
        "service": service,
        "blue": name,
        "green": f"{name}-green",
        **({"previewService": other} if other else {}),
        "preview": preview,
        "scaleDownDelay": format_duration(timedelta(seconds=delay)),
    }


def needs_two(draft: Draft, first: str, second: str, kind: str, route: str = "") -> None:
    """Match what the strategy makes of two Deployments, and say what has to be there."""
    namespaces = draft.match.get("namespaces")
    draft.match = {"namespaces": namespaces} if namespaces else {}
    also = f" and the route's kind, {route}, to kubernetes.routes" if route else ""
    draft.notes.append(
        f"It needs two Deployments, {first} and {second}, in place of the Rollout, with the same template except for "
        f"the labels of their selectors. Add {kind} to kubernetes.kinds{also} of the settings."
    )
