"""The node lifecycle controller: it handles the pods of a node that is not ready."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common import pod_state
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, ControlPlane, Key, key_of
from clustersim.storage.history import Event
from clustersim.storage.resources import NODES, PODS
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]
_TAINT_KEYS = {"False": "node.kubernetes.io/not-ready", "Unknown": "node.kubernetes.io/unreachable"}
_EVICTION_DELAY = 300.0


class NodeLifecycleController(Controller):
    """Marks the pods of a NotReady node as not ready, taints it, and evicts after the tolerated time."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self._unready_since: dict[str, float] = {}

    def initial_keys(self) -> Iterable[Key]:
        """Every node."""
        return [key_of(node) for node in self.store.list(NODES)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The node whose Ready condition changed."""
        if event.resource is NODES and (
            event.previous is None or _ready(event.previous) != _ready(event.object)
        ):
            yield key_of(event.object)

    def sync(self, key: Key) -> None:
        """One pass over one node."""
        node = self.store.find(NODES, *key)
        name = key[1]
        if node is None or _ready(node) == "True":
            self._unready_since.pop(name, None)
            if node is not None:
                self._taint(node, None)
            return
        self._taint(node, _TAINT_KEYS[_ready(node)])
        now = self.plane.now().timestamp()
        since = self._unready_since.setdefault(name, now)
        overdue = now - since >= _EVICTION_DELAY
        for pod in self.store.list(PODS, where=lambda pod: pod["spec"].get("nodeName") == name):
            self._mark_unready(pod)
            if overdue and not pod_state.is_terminating(pod) and not _tolerates_for_ever(pod):
                self.store.delete(PODS, *key_of(pod), uid=pod["metadata"]["uid"])
        if not overdue:
            self.enqueue(key, since + _EVICTION_DELAY - now)

    def _mark_unready(self, pod: JsonObject) -> None:
        ready = pod_state.condition(pod, "Ready")
        if ready is None or ready["status"] != "True":
            return
        stamp = timestamp(self.plane.now())

        def change(obj: JsonObject) -> None:
            for entry in obj["status"]["conditions"]:
                if entry["type"] == "Ready":
                    entry |= {"status": "False", "lastTransitionTime": stamp}

        self.store.mutate(PODS, *key_of(pod), change, subresource="status", manager=FIELD_MANAGER)
        node = pod["spec"]["nodeName"]
        self.plane.recorder.record(
            PODS,
            pod,
            "NodeNotReady",
            "Node is not ready",
            component="node-controller",
            type_="Warning",
            host=node,
        )

    def _taint(self, node: JsonObject, key: str | None) -> None:
        taints = node.get("spec", {}).get("taints") or []
        kept = [taint for taint in taints if taint["key"] not in _TAINT_KEYS.values()]
        if key is not None:
            kept += [{"key": key, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
        if kept == taints:
            return

        def change(obj: JsonObject) -> None:
            obj.setdefault("spec", {})["taints"] = kept
            if not kept:
                del obj["spec"]["taints"]

        self.store.mutate(NODES, *key_of(node), change, manager=FIELD_MANAGER)


def _ready(node: JsonObject) -> str:
    for entry in node.get("status", {}).get("conditions") or ():
        if entry["type"] == "Ready":
            return str(entry["status"])
    return "True"


def _tolerates_for_ever(pod: JsonObject) -> bool:
    return any(
        toleration.get("key") in _TAINT_KEYS.values() and "tolerationSeconds" not in toleration
        for toleration in pod["spec"].get("tolerations") or ()
    )
