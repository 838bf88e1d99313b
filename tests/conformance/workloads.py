"""Workloads under test, whose pods the test itself makes ready: no kubelet is assumed, none interferes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.conformance.api import Api

JsonObject = dict[str, Any]
NOBODY = "nobody"
"""A scheduler that does not exist, so that no kubelet ever takes up the pods."""

KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
_PATIENCE = 25.0


class Workload:
    """One workload of a test's namespace, its ReplicaSets and pods."""

    def __init__(self, api: Api, namespace: str, kind: str, name: str = "web") -> None:
        self.api = api
        self.namespace = namespace
        self.kind = kind
        self.name = name
        self.collection = f"/apis/apps/v1/namespaces/{namespace}/{KINDS[kind]}"
        self.path = f"{self.collection}/{name}"

    async def create(
        self, image: str = "app:v1", *, pod: JsonObject | None = None, **spec: Any
    ) -> JsonObject:
        """Make it, with fields of its spec by keyword and of its pods' by `pod`."""
        labels = {"app": self.name}
        template = {
            "metadata": {"labels": labels},
            "spec": {
                "schedulerName": NOBODY,
                "containers": [{"name": "main", "image": image}],
                **(pod or {}),
            },
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": self.kind,
            "metadata": {"name": self.name},
            "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
        }
        return (await self.api.post(self.collection, body)).ok()

    async def set_image(self, image: str, *more: JsonObject) -> JsonObject:
        """Change the image by JSON patch, with further operations in the same patch."""
        path = "/spec/template/spec/containers/0/image"
        patch = [{"op": "replace", "path": path, "value": image}, *more]
        return (await self.api.patch(self.path, patch, "json")).ok()

    async def change(self, **spec: Any) -> JsonObject:
        """Merge fields into the spec."""
        return (await self.api.patch(self.path, {"spec": spec})).ok()

    async def read(self) -> JsonObject:
        """The workload now."""
        return (await self.api.get(self.path)).ok()

    async def status(self) -> JsonObject:
        """Its status now."""
        return (await self.read()).get("status") or {}

    async def until(self, condition: Callable[[JsonObject], bool]) -> JsonObject:
        """The workload once its controller has seen its newest generation and it meets the condition."""
        return await self.api.eventually(
            self.path, lambda found: is_seen(found) and condition(found), within=_PATIENCE
        )

    async def until_seen(self) -> JsonObject:
        """The workload once its controller has seen its newest generation."""
        return await self.until(is_seen)

    async def pods(self, image: str = "") -> list[JsonObject]:
        """Its pods, of one image or of all, less those on their way out."""
        found = await self._listed(f"/api/v1/namespaces/{self.namespace}/pods")
        return [
            pod
            for pod in found
            if image in ("", pod["spec"]["containers"][0]["image"])
            and "deletionTimestamp" not in pod["metadata"]
        ]

    async def replica_sets(self) -> dict[str, JsonObject]:
        """Its ReplicaSets by image."""
        found = await self._listed(f"/apis/apps/v1/namespaces/{self.namespace}/replicasets")
        return {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in found}

    async def revisions(self) -> list[JsonObject]:
        """Its ControllerRevisions, oldest first."""
        found = await self._listed(f"/apis/apps/v1/namespaces/{self.namespace}/controllerrevisions")
        return sorted(found, key=lambda revision: int(revision["revision"]))

    async def _listed(self, path: str) -> list[JsonObject]:
        answer = await self.api.get(path, labelSelector=f"app={self.name}")
        items: list[JsonObject] = answer.ok()["items"]
        return items

    async def set_ready(self, pod: JsonObject, ready: bool = True) -> None:
        """Write the status of a pod as a kubelet would, by the cluster's clock; let be a pod that is gone."""
        now = pod["metadata"]["creationTimestamp"]
        state = "True" if ready else "False"
        conditions = [
            {"type": type_, "status": state, "lastTransitionTime": now}
            for type_ in ("Ready", "ContainersReady")
        ]
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        body = {"status": {"phase": "Running", "conditions": conditions}}
        answer = await self.api.patch(path, body, "strategic")
        assert answer.status in (200, 404), answer.body

    async def settle(self, condition: Callable[[JsonObject], bool], *, unready: str = "-") -> JsonObject:
        """Make pods ready as they come, less those of the image `unready`, until the workload is so."""
        async with asyncio.timeout(_PATIENCE * 2):
            while True:
                for pod in await self.pods():
                    if pod["spec"]["containers"][0]["image"] != unready and not is_ready(pod):
                        await self.set_ready(pod)
                workload = await self.read()
                if is_seen(workload) and condition(workload):
                    return workload
                await asyncio.sleep(0.1)

    async def steady(self) -> None:
        """Wait as long as a controller would take to do what it should not do."""
        await asyncio.sleep(1.5)


def is_seen(workload: JsonObject) -> bool:
    """Whether the controller has seen the newest generation."""
    seen: int = (workload.get("status") or {}).get("observedGeneration", 0)
    return seen >= int(workload["metadata"]["generation"])


def is_ready(pod: JsonObject) -> bool:
    """Whether the pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def rolled_out(workload: JsonObject) -> bool:
    """Whether a Deployment is complete."""
    status, replicas = workload.get("status") or {}, workload["spec"]["replicas"]
    counters = ("replicas", "updatedReplicas", "availableReplicas")
    return all(status.get(name, 0) == replicas for name in counters)


def condition(workload: JsonObject, type_: str) -> tuple[str, str]:
    """Status and reason of a condition; empty where it is absent."""
    for entry in (workload.get("status") or {}).get("conditions") or ():
        if entry["type"] == type_:
            return entry["status"], entry.get("reason", "")
    return "", ""
