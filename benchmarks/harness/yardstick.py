"""The yardstick: bare round trips of a patch shaped like an undo's, by the daemon's own API client."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.world import ELSEWHERE, YARDSTICK
from sentinel.adapters.kubernetes.api.access import load_access
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS
from sentinel.ports import SystemClock

_PLACE = RequestTarget(DEPLOYMENTS, ELSEWHERE, YARDSTICK)


class Yardstick:
    """A Deployment without pods that nobody guards, its template patched to and fro."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls, kubeconfig: Path) -> Yardstick:
        """A yardstick for the cluster of this kubeconfig."""
        client = ApiClient(await load_access(str(kubeconfig), None, SystemClock()))
        await client.open()
        return cls(client)

    async def close(self) -> None:
        """Close its connection."""
        await self._client.close()

    async def round_trip(self) -> float:
        """Milliseconds from sending the patch to its answer; the reading before it does not count."""
        live = await self._client.get(_PLACE)
        operations = self._operations(live)
        await asyncio.sleep(0.02)  # its ReplicaSets of the last time are made
        began = time.monotonic_ns()
        await self._client.json_patch(_PLACE, operations)
        return (time.monotonic_ns() - began) / 1e6

    def _operations(self, live: dict[str, Any]) -> list[dict[str, Any]]:
        """As `patches.restore` makes them."""
        template = live["spec"]["template"]
        (container,) = template["spec"]["containers"]
        image = f"{YARDSTICK}:{'b' if container['image'].endswith(':a') else 'a'}"
        other = {**template, "spec": {**template["spec"], "containers": [{**container, "image": image}]}}
        return [
            {"op": "test", "path": "/metadata/uid", "value": live["metadata"]["uid"]},
            {"op": "test", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/spec/template", "value": other},
        ]
