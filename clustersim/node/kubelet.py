"""The kubelets of all simulated nodes: give each bound pod the life that the behaviour table has for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clustersim.controllers.common.pod_state import is_terminating, phase
from clustersim.controllers.common.recorder import ControllerEventRecorder
from clustersim.node.behaviour import BehaviourTable
from clustersim.node.pod_life import Host, PodLife
from clustersim.storage.history import Event
from clustersim.storage.resources import PODS
from clustersim.storage.store import Store

JsonObject = dict[str, Any]


class Kubelets:
    """Drives the statuses of all pods that are bound to a node; one timer per pending change of a pod."""

    def __init__(self, store: Store, recorder: ControllerEventRecorder, behaviours: BehaviourTable) -> None:
        self._store = store
        self._host = Host(store, recorder, behaviours)
        self._lives: dict[str, PodLife] = {}
        self._addresses = 0
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Take over the pods that are bound; needs a running event loop."""
        self._unsubscribe = self._store.subscribe(self._heed)
        for pod in self._store.list(PODS):
            self._take_on(pod)

    def stop(self) -> None:
        """Freeze every pod as it is."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for life in self._lives.values():
            life.cancel()
        self._lives.clear()

    def reconsider(self, concerned: Callable[[JsonObject], bool]) -> None:
        """Plan again for the pods that a change of the behaviour table concerns."""
        for life in list(self._lives.values()):
            pod = life.pod()
            if pod is not None and concerned(pod):
                life.plan()

    def node_died(self, node: str) -> None:
        """Let a node post nothing from now on: its pods neither change nor finish terminating."""
        self._host.dead.add(node)
        for life in self._on(node):
            life.cancel()

    def node_recovered(self, node: str) -> None:
        """Let a node's kubelet carry on with its pods."""
        self._host.dead.discard(node)
        for life in self._on(node):
            life.resume()

    def _on(self, node: str) -> list[PodLife]:
        return [life for life in self._lives.values() if life.node == node]

    def _heed(self, event: Event) -> None:
        if event.resource is not PODS:
            return
        uid = event.object["metadata"]["uid"]
        if event.type == "DELETED":
            life = self._lives.pop(uid, None)
            if life is not None:
                life.cancel()
        elif uid not in self._lives:
            self._take_on(event.object)
        elif is_terminating(event.object) and not (event.previous and is_terminating(event.previous)):
            self._lives[uid].terminate(event.object)

    def _take_on(self, pod: JsonObject) -> None:
        if not pod["spec"].get("nodeName") or phase(pod) in ("Succeeded", "Failed"):
            return
        self._addresses += 1
        address = f"10.244.{self._addresses // 250 % 250}.{self._addresses % 250 + 1}"
        life = PodLife(self._host, pod, address)
        self._lives[life.uid] = life
        life.begin()
