"""Worlds of StatefulSets and DaemonSets: six pods that are released in canary steps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustersim.cluster import ClusterOptions, JsonObject
from clustersim.storage.resources import DAEMONSETS, STATEFULSETS, ResourceType
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import PARTITION_ANNOTATION, PAUSED_ANNOTATION
from tests.support.account import let_guard
from tests.support.world import CANARY_POLICY, NAMESPACE, World, world

PODS = 6
STEPS = CANARY_POLICY.replace("weight: 10%", "weight: 20%").replace("Deployment", "{kind}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is different about a kind in a story."""

    name: str
    resource: ResourceType
    annotation: str
    total: str
    updated: str
    available: str
    free: Callable[[JsonObject], bool]
    """Whether nothing keeps its pods from being replaced."""


def _no_partition(obj: JsonObject) -> bool:
    return not (obj["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition")


def _rolls(obj: JsonObject) -> bool:
    return bool(obj["spec"]["updateStrategy"]["type"] == "RollingUpdate")


STATEFUL = Kind(
    "StatefulSet",
    STATEFULSETS,
    PARTITION_ANNOTATION,
    "replicas",
    "updatedReplicas",
    "availableReplicas",
    _no_partition,
)
DAEMON = Kind(
    "DaemonSet",
    DAEMONSETS,
    PAUSED_ANNOTATION,
    "desiredNumberScheduled",
    "updatedNumberScheduled",
    "numberAvailable",
    _rolls,
)
KINDS = (STATEFUL, DAEMON)


@dataclass(frozen=True, slots=True)
class Set:
    """A workload named `web` of one kind, in its world."""

    world: World
    kind: Kind

    def object(self) -> JsonObject:
        """It, as it is now."""
        return self.world.cluster.store.get(self.kind.resource, NAMESPACE, "web")

    def release(self, image: str) -> None:
        """Change the image in its template."""
        self.world.cluster.set_image("web", image, namespace=NAMESPACE, resource=self.kind.resource)

    def change(self, change: Callable[[JsonObject], None]) -> None:
        """Change it in any way, as a person does."""
        self.world.cluster.change("web", change, namespace=NAMESPACE, resource=self.kind.resource)

    def free(self) -> bool:
        """Whether nothing of ours is left on it: no brake, and no mark."""
        obj = self.object()
        return self.kind.free(obj) and self.kind.annotation not in (obj["metadata"].get("annotations") or {})

    def image(self) -> str:
        """The image in its template."""
        return str(self.object()["spec"]["template"]["spec"]["containers"][0]["image"])

    def settled(self) -> bool:
        """Whether all its pods are of its template and available."""
        obj = self.object()
        status = obj.get("status") or {}
        counts = [status.get(name, 0) for name in (self.kind.updated, self.kind.available)]
        observed = status.get("observedGeneration") == obj["metadata"]["generation"]
        return observed and status.get(self.kind.total, 0) > 0 and counts == [status[self.kind.total]] * 2

    async def settle(self, within: float = 300) -> None:
        """Wait until it is rolled out."""
        await self.world.until(self.settled, within=within, what="it is rolled out")


@asynccontextmanager
async def guarded(kind: Kind, folder: Path, policy: str = STEPS, **spec: Any) -> AsyncIterator[Set]:
    """Six pods of `web:1` under traffic, watched by a daemon with the rights that ship for the kind."""
    named = {"SENTINEL_KUBERNETES__KINDS": f"Deployment,{kind.name}"}
    options = ClusterOptions(nodes=PODS)
    async with world(folder, policy.replace("{kind}", kind.name), options=options, **named) as here:
        let_guard(here.cluster, kind.resource.plural)
        if kind is STATEFUL:
            here.cluster.deploy_stateful("web", "web:1", PODS, namespace=NAMESPACE, **spec)
        else:
            here.cluster.deploy_daemon("web", "web:1", namespace=NAMESPACE, **spec)
        here.cluster.offer("web", 100, namespace=NAMESPACE)
        made = Set(here, kind)
        await made.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        yield made
