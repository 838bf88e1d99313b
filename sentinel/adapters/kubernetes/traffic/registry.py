"""The kinds of routes that traffic can be moved on."""

from collections.abc import Mapping

from sentinel.adapters.kubernetes.traffic.gateway_api import GRPC_ROUTE, HTTP_ROUTE
from sentinel.adapters.kubernetes.traffic.istio import VIRTUAL_SERVICE
from sentinel.adapters.kubernetes.traffic.router import TrafficRouter
from sentinel.adapters.kubernetes.traffic.traefik import TRAEFIK_SERVICE

ROUTERS: Mapping[str, TrafficRouter] = {
    router.kind: router for router in (HTTP_ROUTE, GRPC_ROUTE, VIRTUAL_SERVICE, TRAEFIK_SERVICE)
}
"""By the kind's name."""
