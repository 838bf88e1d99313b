"""Kubernetes Events as the control plane and the kubelet write them: repeats counted, old ones dropped."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Any

from clustersim.storage.api_errors import ApiError
from clustersim.storage.resources import EVENTS, ResourceType
from clustersim.storage.store import Store, timestamp

JsonObject = dict[str, Any]
_KEPT = timedelta(hours=1)


class ControllerEventRecorder:
    """Writes Events about objects; one that repeats within the hour is counted, not written again.

    Where it is not `enabled`, it writes nothing.
    """

    def __init__(self, store: Store, *, enabled: bool = True) -> None:
        self._store = store
        self._enabled = enabled
        self._names: dict[tuple[str, ...], str] = {}
        self._written: deque[tuple[datetime, str, str, tuple[str, ...]]] = deque()

    def record(
        self,
        resource: ResourceType,
        obj: JsonObject,
        reason: str,
        message: str,
        *,
        component: str,
        type_: str = "Normal",
        host: str = "",
    ) -> None:
        """Write an Event about `obj` in its namespace; lost without a word where that is going away."""
        if not self._enabled:
            return
        now = self._store.now()
        self._expire(now)
        metadata = obj["metadata"]
        namespace = metadata.get("namespace") or "default"
        identity = (metadata["uid"], component, reason, message)
        try:
            if identity in self._names:
                self._count(namespace, self._names[identity], timestamp(now))
                return
            event = self._event(resource, obj, reason, message, timestamp(now))
            event["type"] = type_
            event["source"] = {"component": component, **({"host": host} if host else {})}
            event["reportingComponent"] = component
            event["reportingInstance"] = host
            created = self._store.create(EVENTS, event, manager=component)
        except ApiError:  # the namespace is going away, or somebody removed the event: as the real recorder
            self._names.pop(identity, None)
            return
        self._names[identity] = created["metadata"]["name"]
        self._written.append((now, namespace, created["metadata"]["name"], identity))

    def _event(
        self, resource: ResourceType, obj: JsonObject, reason: str, message: str, stamp: str
    ) -> JsonObject:
        metadata = obj["metadata"]
        suffix = f"{self._store.revision + 1:016x}"
        return {
            "metadata": {
                "name": f"{metadata['name']}.{suffix}",
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": {
                "kind": resource.kind,
                **({"namespace": metadata["namespace"]} if metadata.get("namespace") else {}),
                "name": metadata["name"],
                "uid": metadata["uid"],
                "apiVersion": resource.api_version,
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "reason": reason,
            "message": message,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "eventTime": None,
        }

    def _count(self, namespace: str, name: str, stamp: str) -> None:
        def change(event: JsonObject) -> None:
            event["count"] = event.get("count", 1) + 1
            event["lastTimestamp"] = stamp

        self._store.mutate(EVENTS, namespace, name, change)

    def _expire(self, now: datetime) -> None:
        while self._written and now - self._written[0][0] > _KEPT:
            _, namespace, name, identity = self._written.popleft()
            self._names.pop(identity, None)
            if self._store.find(EVENTS, namespace, name) is not None:
                self._store.delete(EVENTS, namespace, name)
