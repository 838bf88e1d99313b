"""What the controllers read off a pod."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

JsonObject = dict[str, Any]


def parse_time(stamp: str) -> datetime:
    """A Kubernetes time stamp as an aware datetime."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC)


def phase(pod: JsonObject) -> str:
    """The pod's phase; Pending before the kubelet has spoken."""
    return str(pod.get("status", {}).get("phase") or "Pending")


def is_terminating(pod: JsonObject) -> bool:
    """Whether the pod has been asked to go."""
    return "deletionTimestamp" in pod["metadata"]


def is_active(pod: JsonObject) -> bool:
    """Whether the pod counts as a replica: neither ended nor on its way out."""
    return phase(pod) not in ("Succeeded", "Failed") and not is_terminating(pod)


def condition(pod: JsonObject, type_: str) -> JsonObject | None:
    """The condition of this type, if the pod has it."""
    for entry in pod.get("status", {}).get("conditions") or ():
        if entry["type"] == type_:
            found: JsonObject = entry
            return found
    return None


def is_ready(pod: JsonObject) -> bool:
    """Whether the pod says that it is ready."""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def ready_since(pod: JsonObject) -> datetime | None:
    """Since when the pod has been ready; None when it is not."""
    ready = condition(pod, "Ready")
    if ready is None or not is_ready(pod):
        return None
    return parse_time(ready["lastTransitionTime"])


def is_available(pod: JsonObject, min_ready_seconds: int, now: datetime) -> bool:
    """Whether the pod has been ready for `min_ready_seconds`."""
    since = ready_since(pod)
    return since is not None and (
        min_ready_seconds == 0 or since + timedelta(seconds=min_ready_seconds) <= now
    )


def restarts(pod: JsonObject) -> int:
    """The restart count of the container that was restarted most."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return max((int(status.get("restartCount", 0)) for status in statuses), default=0)


def created_at(obj: JsonObject) -> datetime:
    """When the object was created."""
    return parse_time(obj["metadata"]["creationTimestamp"])
