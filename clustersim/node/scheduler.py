"""The scheduler of the simulated cluster: binds pods to nodes that have room, and says so when none has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clustersim.controllers.common.base import Controller, ControlPlane, Key, key_of
from clustersim.controllers.common.placement import repelling_taint, required_node
from clustersim.controllers.common.pod_state import is_terminating, phase
from clustersim.node.pod_status import condition
from clustersim.storage.history import Event
from clustersim.storage.resources import NODES, PODS

JsonObject = dict[str, Any]
_COMPONENT = "default-scheduler"
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "m": 1e-3}


@dataclass(frozen=True, slots=True)
class _Load:
    """What pods ask of a node, or what a node offers: pods, CPU cores, bytes of memory."""

    pods: int = 0
    cpu: float = 0.0
    memory: float = 0.0

    def plus(self, other: _Load, sign: int = 1) -> _Load:
        return _Load(
            self.pods + sign * other.pods, self.cpu + sign * other.cpu, self.memory + sign * other.memory
        )


class Scheduler(Controller):
    """Binds each pending pod to the fitting node with the fewest pods."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self._loads: dict[str, _Load] = {}
        self._waiting: set[Key] = set()
        for pod in self.store.list(PODS):
            self._account(pod, 1)

    def initial_keys(self) -> Iterable[Key]:
        """Every pod without a node."""
        return [key_of(pod) for pod in self.store.list(PODS) if not pod["spec"].get("nodeName")]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The new pod; those that wait for room, when a pod goes or a node changes."""
        if event.resource is PODS:
            if event.previous is not None:
                self._account(event.previous, -1)
            if event.type != "DELETED":
                self._account(event.object, 1)
            if event.type == "ADDED" and not event.object["spec"].get("nodeName"):
                yield key_of(event.object)
            elif event.type == "DELETED":
                self._waiting.discard(key_of(event.object))
                yield from self._waiting
        elif event.resource is NODES:
            yield from self._waiting

    def sync(self, key: Key) -> None:
        """Bind one pod, or note that nothing fits."""
        pod = self.store.find(PODS, *key)
        self._waiting.discard(key)
        if pod is None or pod["spec"].get("nodeName") or is_terminating(pod):
            return
        if pod["spec"].get("schedulerName", _COMPONENT) != _COMPONENT:
            return
        fitting: list[str] = []
        reasons: Counter[str] = Counter()
        nodes = self.store.list(NODES)
        for node in nodes:
            why = self._obstacle(pod, node)
            if why:
                reasons[why] += 1
            else:
                fitting.append(node["metadata"]["name"])
        if fitting:
            self._bind(pod, min(fitting, key=lambda name: (self._loads.get(name, _Load()).pods, name)))
        else:
            self._waiting.add(key)
            self._refuse(pod, len(nodes), reasons)

    def _obstacle(self, pod: JsonObject, node: JsonObject) -> str:
        """Why the pod does not fit the node, in the scheduler's words; empty when it does."""
        name, spec = node["metadata"]["name"], node.get("spec", {})
        wanted = required_node(pod)
        labels = node["metadata"].get("labels") or {}
        if wanted is not None and wanted != name:
            return "node(s) didn't satisfy plugin(s) [NodeAffinity]"
        if not (pod["spec"].get("nodeSelector") or {}).items() <= labels.items():
            return "node(s) didn't match Pod's node affinity/selector"
        if spec.get("unschedulable") and wanted is None:
            return "node(s) were unschedulable"
        taint = repelling_taint(node, pod["spec"].get("tolerations") or (), ("NoSchedule",))
        if taint is not None:
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
        used = self._loads.get(name, _Load()).plus(_asked(pod))
        room = _offered(node)
        if used.pods > room.pods:
            return "Too many pods"
        if used.cpu > room.cpu:
            return "Insufficient cpu"
        return "Insufficient memory" if used.memory > room.memory else ""

    def _bind(self, pod: JsonObject, node: str) -> None:
        def bind(obj: JsonObject) -> None:
            obj["spec"]["nodeName"] = node

        scheduled = condition("PodScheduled", "True", self.plane.now())
        self._write_condition(pod, scheduled)
        self.store.mutate(PODS, *key_of(pod), bind, manager=_COMPONENT)
        namespace, name = key_of(pod)
        text = f"Successfully assigned {namespace}/{name} to {node}"
        self.plane.recorder.record(PODS, pod, "Scheduled", text, component=_COMPONENT)

    def _refuse(self, pod: JsonObject, total: int, reasons: Counter[str]) -> None:
        listed = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
        text = f"0/{total} nodes are available: {listed}." if total else "no nodes available to schedule pods"
        refused = condition("PodScheduled", "False", self.plane.now(), "Unschedulable", text)
        self._write_condition(pod, refused)
        self.plane.recorder.record(PODS, pod, "FailedScheduling", text, component=_COMPONENT, type_="Warning")

    def _write_condition(self, pod: JsonObject, scheduled: JsonObject) -> None:
        def change(obj: JsonObject) -> None:
            entries = obj["status"].get("conditions") or []
            old = next((c for c in entries if c["type"] == "PodScheduled"), None)
            if old is not None and old["status"] == scheduled["status"]:
                scheduled["lastTransitionTime"] = old["lastTransitionTime"]
            others = [c for c in entries if c["type"] != "PodScheduled"]
            obj["status"]["conditions"] = [*others, scheduled]

        self.store.mutate(PODS, *key_of(pod), change, subresource="status", manager=_COMPONENT)

    def _account(self, pod: JsonObject, sign: int) -> None:
        node = pod["spec"].get("nodeName")
        if node and phase(pod) not in ("Succeeded", "Failed"):
            self._loads[node] = self._loads.get(node, _Load()).plus(_asked(pod), sign)


def quantity(text: str | float) -> float:
    """A Kubernetes quantity (`500m`, `64Mi`) as a number; raises ValueError for garbage."""
    if isinstance(text, int | float):
        return float(text)
    for suffix, factor in _UNITS.items():
        if text.endswith(suffix):
            return float(text[: -len(suffix)]) * factor
    return float(text)


def _asked(pod: JsonObject) -> _Load:
    requests = [
        (container.get("resources") or {}).get("requests") or {} for container in pod["spec"]["containers"]
    ]
    cpu = sum(quantity(request.get("cpu", 0)) for request in requests)
    return _Load(1, cpu, sum(quantity(request.get("memory", 0)) for request in requests))


def _offered(node: JsonObject) -> _Load:
    room = node.get("status", {}).get("allocatable") or {}
    return _Load(
        int(room.get("pods", 110)), quantity(room.get("cpu", 1e9)), quantity(room.get("memory", 1e18))
    )
