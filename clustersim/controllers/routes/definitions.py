"""CustomResourceDefinitions of the routes, in short: the fields that split traffic, with their defaults and bounds.

Everything else is kept as it is given. The projects' own definitions can be created in place of these.
"""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
_ANY: JsonObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_STRING: JsonObject = {"type": "string"}
_NO_PATH: JsonObject = {"path": {"type": "PathPrefix", "value": "/"}}


def _object(required: tuple[str, ...] = (), **properties: JsonObject) -> JsonObject:
    return {**_ANY, "properties": properties, **({"required": list(required)} if required else {})}


def _list(items: JsonObject, **bounds: Any) -> JsonObject:
    return {"type": "array", "items": items, **bounds}


def _integer(**bounds: Any) -> JsonObject:
    return {"type": "integer", **bounds}


def _string(default: str) -> JsonObject:
    return {"type": "string", "default": default}


def _gateway_route(plural: str, kind: str, match: JsonObject, **defaults: Any) -> JsonObject:
    backend = _object(
        ("name",),
        group=_string(""),
        kind=_string("Service"),
        name=_STRING,
        namespace=_STRING,
        port=_integer(minimum=1, maximum=65535),
        weight=_integer(default=1, minimum=0, maximum=1_000_000),
    )
    rule = _object(
        name=_STRING,
        matches=_list(match, maxItems=64, **defaults),
        backendRefs=_list(backend, maxItems=16),
        filters=_list(_object(("type",), type=_STRING), maxItems=16),
    )
    parent = _object(("name",), group=_string("gateway.networking.k8s.io"), kind=_string("Gateway"))
    condition = _object(("type", "status", "reason", "message", "lastTransitionTime"), type=_STRING)
    conditions = _list(condition, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})
    spec = _object(
        hostnames=_list(_STRING, maxItems=16),
        parentRefs=_list(parent, maxItems=32),
        rules=_list(rule, minItems=1, maxItems=16),
    )
    if defaults:
        spec["properties"]["rules"]["default"] = [{"matches": [_NO_PATH]}]
    required = ("parentRef", "controllerName", "conditions")
    status = _object(("parents",), parents=_list(_object(required, parentRef=parent, conditions=conditions)))
    return _definition("gateway.networking.k8s.io", "v1", plural, kind, spec, status)


def _http_route() -> JsonObject:
    path = _object(type=_string("PathPrefix"), value=_string("/")) | {"default": _NO_PATH["path"]}
    match = _object(path=path, headers=_headers(), method=_STRING)
    return _gateway_route("httproutes", "HTTPRoute", match, default=[_NO_PATH])


def _grpc_route() -> JsonObject:
    method = _object(type=_string("Exact"), service=_STRING, method=_STRING)
    return _gateway_route("grpcroutes", "GRPCRoute", _object(method=method, headers=_headers()))


def _headers() -> JsonObject:
    header = _object(("name", "value"), type=_string("Exact"), name=_STRING, value=_STRING)
    return _list(header, maxItems=16)


def _virtual_service() -> JsonObject:
    destination = _object(("host",), host=_STRING, subset=_STRING)
    route = _object(("destination",), destination=destination, weight=_integer(format="int32"))
    http = _list(_object(name=_STRING, route=_list(route)))
    spec = _object(hosts=_list(_STRING), gateways=_list(_STRING), http=http)
    return _definition(
        "networking.istio.io", "v1", "virtualservices", "VirtualService", spec, _ANY, short="vs"
    )


def _destination_rule() -> JsonObject:
    labels = {"type": "object", "additionalProperties": _STRING}
    subset = _object(("name",), name=_STRING, labels=labels)
    spec = _object(("host",), host=_STRING, subsets=_list(subset))
    return _definition(
        "networking.istio.io", "v1", "destinationrules", "DestinationRule", spec, _ANY, short="dr"
    )


def _traefik_service() -> JsonObject:
    kind = {"type": "string", "enum": ["Service", "TraefikService"]}
    service = _object(("name",), name=_STRING, namespace=_STRING, kind=kind, weight=_integer(minimum=0))
    spec = _object(weighted=_object(services=_list(service)))
    return _definition("traefik.io", "v1alpha1", "traefikservices", "TraefikService", spec)


def _rollout() -> JsonObject:
    spec = _object(replicas=_integer(format="int32"), template=_ANY, strategy=_ANY)
    made = _definition("argoproj.io", "v1alpha1", "rollouts", "Rollout", spec, _ANY, short="ro")
    made["spec"]["versions"][0]["subresources"]["scale"] = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.HPAReplicas",
        "labelSelectorPath": ".status.selector",
    }
    return made


def _definition(
    group: str,
    version: str,
    plural: str,
    kind: str,
    spec: JsonObject,
    status: JsonObject | None = None,
    *,
    short: str = "",
) -> JsonObject:
    """One definition; without a `status`, it has no status subresource."""
    parts = {"spec": spec, **({"status": status} if status else {})}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": parts}},
        "subresources": {"status": {}} if status else {},
    }
    names = {"plural": plural, "kind": kind, "shortNames": [short] if short else []}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": _approval(group)},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


def _approval(group: str) -> JsonObject:
    """Groups of the Kubernetes project are protected: a real API server asks who approved their definitions."""
    protected = group.endswith(".k8s.io")
    return {"api-approved.kubernetes.io": "unapproved, for a simulation"} if protected else {}


DEFINITIONS: dict[str, JsonObject] = {
    definition["spec"]["names"]["kind"]: definition
    for definition in (
        _http_route(),
        _grpc_route(),
        _virtual_service(),
        _destination_rule(),
        _traefik_service(),
        _rollout(),
    )
}
"""By kind."""
