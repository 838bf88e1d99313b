"""OpenAPI v3 documents, as far as kubectl needs them to check, diff and patch manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from clustersim.api.reviews import REVIEWS
from clustersim.api.types import builtin_types
from clustersim.api.types.discovery import Discovery
from clustersim.api.types.registry import Registry
from clustersim.storage.api_errors import unknown_path
from clustersim.storage.field_sets import FieldShape, list_keys
from clustersim.storage.patching import merge_key
from clustersim.storage.resources import ResourceType

JsonObject = dict[str, Any]

_PLAIN: dict[str, JsonObject] = {
    "s": {"type": "string"},
    "t": {"type": "string", "format": "date-time"},
    "m": {"type": "string", "format": "date-time"},
    "i": {"type": "integer", "format": "int32"},
    "l": {"type": "integer", "format": "int64"},
    "n": {"type": "number", "format": "double"},
    "b": {"type": "boolean"},
    "o": {"x-kubernetes-preserve-unknown-fields": True},
}
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


class OpenApi:
    """Makes the index and the document of each group and version."""

    def __init__(self, registry: Registry, discovery: Discovery) -> None:
        self._registry = registry
        self._discovery = discovery

    def answer(self, path: str) -> JsonObject:
        """The document at `path`, which begins with /openapi/v3; raises ApiError 404."""
        parts = [part for part in path.split("/") if part][2:]
        match parts:
            case []:
                return self._index()
            case ["api", version]:
                return self._document("", version)
            case ["apis", group, version]:
                return self._document(group, version)
            case _:
                raise unknown_path()

    def _index(self) -> JsonObject:
        paths = {}
        for group, version in self._discovery.group_versions():
            place = f"apis/{group}/{version}" if group else f"api/{version}"
            document = orjson.dumps(self._document(group, version))
            digest = hashlib.sha512(document).hexdigest().upper()
            paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest}"}
        return {"paths": paths}

    def _document(self, group: str, version: str) -> JsonObject:
        types = [r for r in self._discovery.served(group, version) if r not in REVIEWS]
        if not types and not self._discovery.served(group, version):
            raise unknown_path()
        schemas: JsonObject = {}
        names = [builtin_types.type_name(r) for r in types if not r.custom]
        for name in sorted(builtin_types.reachable(names)):
            schemas[_key(name)] = _schema(name)
        for resource in types:
            custom = self._registry.custom(resource)
            key = _resource_key(resource)
            if custom is not None:
                schemas[key] = dict(custom.schema)
            schemas[key]["x-kubernetes-group-version-kind"] = [_kind(resource)]
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.36.0"},
            "paths": {path: item for r in types for path, item in _paths(r)},
            "components": {"schemas": schemas},
        }


def _key(name: str) -> str:
    return f"io.k8s.api.{name}"


def _resource_key(resource: ResourceType) -> str:
    if resource.custom:
        return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])
    return _key(builtin_types.type_name(resource))


def _kind(resource: ResourceType) -> JsonObject:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schema(name: str) -> JsonObject:
    fields = builtin_types.table()[name]
    return {"type": "object", "properties": {field: _property(field, kind) for field, kind in fields.items()}}


def _property(field: str, kind: str) -> JsonObject:
    schema = _type(kind)
    if kind[0] == "[":
        sample = {"containerPort": 0} if kind == "[ContainerPort" else {}
        key = merge_key(field, [sample])
        if key and kind[1:] in builtin_types.table():
            keys = list_keys(field, sample, shape=FieldShape()) or (key,)
            schema |= {
                "x-kubernetes-patch-merge-key": key,
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": list(keys),
            }
    if field == "strategy":
        schema["x-kubernetes-patch-strategy"] = "retainKeys"
    return schema


def _type(kind: str) -> JsonObject:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind[0] == "[":
        return {"type": "array", "items": _type(kind[1:])}
    if kind[0] == "{":
        return {"type": "object", "additionalProperties": _type(kind[1:])}
    if kind in builtin_types.table():
        return {"allOf": [{"$ref": f"#/components/schemas/{_key(kind)}"}], "default": {}}
    return dict(_PLAIN["o"])


def _paths(resource: ResourceType) -> Iterable[tuple[str, JsonObject]]:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    if resource.namespaced:
        root += "/namespaces/{namespace}"
    yield (
        f"{root}/{resource.plural}",
        {"get": _operation(resource, "list"), "post": _operation(resource, "post")},
    )
    yield (
        f"{root}/{resource.plural}/{{name}}",
        {action: _operation(resource, action) for action in ("get", "put", "patch", "delete")},
    )


def _operation(resource: ResourceType, action: str) -> JsonObject:
    parameters = _WRITE_PARAMETERS if action in ("post", "put", "patch") else ()
    return {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _kind(resource),
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in parameters
        ],
        "responses": {"200": {"description": "OK"}},
    }
