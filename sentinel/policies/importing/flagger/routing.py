"""The route of a Flagger Canary: the two Deployments and the split that Flagger made are a canary pair.

Source: fluxcd/flagger, `pkg/router/gateway_api.go`, `istio.go` and `traefik.go`: each makes a route with the name of
the Service, which splits requests between the Services NAME-primary and NAME-canary.
"""

from sentinel.policies.importing.draft import Draft, Values
from sentinel.policies.importing.shapes import mapping, text

_ROUTES = {"gatewayapi": "HTTPRoute", "istio": "VirtualService", "traefik": "TraefikService"}


def routed_canary(spec: Values, provider: str, name: str) -> dict[str, object]:
    """The pair that Flagger made of the Deployment `name`; empty where its router has no equivalent."""
    kind = _ROUTES.get(provider.partition(":")[0])
    if kind is None:
        return {}
    service = text(mapping(spec.get("service")).get("name")) or name
    backends = {"stable": {"name": f"{service}-primary"}, "canary": {"name": f"{service}-canary"}}
    return {
        "stable": f"{name}-primary",
        "canary": name,
        "route": {"kind": kind, "name": service, **backends},
    }


def keep_what_it_made(draft: Draft, pair: Values) -> None:
    """Match the pair, and say what to keep of what Flagger made."""
    namespaces = draft.match.get("namespaces")
    draft.match = {"namespaces": namespaces} if namespaces else {}
    kind = text(mapping(pair.get("route")).get("kind"))
    draft.notes.append(
        f"Flagger runs two Deployments, {pair['canary']} and {pair['stable']}, and a {kind} that splits the requests: "
        f"keep all three when you remove the Canary (kubectl delete --cascade=orphan). Add CanaryPair to "
        f"kubernetes.kinds and {kind} to kubernetes.routes of the settings."
    )
