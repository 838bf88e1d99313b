"""A node pool that is drained: one event of each of its pods, all at once, without the cluster's own work for it.

The events are made beforehand and sent to the open watches as bytes by a thread, so that what is measured is what takes
them in: the server is as free for other requests and watches as one whose every watch has a thread.
"""

from __future__ import annotations

from typing import Any

import orjson

from benchmarks.harness.crowd import template
from clustersim.api.prepared import PreparedLines
from clustersim.cluster import SimulatedCluster
from clustersim.storage.resources import DEPLOYMENTS, PODS

POOL = "pool"
"""A guarded namespace, all pods of which are on the drained nodes."""
REPLICAS = 20


class NodePool:
    """The pods of `pods // REPLICAS` Deployments of the size of real ones."""

    def __init__(self, cluster: SimulatedCluster, pods: int) -> None:
        self._cluster = cluster
        self._deployments = pods // REPLICAS
        self._ready = True
        self._events: dict[bool, list[tuple[bytes, bytes]]] = {}

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
        """Make the events of a drain, and those of a return to what was: what stands before and after their version."""
        pods = self._cluster.store.list(PODS, POOL)
        for ready in (True, False):
            self._events[ready] = [_around_version(pod, ready=ready) for pod in pods]

    def drain(self) -> None:
        """All pods become unready, or ready again, for the watches of all namespaces."""
        self._ready = not self._ready
        self._send("")

    def show(self) -> int:
        """Send the same to the watches of the pool's namespace alone, as a yardstick; returns how many events."""
        self._send(POOL)
        return len(self._events[self._ready])

    def _send(self, namespace: str) -> None:
        store, events = self._cluster.store, self._events[self._ready]
        first = store.reserve(len(events))
        lines = (b"%b%d%b" % (before, first + n, after) for n, (before, after) in enumerate(events))
        prepared = PreparedLines.of(lines, store.revision)
        for watcher in self._cluster.api.watches.of(PODS):
            if watcher.namespace == namespace and not watcher.selects:
                watcher.offer_prepared(prepared)


def _around_version(pod: dict[str, Any], *, ready: bool) -> tuple[bytes, bytes]:
    """The line of a pod's change in two parts."""
    status = {
        **pod["status"],
        "conditions": [
            {**each, "status": "True" if ready else "False"} if each["type"] == "Ready" else each
            for each in pod["status"]["conditions"]
        ],
    }
    written = orjson.dumps({"type": "MODIFIED", "object": {**pod, "status": status}}) + b"\n"
    version = b'"resourceVersion":"%b"' % pod["metadata"]["resourceVersion"].encode()
    before, _, after = written.partition(version)
    return before + b'"resourceVersion":"', b'"' + after
