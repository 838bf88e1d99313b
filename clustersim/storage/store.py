"""The objects of the simulated cluster, with the bookkeeping that the real API server does.

Everything runs in one thread. Objects that are handed out are shared snapshots: they are never changed in
place, neither by the store, which copies on write, nor by anyone who reads them.
"""

from __future__ import annotations

import contextvars
import random
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from clustersim.storage import defaults, transitions
from clustersim.storage.api_errors import (
    StatusCause,
    already_exists,
    conflict,
    forbidden,
    invalid,
    not_found,
)
from clustersim.storage.history import ChangeHistory, Event, EventType
from clustersim.storage.managed_fields import Writer, record_apply, record_update
from clustersim.storage.resources import NAMESPACES, NODES, ResourceType
from clustersim.storage.values import copy_of, timestamp

__all__ = ["Event", "Store", "copy_of", "timestamp"]

JsonObject = dict[str, Any]
JsonObjects = list[JsonObject]
_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_INITIAL_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Store:
    """Objects by resource, namespace and name, and the log of their changes.

    uids and generated names come from `random.Random(seed)`; `history` is how many changes can be replayed.
    """

    def __init__(self, now: Callable[[], datetime], *, seed: int = 0, history: int = 10_000) -> None:
        self.now = now
        self.history = ChangeHistory(history)
        self._random = random.Random(seed)  # noqa: S311  # nosec B311  # reproducible names, not secrets
        self._revision = 0
        self._objects: dict[tuple[str, str], dict[str, dict[str, JsonObject]]] = {}
        self._listeners: list[Callable[[Event], None]] = []
        self._undelivered: deque[Event] = deque()
        self._delivering = False
        for name in _INITIAL_NAMESPACES:
            self.create(NAMESPACES, {"metadata": {"name": name}}, manager="kube-apiserver")
        self.history.compact(self._revision)  # as after a start: nothing before it can be watched from

    @property
    def revision(self) -> int:
        """The revision of the newest change."""
        return self._revision

    def reserve(self, revisions: int) -> int:
        """Take so many revisions for changes that are not stored here; returns the first."""
        self._revision += revisions
        return self._revision - revisions + 1

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` at each change, within the write that makes it; returns the unsubscriber."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # -- reading

    def find(self, resource: ResourceType, namespace: str | None, name: str) -> JsonObject | None:
        """The object, or None."""
        return self._objects.get(resource.key, {}).get(namespace or "", {}).get(name)

    def get(self, resource: ResourceType, namespace: str | None, name: str) -> JsonObject:
        """The object; raises ApiError 404."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def list(
        self,
        resource: ResourceType,
        namespace: str | None = None,
        where: Callable[[JsonObject], bool] | None = None,
    ) -> JsonObjects:
        """The objects of one namespace, or of all, in the order of namespace and name."""
        namespaces = self._objects.get(resource.key, {})
        chosen = [namespace] if namespace else sorted(namespaces)
        return [
            obj
            for space in chosen
            for _, obj in sorted(namespaces.get(space, {}).items())
            if where is None or where(obj)
        ]

    def at(self, resource: ResourceType, revision: int, namespace: str | None = None) -> JsonObjects:
        """The objects as they were at `revision`; raises ApiError 410 where that is compacted away."""
        changes = self.history.since(revision, resource)
        objects = {_position(obj): obj for obj in self.list(resource, namespace)}
        for event in reversed(changes):
            place = _position(event.object)
            if namespace and place[0] != namespace:
                continue
            if event.previous is None:
                objects.pop(place, None)
            else:
                objects[place] = event.previous
        return [obj for _, obj in sorted(objects.items())]

    # -- writing

    def create(self, resource: ResourceType, obj: JsonObject, *, manager: str = "") -> JsonObject:
        """Store a new object; raises ApiError 404 or 403 for its namespace, 409 where the name is taken."""
        created = self.prepare_create(resource, obj, manager=manager)
        return self.commit_create(resource, created)

    def prepare_create(
        self,
        resource: ResourceType,
        obj: JsonObject,
        *,
        manager: str = "",
        applied: JsonObject | None = None,
    ) -> JsonObject:
        """What `create` would store, less the resourceVersion; nothing is written (a dry run).

        `applied` is the configuration when the write is a server-side apply.
        """
        created: JsonObject = copy_of(obj)
        metadata = created.setdefault("metadata", {})
        self._name(resource, metadata)
        self._check_namespace(resource, metadata)
        if self.find(resource, metadata.get("namespace"), metadata["name"]) is not None:
            raise already_exists(resource, metadata["name"])
        for field in (*transitions.SERVER_FIELDS, "resourceVersion", "selfLink"):
            metadata.pop(field, None)
        metadata["uid"] = self._uid()
        if resource.generations:
            metadata["generation"] = 1
        metadata["creationTimestamp"] = timestamp(self.now())
        if "status" in resource.subresources and resource is not NODES:
            created.pop("status", None)
        defaults.complete(resource, created)
        transitions.count_template(resource, None, created)
        self._record(resource, None, created, manager=manager, applied=applied)
        defaults.admit(resource, created)
        return {"kind": resource.kind, "apiVersion": resource.api_version, **created}

    def update(
        self, resource: ResourceType, obj: JsonObject, *, subresource: str = "", manager: str = ""
    ) -> JsonObject:
        """Replace an object (or its `status`).

        Raises ApiError 404, or 409 when a resourceVersion or uid is given that is not the current one.
        Writes nothing, and tells nobody, when nothing changes.
        """
        metadata = obj.get("metadata", {})
        current = self.get(resource, metadata.get("namespace"), metadata["name"])
        updated = self.prepare_update(resource, current, obj, subresource=subresource, manager=manager)
        return self.commit_update(resource, current, updated)

    def mutate(
        self,
        resource: ResourceType,
        namespace: str | None,
        name: str,
        change: Callable[[JsonObject], None],
        *,
        subresource: str = "",
        manager: str = "",
    ) -> JsonObject:
        """Change a copy of the object and store it: read, modify and write with no chance of a conflict."""
        current = self.get(resource, namespace, name)
        wanted = copy_of(current)
        change(wanted)
        updated = self.prepare_update(resource, current, wanted, subresource=subresource, manager=manager)
        return self.commit_update(resource, current, updated)

    def prepare_update(
        self,
        resource: ResourceType,
        current: JsonObject,
        obj: JsonObject,
        *,
        subresource: str = "",
        manager: str = "",
        applied: JsonObject | None = None,
    ) -> JsonObject:
        """What `update` would store over `current`; nothing is written (a dry run)."""
        name = current["metadata"]["name"]
        given = obj.get("metadata", {})
        if given.get("uid", current["metadata"]["uid"]) != current["metadata"]["uid"]:
            raise conflict(resource, name, transitions.other_uid(given["uid"], current["metadata"]["uid"]))
        if given.get("resourceVersion") not in (None, "", current["metadata"]["resourceVersion"]):
            raise conflict(resource, name)
        updated = transitions.merged(resource, current, copy_of(obj), subresource)
        updated["metadata"] = transitions.kept_metadata(current["metadata"], updated.get("metadata") or {})
        defaults.complete(resource, updated)
        transitions.count_template(resource, current, updated)
        self._record(resource, current, updated, manager=manager, subresource=subresource, applied=applied)
        if (
            resource.generations
            and subresource != "status"
            and transitions.spec_changed(resource, current, updated)
        ):
            updated["metadata"]["generation"] = current["metadata"].get("generation", 0) + 1
        return updated

    def commit_create(self, resource: ResourceType, created: JsonObject) -> JsonObject:
        """Store what `prepare_create` returned."""
        return self._commit("ADDED", resource, created, None)

    def commit_update(self, resource: ResourceType, current: JsonObject, updated: JsonObject) -> JsonObject:
        """Store what `prepare_update` returned; an object that lost its last finalizer goes for good."""
        metadata = updated["metadata"]
        if "deletionTimestamp" in metadata and not transitions.held_back(resource, updated):
            return self._commit("DELETED", resource, updated, current)
        if updated == current:
            return current
        return self._commit("MODIFIED", resource, updated, current)

    def delete(
        self,
        resource: ResourceType,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
        grace_period: int | None = None,
    ) -> JsonObject:
        """Delete an object, or mark it where finalizers or a pod's grace period keep it for now.

        `grace_period` (seconds) counts for pods that are bound to a node: they stay, marked, until deleted
        with 0. Raises ApiError 404, or 409 when `uid` or `resource_version` is not the current one.
        """
        current = self.get(resource, namespace, name)
        transitions.check_preconditions(resource, current, uid, resource_version)
        marked = transitions.marked_for_deletion(resource, current, propagation, grace_period, self.now())
        if marked is None:
            return self._commit("DELETED", resource, copy_of(current), current)
        if marked == current:
            return current
        return self._commit("MODIFIED", resource, marked, current)

    def remove(self, resource: ResourceType, namespace: str | None, name: str) -> None:
        """Take an object away whatever holds it: what finalizing a namespace comes to."""
        current = self.get(resource, namespace, name)
        self._commit("DELETED", resource, copy_of(current), current)

    # -- the inside

    def _commit(
        self, kind: EventType, resource: ResourceType, obj: JsonObject, previous: JsonObject | None
    ) -> JsonObject:
        self._revision += 1
        obj["metadata"]["resourceVersion"] = str(self._revision)
        namespace, name = _position(obj)
        objects = self._objects.setdefault(resource.key, {}).setdefault(namespace, {})
        if kind == "DELETED":
            del objects[name]
        else:
            objects[name] = obj
        event = Event(kind, resource, obj, self._revision, previous)
        self.history.append(event)
        self._undelivered.append(event)
        if not self._delivering:
            contextvars.Context().run(self._deliver)
        return obj

    def _deliver(self) -> None:
        """Tell everybody of the changes in their order, those too that listeners make meanwhile.

        The context variables are empty: what controllers and kubelets begin then does not belong to the writer.
        """
        self._delivering = True
        try:
            while self._undelivered:
                event = self._undelivered.popleft()
                for listener in tuple(self._listeners):
                    listener(event)
        finally:
            self._delivering = False

    def _record(
        self,
        resource: ResourceType,
        current: JsonObject | None,
        obj: JsonObject,
        *,
        manager: str,
        subresource: str = "",
        applied: JsonObject | None = None,
    ) -> None:
        time = timestamp(self.now())
        if applied is None:
            record_update(resource, current, obj, Writer(manager, time, subresource=subresource))
        else:
            record_apply(resource, current, obj, applied, Writer(manager, time, "Apply", subresource))

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _name(self, resource: ResourceType, metadata: JsonObject) -> None:
        if metadata.get("name"):
            return
        prefix = metadata.get("generateName")
        if not prefix:
            why = "Required value: name or generateName is required"
            raise invalid(resource, "", [StatusCause("FieldValueRequired", why, "metadata.name")])
        metadata["name"] = prefix[:58] + "".join(self._random.choices(_NAME_ALPHABET, k=5))

    def _check_namespace(self, resource: ResourceType, metadata: JsonObject) -> None:
        if not resource.namespaced:
            metadata.pop("namespace", None)
            return
        name = metadata.setdefault("namespace", "default")
        namespace = self.get(NAMESPACES, None, name)
        if "deletionTimestamp" in namespace["metadata"]:
            why = f"unable to create new content in namespace {name} because it is being terminated"
            ends = f"namespace {name} is being terminated"
            cause = StatusCause("NamespaceTerminating", ends, "metadata.namespace")
            raise forbidden(resource, metadata["name"], why, [cause])


def _position(obj: JsonObject) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
