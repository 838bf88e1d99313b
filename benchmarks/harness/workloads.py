"""A real cluster's workloads under the sentinel or under Argo Rollouts: they are made, released, and rolled out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, NAMESPACES, PODS, RECORDS, ApiResource
from sentinel.domain.errors import ConflictError, NotFoundError

JsonObject = dict[str, Any]
NAMESPACE = "side-by-side"
_RELEASED = "released"
_CREATED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Scale:
    """How many workloads of how many pods there are, and how many are released at once."""

    workloads: int
    replicas: int
    released: int


class Cluster:
    """The workloads of one kind in a real cluster, Deployments or Rollouts; `spec` is what they have beside pods."""

    def __init__(self, client: ApiClient, scale: Scale, resource: ApiResource, spec: JsonObject) -> None:
        self._client = client
        self._scale = scale
        self._resource = resource
        self._spec = spec
        self._image = f"web:{int(time.time())}"  # another one each time

    async def create(self, more: Sequence[tuple[ApiResource, JsonObject]]) -> None:
        """Create them, and wait until all pods are ready."""
        await self._ensure(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for resource, obj in more:  # one of an earlier run names a server that is gone
            with suppress(NotFoundError):
                await self._client.delete(RequestTarget(resource, NAMESPACE, obj["metadata"]["name"]))
            await self._ensure(resource, obj)
        room = asyncio.Semaphore(_CREATED_AT_ONCE)

        async def create(number: int) -> None:
            async with room:
                await self._ensure(self._resource, self._workload(number))

        await asyncio.gather(*map(create, range(self._scale.workloads)))
        wanted = self._scale.workloads * self._scale.replicas
        while (ready := await self.available()) < wanted:
            print(f"{ready} of {wanted} pods are available", flush=True)
            await asyncio.sleep(5)

    async def release(self) -> None:
        """Give some of them another image, all at once."""
        operations = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": self._image}
        ]
        await asyncio.gather(
            *(
                self._client.json_patch(RequestTarget(self._resource, NAMESPACE, f"web-{number}"), operations)
                for number in range(self._scale.released)
            )
        )

    async def promoted(self) -> int:
        """How many of these are rolled out and judged good."""
        if self._resource == DEPLOYMENTS:
            records = await self._list(RECORDS)
            return sum(
                record["spec"]["candidate"].get("images") == [self._image]
                and (record.get("status") or {}).get("phase") == "Promoted"
                for record in records
            )
        rollouts = await self._list(self._resource, _RELEASED)
        return sum(_promoted(rollout) for rollout in rollouts)

    async def pods(self) -> set[str]:
        """The names of the pods of those that are released."""
        return {pod["metadata"]["name"] for pod in await self._list(PODS, _RELEASED)}

    async def recorded(self) -> int:
        """How many are on record with the sentinel."""
        return len(await self._list(RECORDS))

    async def available(self) -> int:
        """How many pods are."""
        workloads = await self._list(self._resource)
        return sum((each.get("status") or {}).get("availableReplicas", 0) for each in workloads)

    async def _list(self, resource: ApiResource, label: str = "") -> list[JsonObject]:
        params = {"labelSelector": label} if label else {}
        target = RequestTarget(resource, NAMESPACE)
        found: list[JsonObject] = (await self._client.request("GET", target, params=params, timeout=60))[
            "items"
        ]
        return found

    async def _ensure(self, resource: ApiResource, obj: JsonObject) -> None:
        with suppress(ConflictError):
            where = RequestTarget(resource, NAMESPACE if resource.namespaced else "")
            await self._client.create(where, obj, timeout=60)

    def _workload(self, number: int) -> JsonObject:
        name = f"web-{number}"
        labels = {"app": name, **({_RELEASED: "yes"} if number < self._scale.released else {})}
        container = {"name": "web", "image": "web:1", "ports": [{"containerPort": 8080}]}
        kind = "Deployment" if self._resource == DEPLOYMENTS else "Rollout"
        return {
            "apiVersion": self._resource.api_version,
            "kind": kind,
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "replicas": self._scale.replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                **self._spec,
            },
        }


def _promoted(rollout: JsonObject) -> bool:
    status = rollout.get("status") or {}
    seen: bool = status.get("observedGeneration") == str(rollout["metadata"]["generation"])
    return (
        seen and status.get("phase") == "Healthy" and status.get("stableRS") == status.get("currentPodHash")
    )
