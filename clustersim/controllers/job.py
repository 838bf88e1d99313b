"""The Job controller: pods until enough of them have succeeded, or too many failed, or the time is over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from clustersim.controllers.common import pod_state
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, Key, key_of
from clustersim.controllers.common.ownership import controller_of, controller_reference
from clustersim.controllers.common.templates import pod_from
from clustersim.storage.history import Event
from clustersim.storage.resources import JOBS, PODS
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]
TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer that keeps a pod until its end has been counted."""
_COMPONENT = "job-controller"
_FIRST_BACK_OFF = 10.0
_LAST_BACK_OFF = 600.0
_MET = ("CompletionsReached", "Reached expected number of succeeded pods")
_TOO_MANY = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_TOO_LONG = ("DeadlineExceeded", "Job was active longer than specified deadline")


class JobController(Controller):
    """Creates the pods of each Job, counts how they end, and takes a Job away when its time to live is over.

    Not modelled: indexed completion, suspension, success policies, and of failure policies all but `Ignore`.
    """

    def initial_keys(self) -> Iterable[Key]:
        """Every Job."""
        return [key_of(obj) for obj in self.store.list(JOBS)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The Job itself, or the one that controls the pod that changed."""
        if event.resource is JOBS:
            yield key_of(event.object)
        elif event.resource is PODS:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "Job":
                yield event.object["metadata"]["namespace"], owner["name"]

    def sync(self, key: Key) -> None:
        """One pass over one Job."""
        job = self.store.find(JOBS, *key)
        if job is None or "deletionTimestamp" in job["metadata"]:
            self._release(pod for pod in self.store.list(PODS, key[0]) if _is_of(pod, key[1]))
            return
        ended = _ended_at(job)
        if ended is not None:
            self._outlive(job, ended)
            return
        if not job.get("status", {}).get("startTime"):
            self._begin(job)
            return
        self._drive(job)

    def _begin(self, job: JsonObject) -> None:
        counters = {"terminating": 0, "ready": 0, "uncountedTerminatedPods": {}}
        self._publish(job, {"startTime": timestamp(self.plane.now()), **counters})

    def _drive(self, job: JsonObject) -> None:
        pods = self.plane.owners.owned(PODS, job)
        status = dict(job["status"])
        # Once the end is announced, pods that are being deleted are counted without waiting for their end.
        over = bool(status.get("conditions"))
        ended = [pod for pod in pods if _is_tracked(pod) and (_has_ended(pod) or (over and _is_going(pod)))]
        won = [pod for pod in ended if pod_state.phase(pod) == "Succeeded" and not _is_going(pod)]
        lost = [pod for pod in ended if pod not in won and not _is_ignored(job, pod)]
        status = _counted(status, len(won), len(lost))
        verdict = self._verdict(job, status, pods)
        if verdict is not None:
            status = self._conditions(status, *verdict)
            self._stop(job, pods)
            pods = self.plane.owners.owned(PODS, job)
        self._release(ended)
        going = [pod for pod in pods if _is_going(pod) and not _has_ended(pod)]
        active = [pod for pod in pods if pod_state.is_active(pod)]
        if verdict is None:
            active = self._fill(job, status, pods, active)
        status |= {
            "ready": sum(pod_state.ready_since(pod) is not None for pod in active),
            "terminating": len(going),
        }
        status = {**status, "active": len(active)} if active else _without(status, "active")
        self._publish(job, status)
        if verdict is not None and not going and not active:
            self._finish(job, status, *verdict)

    def _verdict(
        self, job: JsonObject, status: JsonObject, pods: list[JsonObject]
    ) -> tuple[str, str, str] | None:
        """The condition that announces the end, with its reason and message; None while it goes on."""
        spec = job["spec"]
        for condition in status.get("conditions") or ():
            return condition["type"], condition["reason"], condition["message"]
        restarts = 0
        if spec["template"]["spec"]["restartPolicy"] == "OnFailure":
            restarts = sum(pod_state.restarts(pod) for pod in pods if not _has_ended(pod))
        if status.get("failed", 0) + restarts > spec["backoffLimit"]:
            return "FailureTarget", *_TOO_MANY
        if status.get("succeeded", 0) >= spec["completions"]:
            return "SuccessCriteriaMet", *_MET
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None:
            left = pod_state.parse_time(status["startTime"]) + timedelta(seconds=deadline) - self.plane.now()
            if left <= timedelta(0):
                return "FailureTarget", *_TOO_LONG
            self.enqueue(key_of(job), left.total_seconds())
        return None

    def _fill(
        self, job: JsonObject, status: JsonObject, pods: list[JsonObject], active: list[JsonObject]
    ) -> list[JsonObject]:
        """Create what is missing, later after each failure; pods that are going count until they are gone."""
        spec = job["spec"]
        wanted = min(spec["parallelism"], spec["completions"] - status.get("succeeded", 0))
        missing = wanted - sum(not _has_ended(pod) for pod in pods)
        failed = status.get("failed", 0)
        if missing <= 0:
            return active
        if failed:
            wait = min(_FIRST_BACK_OFF * 2 ** (failed - 1), _LAST_BACK_OFF)
            ends = [_ended(pod) for pod in pods if pod_state.phase(pod) == "Failed"]
            since = max(ends, default=self.plane.now())
            left = (since + timedelta(seconds=wait) - self.plane.now()).total_seconds()
            if left > 0:
                self.enqueue(key_of(job), left)
                return active
        return [*active, *(self._create(job) for _ in range(missing))]

    def _create(self, job: JsonObject) -> JsonObject:
        namespace, name = key_of(job)
        pod = pod_from(job["spec"]["template"], namespace, controller_reference(JOBS, job))
        pod["metadata"]["generateName"] = f"{name}-"
        pod["metadata"]["finalizers"] = [TRACKING]
        created = self.plane.create_pod(pod)
        self._record(job, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    def _stop(self, job: JsonObject, pods: list[JsonObject]) -> None:
        for pod in pods:
            if pod_state.is_active(pod):
                metadata = pod["metadata"]
                self.store.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
                self._record(job, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _release(self, pods: Iterable[JsonObject]) -> None:
        def change(obj: JsonObject) -> None:
            kept = [name for name in obj["metadata"].get("finalizers") or () if name != TRACKING]
            obj["metadata"]["finalizers"] = kept
            if not kept:
                del obj["metadata"]["finalizers"]

        for pod in pods:
            if _is_tracked(pod) and self.store.find(PODS, *key_of(pod)) is not None:
                self.store.mutate(PODS, *key_of(pod), change, manager=FIELD_MANAGER)

    def _conditions(self, status: JsonObject, type_: str, reason: str, message: str) -> JsonObject:
        current = list(status.get("conditions") or ())
        if any(condition["type"] == type_ for condition in current):
            return status
        stamp = timestamp(self.plane.now())
        times = {"lastProbeTime": stamp, "lastTransitionTime": stamp}
        added = {"type": type_, "status": "True", **times, "reason": reason, "message": message}
        return {**status, "conditions": [*current, added]}

    def _finish(self, job: JsonObject, status: JsonObject, target: str, reason: str, message: str) -> None:
        won = target == "SuccessCriteriaMet"
        status = self._conditions(status, "Complete" if won else "Failed", reason, message)
        if won:
            status["completionTime"] = timestamp(self.plane.now())
        self._publish(job, status)
        if won:
            self._record(job, "Completed", "Job completed")
        else:
            self._record(job, reason, message, "Warning")

    def _outlive(self, job: JsonObject, ended: datetime) -> None:
        kept = job["spec"].get("ttlSecondsAfterFinished")
        if kept is None:
            return
        left = (ended + timedelta(seconds=kept) - self.plane.now()).total_seconds()
        if left > 0:
            self.enqueue(key_of(job), left)
        else:
            self.store.delete(JOBS, *key_of(job), uid=job["metadata"]["uid"], propagation="Foreground")

    def _publish(self, job: JsonObject, status: JsonObject) -> None:
        def change(obj: JsonObject) -> None:
            obj["status"] = status

        self.store.mutate(JOBS, *key_of(job), change, subresource="status", manager=FIELD_MANAGER)

    def _record(self, job: JsonObject, reason: str, message: str, type_: str = "Normal") -> None:
        self.plane.recorder.record(JOBS, job, reason, message, component=_COMPONENT, type_=type_)


def _counted(status: JsonObject, won: int, lost: int) -> JsonObject:
    added = {"succeeded": won, "failed": lost}
    return {**status, **{name: status.get(name, 0) + count for name, count in added.items() if count}}


def _without(status: JsonObject, name: str) -> JsonObject:
    return {key: value for key, value in status.items() if key != name}


def _is_of(pod: JsonObject, job: str) -> bool:
    owner = controller_of(pod)
    return owner is not None and owner["kind"] == "Job" and owner["name"] == job


def _is_tracked(pod: JsonObject) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def _is_going(pod: JsonObject) -> bool:
    return pod_state.is_terminating(pod)


def _has_ended(pod: JsonObject) -> bool:
    return pod_state.phase(pod) in ("Succeeded", "Failed")


def _is_ignored(job: JsonObject, pod: JsonObject) -> bool:
    """Whether the failure policy takes this pod's end for nobody's fault: by a condition of the pod."""
    for rule in (job["spec"].get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            found = pod_state.condition(pod, pattern["type"])
            if found is not None and found["status"] == pattern.get("status", "True"):
                return bool(rule["action"] == "Ignore")
    return False


def _ended(pod: JsonObject) -> datetime:
    ready = pod_state.condition(pod, "Ready")
    return pod_state.parse_time(ready["lastTransitionTime"]) if ready else pod_state.created_at(pod)


def _ended_at(job: JsonObject) -> datetime | None:
    """When the Job came to its end; None while it has not."""
    for condition in job.get("status", {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return pod_state.parse_time(condition["lastTransitionTime"])
    return None
