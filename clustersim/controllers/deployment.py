"""The Deployment controller: rolling and recreate updates, pause, scaling, history, progress.

Follows Kubernetes' `pkg/controller/deployment` step by step, because what the daemon relies on is decided by
those steps: how large the first batch is, what a pause leaves behind, which ReplicaSet an undo brings back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers import deployment_status as ds
from clustersim.controllers.common import revision_annotations as marks
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, Key, key_of
from clustersim.controllers.common.ownership import controller_of
from clustersim.controllers.common.pod_state import created_at
from clustersim.controllers.common.rolling import (
    RollingUpdateLimits,
    new_size,
    old_sizes,
    proportional_sizes,
)
from clustersim.controllers.rollout_view import (
    DeploymentRollout,
    draft_of,
    is_saturated,
    limits_of,
    owner_key,
    recreates,
    replica_failure,
    slots,
)
from clustersim.storage.api_errors import ApiError
from clustersim.storage.history import Event
from clustersim.storage.resources import DEPLOYMENTS, PODS, REPLICASETS

JsonObject = dict[str, Any]
_COMPONENT = "deployment-controller"


class DeploymentController(Controller):
    """Keeps each Deployment's ReplicaSets at the sizes that its rollout calls for."""

    def initial_keys(self) -> Iterable[Key]:
        """Every Deployment."""
        return [key_of(obj) for obj in self.store.list(DEPLOYMENTS)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The Deployment itself, the owner of a ReplicaSet, and a Recreate's Deployment when a pod goes."""
        if event.resource is DEPLOYMENTS:
            yield key_of(event.object)
        elif event.resource is REPLICASETS:
            yield from owner_key(event.object)
        elif event.resource is PODS and event.type == "DELETED":
            replica_set = controller_of(event.object)
            if replica_set and replica_set["kind"] == "ReplicaSet":
                namespace = event.object["metadata"]["namespace"]
                found = self.store.find(REPLICASETS, namespace, replica_set["name"])
                yield from owner_key(found) if found else ()

    def sync(self, key: Key) -> None:
        """One pass over one Deployment."""
        deployment = self.store.find(DEPLOYMENTS, *key)
        if deployment is None:
            return
        owned = self.plane.owners.claimed(REPLICASETS, DEPLOYMENTS, deployment, FIELD_MANAGER)
        if "deletionTimestamp" in deployment["metadata"]:
            self._publish_status(self._rollout(deployment, owned))
            return
        deployment = self._note_pause(deployment)
        rollout = self._rollout(deployment, owned)
        if rollout.paused or self._was_scaled(rollout):
            self._sync_scale(rollout)
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(rollout)
        else:
            self._roll(rollout)

    # -- which ReplicaSet is which

    def _rollout(self, deployment: JsonObject, owned: list[JsonObject]) -> DeploymentRollout:
        rollout = DeploymentRollout.of(deployment, owned)
        if rollout.new is not None:
            self._mark_revision(rollout, rollout.new)
        return rollout

    def _mark_revision(self, rollout: DeploymentRollout, new: JsonObject) -> None:
        """Move the current ReplicaSet to the newest revision; where it is there, the Deployment too."""
        wanted = marks.for_new_replica_set(rollout.deployment, new, marks.max_revision(rollout.old) + 1)
        min_ready = rollout.deployment["spec"].get("minReadySeconds", 0)
        if wanted != marks.annotations_of(new) or min_ready != new["spec"].get("minReadySeconds", 0):

            def change(rs: JsonObject) -> None:
                rs["metadata"]["annotations"] = wanted
                rs["spec"]["minReadySeconds"] = min_ready
                if not min_ready:
                    del rs["spec"]["minReadySeconds"]

            rollout.new = self._change_replica_set(new, change)
        self._mark_deployment(rollout, rollout.new or new, None)

    def _mark_deployment(
        self, rollout: DeploymentRollout, new: JsonObject, progress: JsonObject | None
    ) -> None:
        deployment = rollout.deployment
        status = deployment.get("status", {})
        name = new["metadata"]["name"]
        if progress is None and ds.has_deadline(deployment) and ds.condition(status, ds.PROGRESSING) is None:
            found = f'Found new replica set "{name}"'
            progress = ds.make_condition(
                ds.PROGRESSING, "True", "FoundNewReplicaSet", found, self.plane.now()
            )
        if progress is not None:
            status = ds.with_condition(status, progress)
        rollout.deployment = self._write_status(deployment, status, str(marks.revision(new)))

    def _created(self, rollout: DeploymentRollout) -> JsonObject:
        """Make the ReplicaSet of the current template, at the size that the rollout allows at once."""
        deployment = rollout.deployment
        replica_set = draft_of(rollout)
        name = replica_set["metadata"]["name"]
        try:
            created = self.store.create(REPLICASETS, replica_set, manager=FIELD_MANAGER)
        except ApiError as refusal:
            if refusal.reason == "AlreadyExists":
                self._count_collision(deployment)
            raise
        size = created["spec"]["replicas"]
        if size:
            self._record(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        progress = None
        if ds.has_deadline(deployment):
            text = f'Created new replica set "{name}"'
            progress = ds.make_condition(
                ds.PROGRESSING, "True", "NewReplicaSetCreated", text, self.plane.now()
            )
        self._mark_deployment(rollout, created, progress)
        return created

    def _count_collision(self, deployment: JsonObject) -> None:
        status = deployment.get("status", {})
        counted = {**status, "collisionCount": status.get("collisionCount", 0) + 1}
        self._write_status(deployment, counted, marks.annotations_of(deployment).get(marks.REVISION))

    # -- pause and scale

    def _note_pause(self, deployment: JsonObject) -> JsonObject:
        """Write on the Progressing condition that the Deployment was paused or resumed."""
        current = ds.condition(deployment.get("status", {}), ds.PROGRESSING)
        if not ds.has_deadline(deployment) or (current and current["reason"] == ds.TIMED_OUT):
            return deployment
        paused = bool(deployment["spec"].get("paused"))
        if paused == bool(current and current["reason"] == ds.PAUSED):
            return deployment
        reason, text = (ds.PAUSED, "paused") if paused else ("DeploymentResumed", "resumed")
        noted = ds.make_condition(
            ds.PROGRESSING, "Unknown", reason, f"Deployment is {text}", self.plane.now()
        )
        return self._write_status(
            deployment,
            ds.with_condition(deployment.get("status", {}), noted),
            marks.annotations_of(deployment).get(marks.REVISION),
        )

    def _was_scaled(self, rollout: DeploymentRollout) -> bool:
        for rs in rollout.everyone:
            desired = marks.annotations_of(rs).get(marks.DESIRED)
            if rs["spec"]["replicas"] and desired is not None and desired != str(rollout.replicas):
                return True
        return False

    def _sync_scale(self, rollout: DeploymentRollout) -> None:
        """A Deployment that is paused or was scaled: spread its size, start nothing new."""
        self._spread(rollout)
        if rollout.paused:
            self._clean_history(rollout)
        status = self._counted(rollout)
        if status != rollout.deployment.get("status", {}):
            self._write_status(rollout.deployment, status, None)

    def _spread(self, rollout: DeploymentRollout) -> None:
        active = [rs for rs in rollout.everyone if rs["spec"]["replicas"]]
        only = active[0] if len(active) == 1 else None
        if not active:
            only = rollout.new or (rollout.old[-1] if rollout.old else None)
        if only is not None:
            if only["spec"]["replicas"] != rollout.replicas:
                self._scale(rollout, only, rollout.replicas)
        elif is_saturated(rollout):
            for rs in rollout.active:
                self._scale(rollout, rs, 0)
        elif active and not recreates(rollout.deployment):
            total = rollout.deployment.get("status", {}).get("replicas", 0)
            sizes = proportional_sizes(limits_of(rollout.deployment), slots(active), total)
            for rs in active:
                self._scale(rollout, rs, sizes[rs["metadata"]["name"]])

    def _scale(self, rollout: DeploymentRollout, replica_set: JsonObject, size: int) -> None:
        """Resize a ReplicaSet and write the Deployment's size on it."""
        limits = limits_of(rollout.deployment)
        marked = marks.with_sizes(marks.annotations_of(replica_set), limits.replicas, limits.ceiling)
        before = replica_set["spec"]["replicas"]
        if before == size and marked == marks.annotations_of(replica_set):
            return

        def change(rs: JsonObject) -> None:
            rs["spec"]["replicas"] = size
            rs["metadata"]["annotations"] = marked

        changed = self._change_replica_set(replica_set, change)
        if rollout.new is replica_set:
            rollout.new = changed
        else:
            rollout.old = [changed if rs is replica_set else rs for rs in rollout.old]
        if before != size:
            way = "up" if size > before else "down"
            text = f"Scaled {way} replica set {changed['metadata']['name']} from {before} to {size}"
            self._record(rollout.deployment, "ScalingReplicaSet", text)

    # -- the two strategies

    def _roll(self, rollout: DeploymentRollout) -> None:
        if rollout.new is None:
            rollout.new = self._created(rollout)
        new, limits = rollout.new, limits_of(rollout.deployment)
        size = new["spec"]["replicas"]
        wanted = new_size(limits, sum(rs["spec"]["replicas"] for rs in rollout.everyone), size)
        if size != limits.replicas and wanted != size:
            self._scale(rollout, new, wanted)
        elif not self._shrink_old(rollout, new, limits) and ds.is_complete(
            rollout.deployment, rollout.deployment.get("status", {})
        ):
            self._clean_history(rollout)
        self._publish_progress(rollout)

    def _shrink_old(self, rollout: DeploymentRollout, new: JsonObject, limits: RollingUpdateLimits) -> bool:
        active = rollout.active
        sizes = old_sizes(limits, slots([new])[0], slots(active))
        for rs in active:
            if rs["metadata"]["name"] in sizes:
                self._scale(rollout, rs, sizes[rs["metadata"]["name"]])
        return bool(sizes)

    def _recreate(self, rollout: DeploymentRollout) -> None:
        active = rollout.active
        for rs in active:
            self._scale(rollout, rs, 0)
        if not active and not self._old_pods_run(rollout):
            if rollout.new is None:
                rollout.new = self._created(rollout)
            elif rollout.new["spec"]["replicas"] != rollout.replicas:
                self._scale(rollout, rollout.new, rollout.replicas)
            if ds.is_complete(rollout.deployment, rollout.deployment.get("status", {})):
                self._clean_history(rollout)
        self._publish_progress(rollout)

    def _old_pods_run(self, rollout: DeploymentRollout) -> bool:
        if any(rs.get("status", {}).get("replicas") for rs in rollout.old):
            return True
        pods = (pod for rs in rollout.old for pod in self.plane.owners.owned(PODS, rs))
        return any(pod.get("status", {}).get("phase") not in ("Succeeded", "Failed") for pod in pods)

    def _clean_history(self, rollout: DeploymentRollout) -> None:
        limit = rollout.deployment["spec"].get("revisionHistoryLimit", ds.NO_DEADLINE)
        kept = [rs for rs in rollout.old if "deletionTimestamp" not in rs["metadata"]]
        excess = max(len(kept) - limit, 0)
        for rs in sorted(kept, key=lambda rs: (marks.revision(rs), created_at(rs)))[:excess]:
            status = rs.get("status", {})
            settled = rs["metadata"]["generation"] <= status.get("observedGeneration", 0)
            if not status.get("replicas") and not rs["spec"]["replicas"] and settled:
                self.store.delete(REPLICASETS, rs["metadata"]["namespace"], rs["metadata"]["name"])
                rollout.old = [other for other in rollout.old if other is not rs]

    # -- status

    def _counted(self, rollout: DeploymentRollout) -> JsonObject:
        count = ds.Replicas.of(rollout.everyone, rollout.new)
        return ds.counted_status(rollout.deployment, count, limits_of(rollout.deployment), self.plane.now())

    def _publish_status(self, rollout: DeploymentRollout) -> None:
        self._write_status(rollout.deployment, self._counted(rollout), None)

    def _publish_progress(self, rollout: DeploymentRollout) -> None:
        deployment, now = rollout.deployment, self.plane.now()
        name = rollout.new["metadata"]["name"] if rollout.new else None
        status = ds.judged_status(deployment, self._counted(rollout), name, now)
        failure = replica_failure(rollout)
        status = (
            ds.with_condition(status, failure)
            if failure
            else ds.without_condition(status, ds.REPLICA_FAILURE)
        )
        if status != deployment.get("status", {}):
            self._write_status(deployment, status, None)
            return
        deadline = ds.deadline_passes_at(deployment, status)
        if deadline is not None and not ds.is_complete(deployment, status):
            self.enqueue(key_of(deployment), max((deadline - now).total_seconds(), 0.0) + 1.0)

    def _write_status(self, deployment: JsonObject, status: JsonObject, revision: str | None) -> JsonObject:
        """Write the status, and the revision annotation with it, where either differs."""

        def change(obj: JsonObject) -> None:
            obj["status"] = status
            if revision is not None:
                obj["metadata"].setdefault("annotations", {})[marks.REVISION] = revision

        return self.store.mutate(
            DEPLOYMENTS, *key_of(deployment), change, subresource="status", manager=FIELD_MANAGER
        )

    def _change_replica_set(self, replica_set: JsonObject, change: Any) -> JsonObject:
        return self.store.mutate(REPLICASETS, *key_of(replica_set), change, manager=FIELD_MANAGER)

    def _record(self, deployment: JsonObject, reason: str, message: str) -> None:
        self.plane.recorder.record(DEPLOYMENTS, deployment, reason, message, component=_COMPONENT)
