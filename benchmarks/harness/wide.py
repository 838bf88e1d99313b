"""A wide simulated cluster in a separate process: many Deployments in many namespaces, some of which are released."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.harness.link import Link, Message
from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.node.behaviour import Behaviour
from clustersim.node.machines import NodeSpec
from clustersim.storage.history import Event
from clustersim.storage.resources import CRDS, DEPLOYMENTS, PODS
from sentinel.adapters.kubernetes.custom.crd import definitions

_STEADY = Behaviour(start_after=1.0, ready_after=3.0, stop_after=1.0)
"""Pods of real services take as long, and a rollout of pods that are ready at once is over before anybody sees it."""
_BETWEEN_RELEASES = 0.1
_PODS_PER_NODE = 250
_ROLLING: dict[str, Any] = {
    "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    "revisionHistoryLimit": 2,
}


@dataclass(frozen=True, slots=True)
class WideSpec:
    """How many Deployments of how many pods each, spread over so many namespaces."""

    deployments: int
    replicas: int
    namespaces: int

    def namespace_of(self, index: int) -> str:
        """The namespace of a Deployment."""
        return f"shop-{index % self.namespaces:02d}"


def name_of(index: int) -> str:
    """The name of a Deployment."""
    return f"web-{index:05d}"


def run_wide(connection: Connection, spec: WideSpec) -> None:
    """The child process' main function.

    Takes ("release", indices) and ("stop",). Sends ("ready", url, kubeconfig) once all Deployments are available,
    ("pod", namespace, name, present), ("known", Deployment) once what runs there is on record, and ("baking",
    Deployment, whether its time counts).
    """
    asyncio.run(_Wide(Link(connection), spec).serve())


class _Wide:
    def __init__(self, link: Link, spec: WideSpec) -> None:
        count = spec.deployments * (spec.replicas + 1) // _PODS_PER_NODE + 2
        nodes = tuple(NodeSpec(f"node-{i}", cpu="512", pods=_PODS_PER_NODE) for i in range(count))
        options = ClusterOptions(nodes=nodes, events=False, scrape_interval=1e6, history=50_000)
        self._link, self._spec = link, spec
        self._stopped = asyncio.Event()
        self._available: set[str] = set()
        self._cluster = SimulatedCluster(lambda: datetime.now(UTC), options)
        self._cluster.behaviours.default = _STEADY

    async def serve(self) -> None:
        """Be the cluster until told to stop."""
        cluster, spec = self._cluster, self._spec
        async with cluster:
            cluster.store.subscribe(self._heed)
            for definition in definitions():
                cluster.store.create(CRDS, definition)
            for index in range(spec.deployments):
                name, namespace = name_of(index), spec.namespace_of(index)
                cluster.deploy(name, f"{name}:stable", spec.replicas, namespace=namespace, **_ROLLING)
            while len(self._available) < spec.deployments:  # noqa: ASYNC110 - as a person would
                await asyncio.sleep(0.5)
            gc.collect()
            gc.freeze()  # what stands here for good need not be walked again and again: it is not what is measured
            self._link.listen(self._obey)
            self._link.send("ready", cluster.url, cluster.kubeconfig())
            await self._stopped.wait()
        self._link.close()

    def _obey(self, message: Message) -> None:
        if message[0] == "stop":
            self._stopped.set()
        else:
            self._release(message[1])

    def _release(self, indices: Sequence[int]) -> None:
        """One after the other, as the teams of a cluster do."""
        index, *others = indices
        name = name_of(index)
        self._cluster.set_image(name, f"{name}:next", namespace=self._spec.namespace_of(index))
        if others:
            asyncio.get_running_loop().call_later(_BETWEEN_RELEASES, self._release, others)

    def _heed(self, event: Event) -> None:
        metadata, resource = event.object["metadata"], event.resource
        status = event.object.get("status") or {}
        if resource is DEPLOYMENTS and status.get("availableReplicas") == self._spec.replicas:
            self._available.add(metadata["name"])
        elif resource is PODS and event.type != "MODIFIED":
            present = event.type == "ADDED"
            self._link.send("pod", metadata["namespace"], metadata["name"], present)
        elif resource.plural == "rolloutrecords":
            self._tell(event.object["spec"]["workload"]["name"], status)

    def _tell(self, name: str, status: dict[str, Any]) -> None:
        if status.get("phase") == "Baking":
            self._link.send("baking", name, bool((status.get("progress") or {}).get("reachedAt")))
        elif status.get("phase") == "Unjudged":
            self._link.send("known", name)
