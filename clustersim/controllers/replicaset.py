"""The ReplicaSet controller: as many pods as asked for, and a status that counts them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common import pod_state
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, Key, key_of, namespace_ends
from clustersim.controllers.common.ownership import controller_of, controller_reference
from clustersim.controllers.common.replica_ranking import slow_start_batches, to_delete
from clustersim.controllers.common.templates import pod_from
from clustersim.storage.api_errors import ApiError
from clustersim.storage.history import Event
from clustersim.storage.resources import PODS, REPLICASETS
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]
_COMPONENT = "replicaset-controller"
_BURST = 500


class ReplicaSetController(Controller):
    """Creates and deletes the pods of each ReplicaSet."""

    def initial_keys(self) -> Iterable[Key]:
        """Every ReplicaSet."""
        return [key_of(obj) for obj in self.store.list(REPLICASETS)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The ReplicaSet itself, or the one that controls the pod that changed."""
        if event.resource is REPLICASETS:
            yield key_of(event.object)
        elif event.resource is PODS:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "ReplicaSet":
                yield event.object["metadata"]["namespace"], owner["name"]

    def sync(self, key: Key) -> None:
        """One pass over one ReplicaSet; the status counts the pods that there were when it began."""
        replica_set = self.store.find(REPLICASETS, *key)
        if replica_set is None:
            return
        pods = self.plane.owners.claimed(PODS, REPLICASETS, replica_set, FIELD_MANAGER)
        active = [pod for pod in pods if pod_state.is_active(pod)]
        failure: tuple[str, str] | None = None
        if "deletionTimestamp" not in replica_set["metadata"]:
            failure = self._manage(replica_set, active)
        terminating = sum(pod_state.is_terminating(pod) for pod in pods)
        status = self._status(replica_set, active, terminating, failure)
        self._publish(replica_set, status)
        unripe = status.get("readyReplicas", 0) - status.get("availableReplicas", 0)
        if unripe and replica_set["spec"].get("minReadySeconds", 0):
            self.enqueue(key, self._until_ripe(replica_set, active))
        if failure is not None:
            raise ApiError(500, "InternalError", failure[1])

    def _manage(self, replica_set: JsonObject, active: list[JsonObject]) -> tuple[str, str] | None:
        missing = replica_set["spec"]["replicas"] - len(active)
        try:
            if missing > 0:
                self._create(replica_set, min(missing, _BURST))
            elif missing < 0:
                self._delete(replica_set, active, min(-missing, _BURST))
        except ApiError as refusal:
            if namespace_ends(refusal):
                return None
            return ("FailedCreate" if missing > 0 else "FailedDelete"), refusal.message
        return None

    def _create(self, replica_set: JsonObject, count: int) -> None:
        """Create pods in batches that double; a refusal ends it, so a full quota is not hammered."""
        reference = controller_reference(REPLICASETS, replica_set)
        name, namespace = replica_set["metadata"]["name"], replica_set["metadata"]["namespace"]
        for batch in slow_start_batches(count):
            for _ in range(batch):
                pod = pod_from(replica_set["spec"]["template"], namespace, reference)
                pod["metadata"]["generateName"] = f"{name}-"
                try:
                    created = self.plane.create_pod(pod)
                except ApiError as refusal:
                    if namespace_ends(refusal):
                        raise
                    text = f"Error creating: {refusal.message}"
                    self._record(replica_set, "FailedCreate", text, "Warning")
                    raise
                self._record(replica_set, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    def _delete(self, replica_set: JsonObject, active: list[JsonObject], count: int) -> None:
        owner = controller_of(replica_set)
        related = active
        if owner is not None:
            siblings = self.plane.owners.owned(REPLICASETS, {"metadata": owner})
            related = [pod for rs in siblings for pod in self.plane.owners.owned(PODS, rs)]
            related = [pod for pod in related if pod_state.is_active(pod)]
        for pod in to_delete(active, count, self.plane.now(), related):
            metadata = pod["metadata"]
            self.store.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
            self._record(replica_set, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _status(
        self,
        replica_set: JsonObject,
        active: list[JsonObject],
        terminating: int,
        failure: tuple[str, str] | None,
    ) -> JsonObject:
        now = self.plane.now()
        wanted = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
        ripe = replica_set["spec"].get("minReadySeconds", 0)
        labelled = sum(wanted.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active)
        ready = sum(pod_state.ready_since(pod) is not None for pod in active)
        available = sum(pod_state.is_available(pod, ripe, now) for pod in active)
        counters = {"fullyLabeledReplicas": labelled, "readyReplicas": ready, "availableReplicas": available}
        status: JsonObject = {"replicas": len(active)}
        status |= {name: value for name, value in counters.items() if value}
        status |= {
            "terminatingReplicas": terminating,
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        conditions = self._conditions(replica_set, failure)
        return {**status, "conditions": conditions} if conditions else status

    def _conditions(self, replica_set: JsonObject, failure: tuple[str, str] | None) -> list[JsonObject]:
        current = replica_set.get("status", {}).get("conditions") or []
        others = [c for c in current if c["type"] != "ReplicaFailure"]
        if failure is None:
            return others
        if len(others) != len(current):
            return list(current)
        reason, message = failure
        stamp = timestamp(self.plane.now())
        failed = {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": stamp}
        return [*others, {**failed, "reason": reason, "message": message}]

    def _publish(self, replica_set: JsonObject, status: JsonObject) -> None:
        if status != replica_set.get("status"):

            def change(obj: JsonObject) -> None:
                obj["status"] = status

            self.store.mutate(
                REPLICASETS, *key_of(replica_set), change, subresource="status", manager=FIELD_MANAGER
            )

    def _until_ripe(self, replica_set: JsonObject, active: list[JsonObject]) -> float:
        """Seconds until the next ready pod has been ready for `minReadySeconds`."""
        ripe, now = replica_set["spec"]["minReadySeconds"], self.plane.now()
        waits = (
            ripe - (now - since).total_seconds()
            for pod in active
            if (since := pod_state.ready_since(pod)) is not None
            and not pod_state.is_available(pod, ripe, now)
        )
        return max(min(waits, default=0.0), 0.0)

    def _record(self, obj: JsonObject, reason: str, message: str, type_: str = "Normal") -> None:
        self.plane.recorder.record(REPLICASETS, obj, reason, message, component=_COMPONENT, type_=type_)
