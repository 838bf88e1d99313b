"""The DaemonSet controller: one pod on every node that fits, replaced a few at a time on an update."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common import pod_state, revisions
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, Key, key_of
from clustersim.controllers.common.ownership import controller_of, controller_reference
from clustersim.controllers.common.rolling import scaled
from clustersim.controllers.common.templates import pod_from
from clustersim.storage.history import Event
from clustersim.storage.resources import DAEMONSETS, NODES, PODS

JsonObject = dict[str, Any]
_COMPONENT = "daemonset-controller"
_TOLERATED = ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")


class DaemonSetController(Controller):
    """Keeps the pods of each DaemonSet; under `maxSurge` it takes the old pod away before the new one comes."""

    def initial_keys(self) -> Iterable[Key]:
        """Every DaemonSet."""
        return [key_of(obj) for obj in self.store.list(DAEMONSETS)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The DaemonSet itself, the one that controls the pod that changed, all when nodes come or go."""
        if event.resource is DAEMONSETS:
            yield key_of(event.object)
        elif event.resource is NODES and event.type != "MODIFIED":
            yield from self.initial_keys()
        elif event.resource is PODS:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "DaemonSet":
                yield event.object["metadata"]["namespace"], owner["name"]

    def sync(self, key: Key) -> None:
        """One pass over one DaemonSet."""
        owner = self.store.find(DAEMONSETS, *key)
        if owner is None or "deletionTimestamp" in owner["metadata"]:
            return
        pods = self.plane.owners.claimed(PODS, DAEMONSETS, owner, FIELD_MANAGER)
        revision = revisions.current(self.plane, DAEMONSETS, owner)
        nodes = {node["metadata"]["name"] for node in self.store.list(NODES) if _fits(owner, node)}
        by_node: dict[str, list[JsonObject]] = defaultdict(list)
        for pod in pods:
            by_node[_node_of(pod)].append(pod)
        self._place(owner, revision, nodes, by_node)
        if owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._roll(owner, revision, nodes, by_node)
        self._publish(owner, revision, nodes, by_node)
        live = {revision["metadata"]["name"]} | {
            f"{owner['metadata']['name']}-{_hash(pod)}" for pod in pods if _hash(pod)
        }
        revisions.clean(self.plane, owner, live)

    def _place(
        self, owner: JsonObject, revision: JsonObject, nodes: set[str], by_node: dict[str, list[JsonObject]]
    ) -> None:
        for node in sorted(nodes - {name for name, pods in by_node.items() if pods}):
            self._create(owner, revision, node)
        for node, pods in sorted(by_node.items()):
            for pod in pods:
                ended = pod_state.phase(pod) in ("Failed", "Succeeded")
                if (node not in nodes or ended) and not pod_state.is_terminating(pod):
                    self._delete(owner, pod)

    def _roll(
        self, owner: JsonObject, revision: JsonObject, nodes: set[str], by_node: dict[str, list[JsonObject]]
    ) -> None:
        """Replace old pods: unavailable ones at once, available ones as far as `maxUnavailable` allows."""
        rolling = owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
        allowed = _allowed(rolling, len(nodes))
        now, ripe = self.plane.now(), owner["spec"].get("minReadySeconds", 0)
        unavailable = 0
        candidates: list[JsonObject] = []
        for node in sorted(nodes):
            standing = [pod for pod in by_node.get(node, ()) if pod_state.is_active(pod)]
            available = [pod for pod in standing if pod_state.is_available(pod, ripe, now)]
            unavailable += not available
            for pod in standing:
                if _hash(pod) == revisions.hash_of(revision):
                    continue
                if pod in available:
                    candidates.append(pod)
                else:
                    self._delete(owner, pod)
        for pod in candidates[: max(allowed - unavailable, 0)]:
            self._delete(owner, pod)

    def _create(self, owner: JsonObject, revision: JsonObject, node: str) -> None:
        metadata = owner["metadata"]
        reference = controller_reference(DAEMONSETS, owner)
        pod = pod_from(revisions.template_of(revision), metadata["namespace"], reference)
        pod["metadata"]["generateName"] = f"{metadata['name']}-"
        pod["metadata"]["labels"][revisions.POD_REVISION_LABEL] = revisions.hash_of(revision)
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        pod["spec"]["affinity"] = {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}
        }
        pod["spec"].setdefault("tolerations", []).extend(
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists"} for key in _TOLERATED
        )
        created = self.plane.create_pod(pod)
        self._record(owner, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    def _delete(self, owner: JsonObject, pod: JsonObject) -> None:
        metadata = pod["metadata"]
        self.store.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        self._record(owner, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _publish(
        self, owner: JsonObject, revision: JsonObject, nodes: set[str], by_node: dict[str, list[JsonObject]]
    ) -> None:
        now, ripe = self.plane.now(), owner["spec"].get("minReadySeconds", 0)
        placed = [pods[0] for node, pods in by_node.items() if node in nodes and pods]
        ready = [pod for pod in placed if pod_state.ready_since(pod) is not None]
        available = sum(pod_state.is_available(pod, ripe, now) for pod in ready)
        status: JsonObject = {
            "currentNumberScheduled": len(placed),
            "numberMisscheduled": sum(len(pods) for node, pods in by_node.items() if node not in nodes),
            "desiredNumberScheduled": len(nodes),
            "numberReady": len(ready),
            "observedGeneration": owner["metadata"]["generation"],
        }
        updated = sum(_hash(pod) == revisions.hash_of(revision) for pod in placed)
        optional = {
            "updatedNumberScheduled": updated,
            "numberAvailable": available,
            "numberUnavailable": len(nodes) - available,
        }
        status |= {name: value for name, value in optional.items() if value}
        if status != owner.get("status"):

            def change(obj: JsonObject) -> None:
                obj["status"] = status

            self.store.mutate(DAEMONSETS, *key_of(owner), change, subresource="status", manager=FIELD_MANAGER)
        if len(ready) > available:
            self.enqueue(key_of(owner), 1.0)

    def _record(self, owner: JsonObject, reason: str, message: str) -> None:
        self.plane.recorder.record(DAEMONSETS, owner, reason, message, component=_COMPONENT)


def _allowed(rolling: JsonObject, nodes: int) -> int:
    """How many nodes may be without an available pod; a surge counts the same, though it loses one first."""
    unavailable = scaled(rolling.get("maxUnavailable", 1), nodes, round_up=True)
    return unavailable or scaled(rolling.get("maxSurge", 0), nodes, round_up=True)


def _fits(owner: JsonObject, node: JsonObject) -> bool:
    wanted = owner["spec"]["template"]["spec"].get("nodeSelector") or {}
    return wanted.items() <= (node["metadata"].get("labels") or {}).items()


def _hash(pod: JsonObject) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.POD_REVISION_LABEL, ""))


def _node_of(pod: JsonObject) -> str:
    """The node that the pod is bound to, or made for."""
    bound = pod["spec"].get("nodeName")
    return str(bound) if bound else required_node(pod) or ""


def required_node(pod: JsonObject) -> str | None:
    """The one node that the pod's affinity names, as a DaemonSet's pods have it."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and len(field["values"]) == 1:
                return str(field["values"][0])
    return None
