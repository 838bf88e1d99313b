"""Which pods of a ReplicaSet go first when it shrinks, and how fast it grows; as in `controller_utils.go`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from clustersim.controllers.common.pod_state import created_at, phase, ready_since, restarts

JsonObject = dict[str, Any]
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def slow_start_batches(count: int, initial: int = 1) -> list[int]:
    """The sizes of the batches in which `count` pods are created: 1, 2, 4 ... until all are made."""
    batches = []
    size = initial
    while count > 0:
        batches.append(min(size, count))
        count -= batches[-1]
        size *= 2
    return batches


def to_delete(
    pods: Sequence[JsonObject], count: int, now: datetime, related: Iterable[JsonObject] = ()
) -> list[JsonObject]:
    """The `count` pods that are deleted first.

    In this order: not scheduled, not running, not ready, cheaper by the deletion-cost annotation, more pods of
    the same owner on the node (`related`), ready for a shorter time, restarted more often, younger. Times are
    compared by their order of magnitude, equal ones by uid, as the real controller does to spread deletions.
    """
    if count >= len(pods):
        return list(pods)
    crowd = Counter(_node(pod) for pod in related)
    ranked = sorted(pods, key=lambda pod: _rank(pod, crowd[_node(pod)], now))
    return ranked[:count]


def _rank(pod: JsonObject, neighbours: int, now: datetime) -> tuple[Any, ...]:
    since = ready_since(pod)
    cost = (pod["metadata"].get("annotations") or {}).get(_DELETION_COST, "0")
    return (
        bool(_node(pod)),
        _PHASES.get(phase(pod), 1),
        since is not None,
        int(cost) if cost.lstrip("-").isdigit() else 0,
        -neighbours,
        0 if since is None else _magnitude(since, now),
        -restarts(pod) if since is None else 0,
        _magnitude(created_at(pod), now),
        pod["metadata"]["uid"],
    )


def _magnitude(since: datetime, now: datetime) -> int:
    nanoseconds = (now - since).total_seconds() * 1e9
    return math.floor(math.log2(nanoseconds)) if nanoseconds >= 1 else -1


def _node(pod: JsonObject) -> str:
    return str(pod.get("spec", {}).get("nodeName") or "")
