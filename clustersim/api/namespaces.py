"""The end of a namespace: its content goes first, then the namespace itself."""

from __future__ import annotations

from clustersim.api.types.registry import Registry
from clustersim.storage.resources import EVENTS_V1, NAMESPACES, ResourceType
from clustersim.storage.store import Event, Store


class NamespaceEnds:
    """Empties namespaces that are being deleted, and removes them once nothing is left in them."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._unsubscribe = store.subscribe(self._changed)

    def close(self) -> None:
        """Stop following the store."""
        self._unsubscribe()

    def _changed(self, event: Event) -> None:
        if event.resource is NAMESPACES and event.type == "MODIFIED":
            if "deletionTimestamp" in event.object["metadata"]:
                self._empty(event.object["metadata"]["name"])
        elif event.type == "DELETED" and event.resource.namespaced:
            namespace = self._store.find(NAMESPACES, None, event.object["metadata"]["namespace"])
            if namespace is not None and "deletionTimestamp" in namespace["metadata"]:
                self._finish(namespace["metadata"]["name"])

    def _types(self) -> list[ResourceType]:
        stored = {r.key: r for r in self._registry.types() if r.namespaced and r is not EVENTS_V1}
        return list(stored.values())

    def _empty(self, namespace: str) -> None:
        for resource in self._types():
            for obj in self._store.list(resource, namespace):
                # A listener may have removed it meanwhile, on an earlier deletion.
                if self._store.find(resource, namespace, obj["metadata"]["name"]) is not None:
                    self._store.delete(resource, namespace, obj["metadata"]["name"])
        self._finish(namespace)

    def _finish(self, namespace: str) -> None:
        if self._store.find(NAMESPACES, None, namespace) is None:
            return
        if not any(self._store.list(resource, namespace) for resource in self._types()):
            self._store.remove(NAMESPACES, None, namespace)
