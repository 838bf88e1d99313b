"""A node pool that is drained: one event of each of its pods, all at once, without the cluster's own work for it.

The events are made beforehand and handed to the open watches as bytes, so that what is measured is what takes them in,
and not what sends them.
"""

from __future__ import annotations

from typing import Any

import orjson

from benchmarks.harness.crowd import template
from clustersim.api.tables.presenting import Presenter
from clustersim.api.types.conversion import stored_type
from clustersim.api.watching import Delivery
from clustersim.cluster import SimulatedCluster
from clustersim.storage.history import Event
from clustersim.storage.resources import DEPLOYMENTS, PODS

POOL = "pool"
"""A guarded namespace, all pods of which are on the drained nodes."""
REPLICAS = 20


class _Prepared(Delivery):
    """A change whose bytes are there."""

    __slots__ = ("_ready",)

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        self._ready = orjson.dumps(event.object)

    def encoded(self, _presenter: Presenter, _obj: dict[str, Any], *, columns: bool) -> bytes:
        """The bytes, as every watch of pods gets them."""
        return self._ready


class NodePool:
    """The pods of `pods // REPLICAS` Deployments of the size of real ones."""

    def __init__(self, cluster: SimulatedCluster, pods: int) -> None:
        self._cluster = cluster
        self._deployments = pods // REPLICAS
        self._ready = True
        self._events: dict[bool, list[_Prepared]] = {}

    def deploy(self) -> None:
        """Create the Deployments."""
        for index in range(self._deployments):
            name = f"pool-{index:04d}"
            self._cluster.deploy(name, "", REPLICAS, namespace=POOL, template=template(name))

    @property
    def available(self) -> bool:
        """Whether all pods are."""
        found = self._cluster.store.list(DEPLOYMENTS, POOL)
        return all((each.get("status") or {}).get("availableReplicas") == REPLICAS for each in found)

    def prepare(self) -> None:
        """Make the events of a drain, and those of a return to what was."""
        for ready in (True, False):
            self._events[ready] = [
                _Prepared(self._event(pod, ready=ready)) for pod in self._cluster.store.list(PODS, POOL)
            ]

    def drain(self) -> None:
        """All pods become unready, or ready again, for the watches of all namespaces."""
        self._ready = not self._ready
        self._send("", self._ready)

    def show(self) -> int:
        """Send the same to the watches of the pool's namespace alone, as a yardstick; returns how many events."""
        self._send(POOL, self._ready)
        return len(self._events[self._ready])

    def _send(self, namespace: str, ready: bool) -> None:
        for watcher in self._cluster.api.watches.of(PODS):
            if watcher.namespace == namespace:
                for delivery in self._events.get(ready, ()):
                    watcher.offer(delivery)

    def _event(self, pod: dict[str, Any], *, ready: bool) -> Event:
        status = {
            **pod["status"],
            "conditions": [
                {**each, "status": "True" if ready else "False"} if each["type"] == "Ready" else each
                for each in pod["status"]["conditions"]
            ],
        }
        return Event("MODIFIED", stored_type(PODS), {**pod, "status": status}, self._cluster.store.revision)
