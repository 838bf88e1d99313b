"""The kinds of routes that traffic can be moved on."""

from collections.abc import Iterable, Mapping

from sentinel.adapters.kubernetes.api.resources import Verbs
from sentinel.adapters.kubernetes.traffic.gateway_api import GRPC_ROUTE, HTTP_ROUTE
from sentinel.adapters.kubernetes.traffic.istio import VIRTUAL_SERVICE
from sentinel.adapters.kubernetes.traffic.router import TrafficRouter
from sentinel.adapters.kubernetes.traffic.traefik import TRAEFIK_SERVICE
from sentinel.domain.workload.routes import RouteKind

ROUTERS: Mapping[RouteKind, TrafficRouter] = {
    router.kind: router for router in (HTTP_ROUTE, GRPC_ROUTE, VIRTUAL_SERVICE, TRAEFIK_SERVICE)
}


def route_verbs(routes: Iterable[RouteKind]) -> tuple[Verbs, ...]:
    """What the account must be allowed to do with routes of these kinds."""
    return tuple(needed for kind in routes for needed in ROUTERS[kind].verbs)
