"""The garbage collector: what becomes of objects whose owners go (`ownerReferences`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common.base import FIELD_MANAGER, Controller, ControlPlane, Key
from clustersim.storage.history import Event
from clustersim.storage.resources import BUILT_IN, ResourceType

JsonObject = dict[str, Any]
_Place = tuple[ResourceType, str, str]
_ORPHAN = "orphan"
_FOREGROUND = "foregroundDeletion"


class GarbageCollector(Controller):
    """Deletes objects whose owners are all gone, and finishes foreground and orphaning deletions.

    Its keys are uids (with an empty namespace).
    """

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self._places: dict[str, _Place] = {}
        self._dependents: dict[str, set[str]] = {}
        for resource in BUILT_IN:
            for obj in self.store.list(resource):
                self._learn(resource, obj)

    def initial_keys(self) -> Iterable[Key]:
        """Every object that has an owner."""
        return [("", uid) for owned in self._dependents.values() for uid in owned]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The object where it has owners or waits for its dependents; its dependents when it goes."""
        metadata = event.object["metadata"]
        uid = metadata["uid"]
        if event.type == "DELETED":
            self._forget(event.previous or event.object)
            yield from (("", dependent) for dependent in self._dependents.get(uid, ()))
            yield from (("", owner) for owner in _owners(event.object) if owner in self._places)
            return
        if event.previous is not None and _owners(event.previous) != _owners(event.object):
            self._forget(event.previous)
        self._learn(event.resource, event.object)
        waits = "deletionTimestamp" in metadata and metadata.get("finalizers")
        owners_changed = event.previous is None or _owners(event.previous) != _owners(event.object)
        if waits or (owners_changed and _owners(event.object)):
            yield "", uid

    def sync(self, key: Key) -> None:
        """Look at one object: finish its deletion, or delete it when none of its owners is left."""
        obj = self._object(key[1])
        if obj is None:
            return
        finalizers = obj["metadata"].get("finalizers") or ()
        if "deletionTimestamp" in obj["metadata"]:
            if _ORPHAN in finalizers:
                self._orphan_dependents(obj)
            elif _FOREGROUND in finalizers:
                self._delete_dependents(obj)
            return
        owners = _owners(obj)
        if owners and not any(self._is_live(owner) for owner in owners):
            self._delete(obj)

    def _is_live(self, uid: str) -> bool:
        return uid in self._places

    def _delete(self, obj: JsonObject, propagation: str = "Background") -> None:
        metadata = obj["metadata"]
        resource, namespace, name = self._places[metadata["uid"]]
        self.store.delete(resource, namespace, name, uid=metadata["uid"], propagation=propagation)

    def _delete_dependents(self, owner: JsonObject) -> None:
        uid = owner["metadata"]["uid"]
        blocking = False
        for dependent in self._dependents_of(uid):
            reference = next(r for r in dependent["metadata"]["ownerReferences"] if r["uid"] == uid)
            blocking = blocking or bool(reference.get("blockOwnerDeletion"))
            others = [o for o in _owners(dependent) if o != uid and self._is_live(o)]
            if not others and "deletionTimestamp" not in dependent["metadata"]:
                self._delete(
                    dependent,
                    "Foreground" if self._dependents.get(dependent["metadata"]["uid"]) else "Background",
                )
        if not blocking or not self._dependents.get(uid):
            self._remove_finalizer(owner, _FOREGROUND)

    def _orphan_dependents(self, owner: JsonObject) -> None:
        uid = owner["metadata"]["uid"]
        for dependent in self._dependents_of(uid):

            def release(obj: JsonObject) -> None:
                kept = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
                obj["metadata"]["ownerReferences"] = kept
                if not kept:
                    del obj["metadata"]["ownerReferences"]

            resource, namespace, name = self._places[dependent["metadata"]["uid"]]
            self.store.mutate(resource, namespace, name, release, manager=FIELD_MANAGER)
        self._remove_finalizer(owner, _ORPHAN)

    def _remove_finalizer(self, obj: JsonObject, finalizer: str) -> None:
        def change(changed: JsonObject) -> None:
            kept = [f for f in changed["metadata"]["finalizers"] if f != finalizer]
            changed["metadata"]["finalizers"] = kept
            if not kept:
                del changed["metadata"]["finalizers"]

        resource, namespace, name = self._places[obj["metadata"]["uid"]]
        self.store.mutate(resource, namespace, name, change, manager=FIELD_MANAGER)

    def _dependents_of(self, uid: str) -> list[JsonObject]:
        found = (self._object(dependent) for dependent in sorted(self._dependents.get(uid, ())))
        return [obj for obj in found if obj is not None]

    def _object(self, uid: str) -> JsonObject | None:
        place = self._places.get(uid)
        return None if place is None else self.store.find(*place)

    def _learn(self, resource: ResourceType, obj: JsonObject) -> None:
        metadata = obj["metadata"]
        self._places[metadata["uid"]] = (resource, metadata.get("namespace", ""), metadata["name"])
        for owner in _owners(obj):
            self._dependents.setdefault(owner, set()).add(metadata["uid"])

    def _forget(self, obj: JsonObject) -> None:
        uid = obj["metadata"]["uid"]
        self._places.pop(uid, None)
        for owner in _owners(obj):
            dependents = self._dependents.get(owner, set())
            dependents.discard(uid)
            if not dependents:
                self._dependents.pop(owner, None)


def _owners(obj: JsonObject) -> list[str]:
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()]
