"""The simulated nodes themselves: which there are, and what befalls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clustersim.node.kubelet import Kubelets
from clustersim.storage.resources import NODES
from clustersim.storage.store import Store, timestamp

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A simulated node and what it offers to pods."""

    name: str
    cpu: str = "16"
    memory: str = "64Gi"
    pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)


class Nodes:
    """Verbs for stories about nodes."""

    def __init__(self, store: Store, kubelets: Kubelets) -> None:
        self._store = store
        self._kubelets = kubelets

    def join(self, nodes: int | tuple[NodeSpec, ...]) -> None:
        """Let nodes join: so many plain ones, or these."""
        if isinstance(nodes, int):
            nodes = tuple(NodeSpec(f"node-{index}") for index in range(1, nodes + 1))
        for node in nodes:
            room = {"cpu": node.cpu, "memory": node.memory, "pods": str(node.pods)}
            labels = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux", **node.labels}
            status = {"capacity": room, "allocatable": room}
            obj = {"metadata": {"name": node.name, "labels": labels}, "spec": {}, "status": status}
            self._store.create(NODES, obj, manager="kubelet")
            self._write(node.name, "True", "KubeletReady", "kubelet is posting ready status")

    def fail(self, name: str) -> None:
        """A node falls silent: it and its pods become NotReady, and nothing on it changes."""
        self._kubelets.node_died(name)
        self._write(name, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")

    def recover(self, name: str) -> None:
        """A silent node comes back."""
        self._write(name, "True", "KubeletReady", "kubelet is posting ready status")
        self._kubelets.node_recovered(name)

    def cordon(self, name: str, unschedulable: bool = True) -> None:
        """Take a node out of scheduling, or put it back."""

        def change(obj: JsonObject) -> None:
            obj.setdefault("spec", {})["unschedulable"] = unschedulable

        self._store.mutate(NODES, None, name, change, manager="story")

    def _write(self, name: str, status: str, reason: str, message: str) -> None:
        stamp = timestamp(self._store.now())
        ready = {"type": "Ready", "status": status, "reason": reason, "message": message}
        ready |= {"lastHeartbeatTime": stamp, "lastTransitionTime": stamp}

        def change(obj: JsonObject) -> None:
            others = [c for c in obj["status"].get("conditions") or () if c["type"] != "Ready"]
            obj["status"]["conditions"] = [*others, ready]

        self._store.mutate(NODES, None, name, change, subresource="status", manager="kubelet")
