"""A simulated cluster of many large pods, in a separate process, for what it costs to take them in."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import orjson

from benchmarks.harness.link import Link
from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.node.behaviour import Behaviour
from clustersim.node.machines import NodeSpec
from clustersim.storage.resources import CRDS, DEPLOYMENTS
from sentinel.adapters.kubernetes.custom.crd import definitions

_NODES = 100
_QUICK = Behaviour(start_after=0.01, ready_after=0.01)


def serve(connection: Connection, deployments: int, replicas: int) -> None:
    """The cluster's main function: sends ("ready", kubeconfig as bytes), serves until ("stop",)."""
    asyncio.run(_serve(Link(connection), deployments, replicas))


async def _serve(link: Link, deployments: int, replicas: int) -> None:
    room = deployments * replicas // _NODES * 2 + 20
    nodes = tuple(NodeSpec(f"node-{i}", cpu="4096", memory="64Ti", pods=room) for i in range(_NODES))
    options = ClusterOptions(nodes=nodes, events=False, scrape_interval=1e6, history=1000)
    stopped = asyncio.Event()
    cluster = SimulatedCluster(lambda: datetime.now(UTC), options)
    cluster.behaviours.default = _QUICK
    async with cluster:
        for definition in definitions():
            cluster.store.create(CRDS, definition)
        for index in range(deployments):
            name = f"web-{index:03d}"
            cluster.deploy(name, "", replicas, namespace="shop", template=template(name))
        while not _available(cluster, replicas):  # noqa: ASYNC110 - as a person would
            await asyncio.sleep(0.2)
        gc.collect()
        gc.freeze()
        link.listen(lambda _message: stopped.set())
        link.send("ready", orjson.dumps(cluster.kubeconfig()))
        await stopped.wait()
    link.close()


def _available(cluster: SimulatedCluster, replicas: int) -> bool:
    found = cluster.store.list(DEPLOYMENTS, "shop")
    return all((d.get("status") or {}).get("availableReplicas") == replicas for d in found)


def template(name: str) -> dict[str, Any]:
    """Pods with what those of a real service have: environment, probes, resources, volumes, annotations."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3}
    container = {
        "name": "main",
        "image": f"registry.example/shop/{name}:1.0",
        "env": [{"name": f"SETTING_{i}", "value": f"some value number {i}"} for i in range(25)],
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "512Mi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "volumeMounts": [{"name": f"volume-{i}", "mountPath": f"/data/{i}"} for i in range(4)],
    }
    volumes = [{"name": f"volume-{i}", "configMap": {"name": f"config-{i}"}} for i in range(4)]
    annotations = {f"example.com/note-{i}": "a remark of some length " * 3 for i in range(6)}
    return {
        "metadata": {"labels": {"app": name}, "annotations": annotations},
        "spec": {"containers": [container], "volumes": volumes},
    }
