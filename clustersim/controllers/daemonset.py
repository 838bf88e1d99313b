"""The DaemonSet controller: one pod on every node that fits, replaced a few at a time on an update."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common import pod_state, revisions
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, Key, key_of
from clustersim.controllers.common.ownership import controller_of, controller_reference
from clustersim.controllers.common.placement import only_on
from clustersim.controllers.common.templates import pod_from
from clustersim.controllers.daemon_view import TOLERATED, DaemonView, Moves, pod_hash
from clustersim.storage.history import Event
from clustersim.storage.resources import DAEMONSETS, NODES, PODS
from clustersim.storage.transitions import TEMPLATE_GENERATION

JsonObject = dict[str, Any]
_COMPONENT = "daemonset-controller"
_GENERATION_LABEL = "pod-template-generation"


class DaemonSetController(Controller):
    """Keeps the pods of each DaemonSet."""

    def initial_keys(self) -> Iterable[Key]:
        """Every DaemonSet."""
        return [key_of(obj) for obj in self.store.list(DAEMONSETS)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The DaemonSet itself, the one that controls the pod that changed, all when a node's place changes."""
        if event.resource is DAEMONSETS:
            yield key_of(event.object)
        elif event.resource is NODES and (
            event.type != "MODIFIED" or _facts(event.previous) != _facts(event.object)
        ):
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
        view = DaemonView.of(owner, revision, self.store.list(NODES), pods, self.plane.now())
        moves = view.placing()
        if not moves and owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            moves = view.updating()
        self._make(view, moves)
        self._publish(view)
        live = {revision["metadata"]["name"]} | {
            f"{owner['metadata']['name']}-{pod_hash(pod)}" for pod in pods if pod_hash(pod)
        }
        revisions.clean(self.plane, owner, live)

    def _make(self, view: DaemonView, moves: Moves) -> None:
        for node in moves.create:
            self._create(view, node)
        for pod in moves.delete:
            metadata = pod["metadata"]
            self.store.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
            self._record(view.owner, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _create(self, view: DaemonView, node: str) -> None:
        metadata = view.owner["metadata"]
        reference = controller_reference(DAEMONSETS, view.owner)
        pod = pod_from(revisions.template_of(view.revision), metadata["namespace"], reference)
        pod["metadata"]["generateName"] = f"{metadata['name']}-"
        pod["metadata"]["labels"] |= {
            revisions.POD_REVISION_LABEL: revisions.hash_of(view.revision),
            _GENERATION_LABEL: metadata["annotations"][TEMPLATE_GENERATION],
        }
        pod["spec"]["affinity"] = only_on(node)
        pod["spec"]["tolerations"] = [*(pod["spec"].get("tolerations") or ()), *TOLERATED]
        created = self.plane.create_pod(pod)
        self._record(view.owner, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    def _publish(self, view: DaemonView) -> None:
        """Write the counters; of several pods on a node, the oldest counts."""
        owner = view.owner
        placed = [pods[0] for node, pods in view.by_node.items() if node in view.wanted]
        ready = [pod for pod in placed if pod_state.ready_since(pod) is not None]
        available = sum(map(view.is_available, ready))
        status: JsonObject = {
            "currentNumberScheduled": len(placed),
            "numberMisscheduled": len(view.by_node.keys() - view.wanted),
            "desiredNumberScheduled": len(view.wanted),
            "numberReady": len(ready),
            "observedGeneration": owner["metadata"]["generation"],
        }
        optional = {
            "updatedNumberScheduled": sum(map(view.is_new, placed)),
            "numberAvailable": available,
            "numberUnavailable": len(view.wanted) - available,
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


def _facts(node: JsonObject | None) -> tuple[Any, Any]:
    """What decides whether a DaemonSet's pods belong on a node."""
    found = node or {"metadata": {}}
    return found["metadata"].get("labels"), (found.get("spec") or {}).get("taints")
