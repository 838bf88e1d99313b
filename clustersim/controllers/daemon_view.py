"""A DaemonSet, its nodes and pods as one sync sees them, and which pods have to come and go.

Follows Kubernetes' `pkg/controller/daemon`: first every node gets its one pod, then an update replaces pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clustersim.controllers.common import pod_state, revisions
from clustersim.controllers.common.placement import repelling_taint, required_node
from clustersim.controllers.common.rolling import scaled

JsonObject = dict[str, Any]
TOLERATED: tuple[JsonObject, ...] = tuple(
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists"}
    for key in (
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
    )
)
"""What the pods of every DaemonSet tolerate."""


@dataclass(slots=True)
class Moves:
    """Pods to delete, and nodes that get a new pod."""

    delete: list[JsonObject] = field(default_factory=list)
    create: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.delete or self.create)


@dataclass(frozen=True, slots=True)
class DaemonView:
    """One sync's view.

    `wanted`: the nodes that have to run a pod. `allowed`: those where a pod may stay. `by_node`: the pods of
    each node, the oldest first.
    """

    owner: JsonObject
    revision: JsonObject
    wanted: frozenset[str]
    allowed: frozenset[str]
    by_node: Mapping[str, Sequence[JsonObject]]
    now: datetime

    @classmethod
    def of(
        cls,
        owner: JsonObject,
        revision: JsonObject,
        nodes: Sequence[JsonObject],
        pods: Sequence[JsonObject],
        now: datetime,
    ) -> DaemonView:
        """Sorts the pods by node, and the nodes by what the pod template requires."""
        template = owner["spec"]["template"]["spec"]
        tolerations = [*(template.get("tolerations") or ()), *TOLERATED]
        selected = [node for node in nodes if _selects(template, node)]
        wanted, allowed = (
            frozenset(
                node["metadata"]["name"]
                for node in selected
                if repelling_taint(node, tolerations, effects) is None
            )
            for effects in (("NoSchedule", "NoExecute"), ("NoExecute",))
        )
        by_node: dict[str, list[JsonObject]] = {}
        for pod in sorted(pods, key=_age):
            node = pod["spec"].get("nodeName") or required_node(pod)
            if node:
                by_node.setdefault(node, []).append(pod)
        return cls(owner, revision, wanted, allowed, by_node, now)

    def pods_on(self, node: str) -> Sequence[JsonObject]:
        """The pods of a node, the oldest first."""
        return self.by_node.get(node, ())

    def is_new(self, pod: JsonObject) -> bool:
        """Whether the pod is of the present template."""
        return pod_hash(pod) == revisions.hash_of(self.revision)

    def is_available(self, pod: JsonObject) -> bool:
        """Whether the pod has been ready for `minReadySeconds`."""
        return pod_state.is_available(pod, self.owner["spec"].get("minReadySeconds", 0), self.now)

    def placing(self) -> Moves:
        """What brings one pod to every node: missing ones come; ended, surplus and misplaced ones go."""
        moves = Moves()
        for node in sorted(self.wanted | self.by_node.keys()):
            pods = self.pods_on(node)
            standing = [pod for pod in pods if not pod_state.is_terminating(pod)]
            running = [pod for pod in standing if pod_state.is_active(pod)]
            if node not in self.allowed:
                moves.delete += standing
            elif not pods and node in self.wanted:
                moves.create.append(node)
            else:
                moves.delete += [pod for pod in standing if pod not in running]
                moves.delete += self._surplus(running)
        return moves

    def _surplus(self, running: Sequence[JsonObject]) -> Iterator[JsonObject]:
        """The pods beyond one; with a surge, beyond one of each kind until the new one is available."""
        if not self._limits()[1]:
            yield from running[1:]
            return
        new = [pod for pod in running if self.is_new(pod)]
        old = [pod for pod in running if not self.is_new(pod)]
        yield from new[1:]
        replaced = new and old and (pod_state.ready_since(old[0]) is None or self.is_available(new[0]))
        yield from old if replaced else old[1:]

    def updating(self) -> Moves:
        """What the rolling update does next, where placing has nothing to do."""
        unavailable, surge = self._limits()
        pairs = {node: self._pair(node) for node in sorted(self.wanted)}
        return self._surging(pairs, surge) if surge else self._replacing(pairs, unavailable)

    def _replacing(self, pairs: Mapping[str, _Pair], limit: int) -> Moves:
        """Delete old pods: broken ones at once, available ones as far as `maxUnavailable` allows."""
        unavailable = 0
        broken: list[JsonObject] = []
        candidates: list[JsonObject] = []
        for new, old in pairs.values():
            if (new is None) == (old is None):
                unavailable += 1
            elif new is not None:
                unavailable += not self.is_available(new)
            elif old is not None:
                (candidates if self.is_available(old) else broken).append(old)
        return Moves(delete=[*broken, *candidates[: max(limit - unavailable, 0)]])

    def _surging(self, pairs: Mapping[str, _Pair], limit: int) -> Moves:
        """Put a new pod beside old ones: beside broken ones at once, else at most `maxSurge` at a time."""
        surging = 0
        broken: list[str] = []
        candidates: list[str] = []
        for node, (new, old) in pairs.items():
            if new is not None and old is not None:
                surging += 1
            elif old is not None:
                (candidates if self.is_available(old) else broken).append(node)
        return Moves(create=[*broken, *candidates[: max(limit - surging, 0)]])

    def _pair(self, node: str) -> _Pair:
        """The standing pod of the present template on a node, and that of another."""
        standing = [pod for pod in self.pods_on(node) if not pod_state.is_terminating(pod)]
        new = next((pod for pod in standing if self.is_new(pod)), None)
        old = next((pod for pod in standing if not self.is_new(pod)), None)
        return new, old

    def _limits(self) -> tuple[int, int]:
        """`maxUnavailable` and `maxSurge` in nodes."""
        rolling = self.owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
        unavailable = scaled(rolling.get("maxUnavailable", 1), len(self.wanted), round_up=True)
        return unavailable, scaled(rolling.get("maxSurge", 0), len(self.wanted), round_up=True)


_Pair = tuple[JsonObject | None, JsonObject | None]


def pod_hash(pod: JsonObject) -> str:
    """The hash of the revision that the pod was made from."""
    return str((pod["metadata"].get("labels") or {}).get(revisions.POD_REVISION_LABEL, ""))


def _selects(template: JsonObject, node: JsonObject) -> bool:
    wanted = template.get("nodeSelector") or {}
    return bool(wanted.items() <= (node["metadata"].get("labels") or {}).items())


def _age(pod: JsonObject) -> tuple[bool, str, str]:
    metadata = pod["metadata"]
    return not pod["spec"].get("nodeName"), metadata["creationTimestamp"], metadata["name"]
