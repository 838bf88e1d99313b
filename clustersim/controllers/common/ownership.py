"""Which object controls which: the index behind "my ReplicaSets", "my pods", and adoption of orphans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clustersim.controllers.common.selectors import selects
from clustersim.storage.history import Event
from clustersim.storage.resources import (
    CONTROLLER_REVISIONS,
    ENDPOINT_SLICES,
    PODS,
    REPLICASETS,
    ResourceType,
)
from clustersim.storage.store import Store

JsonObject = dict[str, Any]
_INDEXED = (PODS, REPLICASETS, CONTROLLER_REVISIONS, ENDPOINT_SLICES)


def controller_of(obj: JsonObject) -> JsonObject | None:
    """The owner reference that has `controller: true`, if any."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: JsonObject = reference
            return found
    return None


def controller_reference(resource: ResourceType, owner: JsonObject) -> JsonObject:
    """The owner reference that makes `owner` the controller of an object."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


class OwnerIndex:
    """The objects that have controllers, by the uid of theirs, kept as the store changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owned: dict[tuple[str, str], dict[tuple[str, str], JsonObject]] = {}
        for resource in _INDEXED:
            for obj in store.list(resource):
                self._owned.setdefault(_bucket_key(resource, obj), {})[_position(obj)] = obj
        self.close = store.subscribe(self._heed)

    def owned(self, resource: ResourceType, owner: JsonObject) -> list[JsonObject]:
        """The objects that `owner` controls, in the order in which they came to it."""
        return list(self._owned.get((resource.plural, owner["metadata"]["uid"]), {}).values())

    def claimed(
        self, resource: ResourceType, owner_resource: ResourceType, owner: JsonObject, manager: str
    ) -> list[JsonObject]:
        """As `owned`, after adopting what the owner's selector selects and nobody controls."""
        if "deletionTimestamp" not in owner["metadata"]:
            for orphan in list(self._orphans(resource, owner)):
                self._adopt(resource, orphan, controller_reference(owner_resource, owner), manager)
        return self.owned(resource, owner)

    def _orphans(self, resource: ResourceType, owner: JsonObject) -> Iterator[JsonObject]:
        namespace = owner["metadata"].get("namespace", "")
        for obj in self._owned.get((resource.plural, f"orphans/{namespace}"), {}).values():
            metadata = obj["metadata"]
            if "deletionTimestamp" not in metadata and selects(
                owner["spec"].get("selector"), metadata.get("labels") or {}
            ):
                yield obj

    def _adopt(self, resource: ResourceType, orphan: JsonObject, reference: JsonObject, manager: str) -> None:
        def change(obj: JsonObject) -> None:
            obj["metadata"].setdefault("ownerReferences", []).append(reference)

        self._store.mutate(resource, *_position(orphan), change, manager=manager)

    def _heed(self, event: Event) -> None:
        if event.resource not in _INDEXED:
            return
        now = None if event.type == "DELETED" else _bucket_key(event.resource, event.object)
        if event.previous is not None:
            before = _bucket_key(event.resource, event.previous)
            if before != now:
                self._drop(before, _position(event.previous))
        if now is not None:
            self._owned.setdefault(now, {})[_position(event.object)] = event.object

    def _drop(self, bucket: tuple[str, str], position: tuple[str, str]) -> None:
        objects = self._owned.get(bucket, {})
        objects.pop(position, None)
        if not objects:
            self._owned.pop(bucket, None)


def _bucket_key(resource: ResourceType, obj: JsonObject) -> tuple[str, str]:
    controller = controller_of(obj)
    owner = controller["uid"] if controller else f"orphans/{obj['metadata'].get('namespace', '')}"
    return resource.plural, owner


def _position(obj: JsonObject) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
