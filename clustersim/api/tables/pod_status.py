"""How a pod's state is summed up in one word, as `kubectl get pods` shows it."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def pod_cells(pod: JsonObject) -> tuple[str, str, int, str | None]:
    """Ready containers of all, the state in a word, restarts, and when the last restart was."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    ready = sum(1 for c in containers if c.get("ready"))
    restarts = sum(c.get("restartCount", 0) for c in containers)
    finished = [_finished(c) for c in containers if c.get("restartCount")]
    last = max((f for f in finished if f), default=None)
    total = len(pod["spec"].get("containers") or ())
    return f"{ready}/{total}", _word(pod, status, containers), restarts, last


def _finished(container: JsonObject) -> str | None:
    terminated: JsonObject = (container.get("lastState") or {}).get("terminated") or {}
    return terminated.get("finishedAt")


def _word(pod: JsonObject, status: JsonObject, containers: list[JsonObject]) -> str:
    word = status.get("reason") or status.get("phase") or "Unknown"
    if _unschedulable_gated(status):
        word = "SchedulingGated"
    word = _init_word(pod, status) or _container_word(word, status, containers)
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(word)


def _unschedulable_gated(status: JsonObject) -> bool:
    return any(
        c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated"
        for c in status.get("conditions") or ()
    )


def _init_word(pod: JsonObject, status: JsonObject) -> str:
    total = len(pod["spec"].get("initContainers") or ())
    for done, container in enumerate(status.get("initContainerStatuses") or ()):
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated and terminated.get("exitCode", 0) == 0:
            continue
        if terminated:
            return f"Init:{_ended(terminated)}"
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{done}/{total}"
    return ""


def _container_word(word: str, status: JsonObject, containers: list[JsonObject]) -> str:
    running = False
    for container in reversed(containers):
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            word = waiting["reason"]
        elif terminated:
            word = _ended(terminated)
        elif container.get("ready") and state.get("running") is not None:
            running = True
    if word == "Completed" and running:
        ready = any(
            c.get("type") == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()
        )
        return "Running" if ready else "NotReady"
    return word


def _ended(terminated: JsonObject) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"
