"""The StatefulSet controller: numbered pods, one after the other, updated from the last down to the partition.

A pod that is broken stays in the way under `OrderedReady` until somebody deletes it, even after the template
was put back: so does the real one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clustersim.controllers.common import pod_state, revisions
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, Key, key_of
from clustersim.controllers.common.claims import mount_claims
from clustersim.controllers.common.ownership import controller_of, controller_reference
from clustersim.controllers.common.templates import pod_from
from clustersim.storage.history import Event
from clustersim.storage.resources import PODS, STATEFULSETS

JsonObject = dict[str, Any]
_COMPONENT = "statefulset-controller"
_POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
_POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


@dataclass(slots=True)
class _Pass:
    """One sync's view: the set, its two revisions, its pods by ordinal."""

    owner: JsonObject
    current: JsonObject
    update: JsonObject
    pods: dict[int, JsonObject]
    removed_current: int = 0

    @property
    def ordinals(self) -> range:
        first = (self.owner["spec"].get("ordinals") or {}).get("start", 0)
        return range(first, first + self.owner["spec"]["replicas"])

    @property
    def ordered(self) -> bool:
        return bool(self.owner["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady")

    @property
    def rolls(self) -> bool:
        """Whether the controller replaces pods by itself; under OnDelete somebody else does."""
        return bool(self.owner["spec"]["updateStrategy"]["type"] == "RollingUpdate")

    @property
    def first_updated(self) -> int:
        """The lowest ordinal that gets the update revision: the partition counts from the first ordinal."""
        rolling = self.owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
        return self.ordinals.start + int(rolling.get("partition") or 0)


class StatefulSetController(Controller):
    """Keeps the pods of each StatefulSet."""

    def initial_keys(self) -> Iterable[Key]:
        """Every StatefulSet."""
        return [key_of(obj) for obj in self.store.list(STATEFULSETS)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The StatefulSet itself, or the one that controls the pod that changed."""
        if event.resource is STATEFULSETS:
            yield key_of(event.object)
        elif event.resource is PODS:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "StatefulSet":
                yield event.object["metadata"]["namespace"], owner["name"]

    def sync(self, key: Key) -> None:
        """One pass over one StatefulSet; under OrderedReady at most one pod is made or deleted."""
        owner = self.store.find(STATEFULSETS, *key)
        if owner is None or "deletionTimestamp" in owner["metadata"]:
            return
        pods = self.plane.owners.claimed(PODS, STATEFULSETS, owner, FIELD_MANAGER)
        update = revisions.current(self.plane, STATEFULSETS, owner)
        named = {rev["metadata"]["name"]: rev for rev in revisions.history(self.plane, owner)}
        current = named.get(owner.get("status", {}).get("currentRevision", ""), update)
        view = _Pass(owner, current, update, {_ordinal(pod): pod for pod in pods})
        if self._keep(view) and self._condemn(view) and view.rolls:
            self._update(view)
        self._publish(view)
        live = {current["metadata"]["name"], update["metadata"]["name"], *map(_revision, pods)}
        revisions.clean(self.plane, owner, live)
        self._look_again_when_ripe(view)

    def _keep(self, view: _Pass) -> bool:
        """Make what is missing and replace what has ended; False when the rest has to wait."""
        for ordinal in view.ordinals:
            pod = view.pods.get(ordinal)
            if pod is None:
                self._create(view, ordinal)
            elif pod_state.phase(pod) in ("Succeeded", "Failed") and not pod_state.is_terminating(pod):
                self._delete(view, pod)
            elif self._is_healthy(view, pod):
                continue
            if view.ordered:
                return False
        return True

    def _condemn(self, view: _Pass) -> bool:
        """Delete what is beyond the wanted size, the last first; False when the rest has to wait."""
        for ordinal in sorted((o for o in view.pods if o not in view.ordinals), reverse=True):
            pod = view.pods[ordinal]
            if not pod_state.is_terminating(pod):
                self._delete(view, pod)
            if view.ordered:
                return False
        return True

    def _update(self, view: _Pass) -> None:
        """Delete the last pod that is not of the update revision, once all after it are healthy."""
        updated = view.update["metadata"]["name"]
        for ordinal in reversed(view.ordinals):
            pod = view.pods.get(ordinal)
            if ordinal < view.first_updated or pod is None:
                return
            if _revision(pod) != updated and not pod_state.is_terminating(pod):
                self._delete(view, pod)
                view.removed_current += _revision(pod) == view.current["metadata"]["name"]
                return
            if not self._is_healthy(view, pod):
                return

    def _create(self, view: _Pass, ordinal: int) -> None:
        revision = view.current if view.rolls and ordinal < view.first_updated else view.update
        owner = view.owner
        metadata = owner["metadata"]
        reference = controller_reference(STATEFULSETS, owner)
        pod = pod_from(revisions.template_of(revision), metadata["namespace"], reference)
        name = f"{metadata['name']}-{ordinal}"
        pod["metadata"] |= {"name": name, "generateName": f"{metadata['name']}-"}
        pod["metadata"]["labels"] |= {
            _POD_NAME_LABEL: name,
            _POD_INDEX_LABEL: str(ordinal),
            revisions.POD_REVISION_LABEL: revision["metadata"]["name"],
        }
        pod["spec"] |= {"hostname": name, "subdomain": owner["spec"].get("serviceName", "")}
        mount_claims(self.plane, owner, pod)
        self.plane.create_pod(pod)
        self._record(
            owner, "SuccessfulCreate", f"create Pod {name} in StatefulSet {metadata['name']} successful"
        )

    def _delete(self, view: _Pass, pod: JsonObject) -> None:
        metadata = pod["metadata"]
        self.store.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        owner = view.owner["metadata"]["name"]
        text = f"delete Pod {metadata['name']} in StatefulSet {owner} successful"
        self._record(view.owner, "SuccessfulDelete", text)

    def _is_healthy(self, view: _Pass, pod: JsonObject) -> bool:
        ripe = view.owner["spec"].get("minReadySeconds", 0)
        return not pod_state.is_terminating(pod) and pod_state.is_available(pod, ripe, self.plane.now())

    def _publish(self, view: _Pass) -> None:
        status = self._status(view)
        if status == view.owner.get("status"):
            return

        def change(obj: JsonObject) -> None:
            obj["status"] = status

        self.store.mutate(
            STATEFULSETS, *key_of(view.owner), change, subresource="status", manager=FIELD_MANAGER
        )

    def _status(self, view: _Pass) -> JsonObject:
        now, ripe = self.plane.now(), view.owner["spec"].get("minReadySeconds", 0)
        pods = list(view.pods.values())
        wanted = view.owner["spec"]["replicas"]
        current, update = view.current["metadata"]["name"], view.update["metadata"]["name"]
        standing = [pod for pod in pods if not pod_state.is_terminating(pod)]
        ready = sum(pod_state.ready_since(pod) is not None for pod in pods)
        updated = sum(_revision(pod) == update for pod in standing)
        of_current = sum(_revision(pod) == current for pod in standing) - view.removed_current
        if updated == ready == len(pods) == wanted and view.rolls:
            current, of_current = update, updated
        counters = {"readyReplicas": ready, "currentReplicas": of_current, "updatedReplicas": updated}
        return {
            "observedGeneration": view.owner["metadata"]["generation"],
            "replicas": len(pods),
            **{name: value for name, value in counters.items() if value},
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
            "availableReplicas": sum(pod_state.is_available(pod, ripe, now) for pod in pods),
        }

    def _look_again_when_ripe(self, view: _Pass) -> None:
        ripe, now = view.owner["spec"].get("minReadySeconds", 0), self.plane.now()
        waits = [
            ripe - (now - since).total_seconds()
            for pod in view.pods.values()
            if (since := pod_state.ready_since(pod)) and not pod_state.is_available(pod, ripe, now)
        ]
        if waits:
            self.enqueue(key_of(view.owner), max(min(waits), 0.0))

    def _record(self, owner: JsonObject, reason: str, message: str) -> None:
        self.plane.recorder.record(STATEFULSETS, owner, reason, message, component=_COMPONENT)


def _ordinal(pod: JsonObject) -> int:
    tail = pod["metadata"]["name"].rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1


def _revision(pod: JsonObject) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.POD_REVISION_LABEL, ""))
