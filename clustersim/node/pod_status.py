"""Pod statuses as a kubelet writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]
_NOT_READY = "ContainersNotReady"


@dataclass(slots=True)
class ContainerState:
    """The main container as its kubelet knows it; `furnished` says that the pod's volumes and network are set up."""

    state: JsonObject = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: JsonObject = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    furnished: bool = False

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return "running" in self.state


def waiting(reason: str, message: str = "") -> JsonObject:
    """A container state that waits."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(since: datetime) -> JsonObject:
    """A container state that runs."""
    return running_at(timestamp(since))


def running_at(since: str) -> JsonObject:
    """A container state that runs, with its time as it is written."""
    return {"running": {"startedAt": since}}


def terminated(exit_code: int, reason: str, started: str, finished: datetime) -> JsonObject:
    """A container state that has ended."""
    return {
        "terminated": {
            "exitCode": exit_code,
            "reason": reason,
            "startedAt": started,
            "finishedAt": timestamp(finished),
        }
    }


def pod_status(
    pod: JsonObject, main: int, container: ContainerState, addresses: Mapping[str, str], now: datetime
) -> JsonObject:
    """The whole status: phase, conditions, addresses, and one entry per container.

    The containers other than `main` run, and init containers that are not sidecars have succeeded, as soon as the pod
    is furnished.
    """
    started = container.running or bool(container.last_state) or "terminated" in container.state
    furnished = started or container.furnished
    since = pod.get("status", {}).get("startTime") or timestamp(now)
    beside = ContainerState(running_at(since), ready=True) if furnished else ContainerState()
    statuses = [
        _container_status(spec, container if index == main else beside)
        for index, spec in enumerate(pod["spec"]["containers"])
    ]
    ready = all(status["ready"] for status in statuses)
    unready = [status["name"] for status in statuses if not status["ready"]]
    first = [_init_status(spec, beside, since) for spec in pod["spec"].get("initContainers") or ()]
    before = pod.get("status", {})
    return {
        "phase": "Running" if started else "Pending",
        "conditions": _conditions(before.get("conditions") or [], furnished, ready, unready, now),
        "hostIP": addresses["host"],
        "hostIPs": [{"ip": addresses["host"]}],
        **({"podIP": addresses["pod"], "podIPs": [{"ip": addresses["pod"]}]} if started else {}),
        "startTime": before.get("startTime") or timestamp(now),
        **({"initContainerStatuses": first} if first else {}),
        "containerStatuses": statuses,
        "qosClass": before.get("qosClass", "BestEffort"),
    }


def end(status: JsonObject, container: ContainerState, now: datetime) -> None:
    """Turn a status, in place, into that of a pod which is not restarted and has ended as its container did."""
    good = container.state["terminated"]["exitCode"] == 0
    status["phase"] = "Succeeded" if good else "Failed"
    reason = "PodCompleted" if good else "PodFailed"
    for entry in status["conditions"]:
        if entry["type"] in ("Ready", "ContainersReady"):
            entry |= {"status": "False", "reason": reason, "lastTransitionTime": timestamp(now)}
            entry.pop("message", None)
        elif entry["type"] == "PodReadyToStartContainers":
            entry |= {"status": "False", "lastTransitionTime": timestamp(now)}


def condition(type_: str, status: str, now: datetime, reason: str = "", message: str = "") -> JsonObject:
    """A pod condition stamped `now`."""
    return {
        "type": type_,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(now),
        **({"reason": reason} if reason else {}),
        **({"message": message} if message else {}),
    }


def _conditions(
    before: list[JsonObject], furnished: bool, ready: bool, unready: list[str], now: datetime
) -> list[JsonObject]:
    state = "True" if ready else "False"
    why = () if ready else (_NOT_READY, f"containers with unready status: [{' '.join(unready)}]")
    wanted = [
        condition("PodReadyToStartContainers", "True" if furnished else "False", now),
        condition("Initialized", "True", now),
        condition("Ready", state, now, *why),
        condition("ContainersReady", state, now, *why),
        condition("PodScheduled", "True", now),
    ]
    earlier = {entry["type"]: entry for entry in before}
    for entry in wanted:
        old = earlier.get(entry["type"])
        if old is not None and old["status"] == entry["status"]:
            entry["lastTransitionTime"] = old["lastTransitionTime"]
    return wanted


def _container_status(spec: JsonObject, container: ContainerState) -> JsonObject:
    image = spec.get("image", "")
    ran = container.running or "terminated" in container.state or bool(container.last_state)
    return {
        "name": spec["name"],
        "state": container.state,
        "lastState": container.last_state,
        "ready": container.ready,
        "restartCount": container.restarts,
        "image": image,
        "imageID": f"simulated://{image}" if ran else "",
        "started": container.running,
    }


def _init_status(spec: JsonObject, beside: ContainerState, since: str) -> JsonObject:
    """An init container: a sidecar runs beside the others, any other has ended well at once."""
    if spec.get("restartPolicy") == "Always" or not beside.running:
        return _container_status(spec, beside)
    ended = terminated(0, "Completed", since, datetime.fromisoformat(since.replace("Z", "+00:00")))
    return _container_status(spec, ContainerState(ended, ready=True))
