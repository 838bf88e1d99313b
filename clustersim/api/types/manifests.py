"""Objects from manifests, past the HTTP server."""

from __future__ import annotations

from typing import Any

from clustersim.api.types import schemas
from clustersim.api.types.registry import Registry
from clustersim.storage.store import Store, copy_of

JsonObject = dict[str, Any]


def create(store: Store, registry: Registry, manifest: JsonObject, manager: str) -> JsonObject:
    """Create an object of any served kind, with the defaults of its kind but without its checks.

    Raises KeyError where the server does not know the kind, and ApiError as `Store.create` does.
    """
    group, _, version = manifest["apiVersion"].rpartition("/")
    resource = registry.of_kind(group, version, manifest["kind"])
    custom = registry.custom(resource)
    obj = copy_of(manifest)
    if custom is not None:
        schemas.complete(custom.schema, obj)
    return store.create(resource, obj, manager=manager)
