"""The kinds of routes that split requests between two Services."""

from enum import StrEnum


class RouteKind(StrEnum):
    """The kinds that requests can be moved on, by their Kubernetes names."""

    HTTP_ROUTE = "HTTPRoute"
    GRPC_ROUTE = "GRPCRoute"
    VIRTUAL_SERVICE = "VirtualService"
    TRAEFIK_SERVICE = "TraefikService"
