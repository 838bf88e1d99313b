"""The status of a Deployment as a pure function of its ReplicaSets, as in Kubernetes' `progress.go`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clustersim.controllers.common.pod_state import parse_time
from clustersim.controllers.common.rolling import RollingUpdateLimits
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]
NO_DEADLINE = 2**31 - 1
PROGRESSING = "Progressing"
AVAILABLE = "Available"
REPLICA_FAILURE = "ReplicaFailure"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
COMPLETE = "NewReplicaSetAvailable"


@dataclass(frozen=True, slots=True)
class Replicas:
    """What the status counts; `wanted` is the sum of the sizes asked for, the rest is what there is."""

    wanted: int
    actual: int
    updated: int
    ready: int
    available: int
    terminating: int

    @classmethod
    def of(cls, everyone: Sequence[JsonObject], new: JsonObject | None) -> Replicas:
        """Counted over all ReplicaSets of a Deployment."""
        statuses = [rs.get("status", {}) for rs in everyone]
        return cls(
            wanted=sum(rs["spec"]["replicas"] for rs in everyone),
            actual=sum(status.get("replicas", 0) for status in statuses),
            updated=new.get("status", {}).get("replicas", 0) if new else 0,
            ready=sum(status.get("readyReplicas", 0) for status in statuses),
            available=sum(status.get("availableReplicas", 0) for status in statuses),
            terminating=sum(status.get("terminatingReplicas", 0) for status in statuses),
        )


def condition(status: JsonObject, type_: str) -> JsonObject | None:
    """The condition of this type, if the status has it."""
    for entry in status.get("conditions") or ():
        if entry["type"] == type_:
            found: JsonObject = entry
            return found
    return None


def make_condition(type_: str, state: str, reason: str, message: str, now: datetime) -> JsonObject:
    """A Deployment condition stamped `now`."""
    stamp = timestamp(now)
    return {
        "type": type_,
        "status": state,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def with_condition(status: JsonObject, new: JsonObject) -> JsonObject:
    """The status with the condition set; unchanged where status and reason are the same already."""
    current = condition(status, new["type"])
    if current and current["status"] == new["status"] and current["reason"] == new["reason"]:
        return status
    if current and current["status"] == new["status"]:
        new = {**new, "lastTransitionTime": current["lastTransitionTime"]}
    others = [c for c in status.get("conditions") or () if c["type"] != new["type"]]
    return {**status, "conditions": [*others, new]}


def without_condition(status: JsonObject, type_: str) -> JsonObject:
    """The status with no condition of this type."""
    if condition(status, type_) is None:
        return status
    return {**status, "conditions": [c for c in status["conditions"] if c["type"] != type_]}


def has_deadline(deployment: JsonObject) -> bool:
    """Whether the rollout's progress is timed."""
    return bool(deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE) != NO_DEADLINE)


def counted_status(
    deployment: JsonObject, count: Replicas, limits: RollingUpdateLimits, now: datetime
) -> JsonObject:
    """The counters and the Available condition; zero counters are left out, as the real one does."""
    old = deployment.get("status", {})
    counters = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": count.actual,
        "updatedReplicas": count.updated,
        "readyReplicas": count.ready,
        "availableReplicas": count.available,
        "unavailableReplicas": max(count.wanted - count.available, 0),
    }
    status: JsonObject = {name: value for name, value in counters.items() if value}
    status["terminatingReplicas"] = count.terminating
    if "collisionCount" in old:
        status["collisionCount"] = old["collisionCount"]
    if old.get("conditions"):
        status["conditions"] = old["conditions"]
    if count.available >= limits.floor:
        message = "Deployment has minimum availability."
        available = make_condition(AVAILABLE, "True", "MinimumReplicasAvailable", message, now)
    else:
        message = "Deployment does not have minimum availability."
        available = make_condition(AVAILABLE, "False", "MinimumReplicasUnavailable", message, now)
    return with_condition(status, available)


def is_complete(deployment: JsonObject, status: JsonObject) -> bool:
    """Whether every replica is of the new revision and available, and no other is left."""
    replicas = deployment["spec"]["replicas"]
    return (
        all(status.get(name, 0) == replicas for name in ("updatedReplicas", "replicas", "availableReplicas"))
        and status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    )


def is_progressing(old: JsonObject, new: JsonObject) -> bool:
    """Whether the new status is nearer to the end than the old one."""

    def of(status: JsonObject, name: str) -> int:
        return int(status.get(name, 0))

    return (
        of(new, "updatedReplicas") > of(old, "updatedReplicas")
        or of(new, "replicas") - of(new, "updatedReplicas") < of(old, "replicas") - of(old, "updatedReplicas")
        or of(new, "readyReplicas") > of(old, "readyReplicas")
        or of(new, "availableReplicas") > of(old, "availableReplicas")
    )


def deadline_passes_at(deployment: JsonObject, status: JsonObject) -> datetime | None:
    """When a rollout that makes no progress times out; None when nothing is being timed."""
    progressing = condition(status, PROGRESSING)
    if not has_deadline(deployment) or progressing is None or progressing["reason"] in (COMPLETE, TIMED_OUT):
        return None
    seconds = deployment["spec"]["progressDeadlineSeconds"]
    return parse_time(progressing["lastUpdateTime"]) + timedelta(seconds=seconds)


def judged_status(
    deployment: JsonObject, status: JsonObject, new_name: str | None, now: datetime
) -> JsonObject:
    """The counted status with its Progressing condition brought up to date."""
    if not has_deadline(deployment):
        return without_condition(status, PROGRESSING)
    current = condition(deployment.get("status", {}), PROGRESSING)
    was_complete = current is not None and current["reason"] == COMPLETE
    if was_complete and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return status
    subject = f'ReplicaSet "{new_name}"' if new_name else f'Deployment "{deployment["metadata"]["name"]}"'
    if is_complete(deployment, status):
        done = f"{subject} has successfully progressed."
        return with_condition(status, make_condition(PROGRESSING, "True", COMPLETE, done, now))
    if is_progressing(deployment.get("status", {}), status):
        underway = f"{subject} is progressing."
        fresh = make_condition(PROGRESSING, "True", "ReplicaSetUpdated", underway, now)
        if current is not None and current["status"] == "True":
            fresh["lastTransitionTime"] = current["lastTransitionTime"]
        return with_condition(without_condition(status, PROGRESSING), fresh)
    deadline = deadline_passes_at(deployment, status)
    if deadline is not None and deadline < now:
        late = f"{subject} has timed out progressing."
        return with_condition(status, make_condition(PROGRESSING, "False", TIMED_OUT, late, now))
    return status
