"""A recorded Argo controller that plays on in a simulated cluster: what it did then, it does when its turn has come.

Where the recording has a write of the sentinel's, the controller waits until the daemon has made one to the same end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Any

from clustersim.cluster import SimulatedCluster
from clustersim.storage.resources import CRDS, DEPLOYMENTS, PODS, REPLICASETS, ResourceType
from tests.support.recorded import Json, RecordedEvent, RecordedWrite, merged, story

NAMESPACE = "rec"
NAME = "web"
_LOOK = 0.05
"""So often, in seconds, it looks whether the daemon has written what it waits for."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_DEFINITION = {
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout", "listKind": "RolloutList"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": _ANY, "status": _ANY}}
                },
                "subresources": {"status": {}},
            }
        ],
    },
}
"""As little as the simulation needs to serve Rollouts."""


@dataclass
class RecordedController:
    """Plays a recording. `before` are conditions on which its remarks and writes wait, by their names.

    `last`: nothing of the recording is played that came later, in seconds.
    """

    cluster: SimulatedCluster
    name: str
    before: Mapping[str, Callable[[], bool]] = field(default_factory=dict)
    last: float = inf
    _began: float = 0.0
    _epoch: datetime | None = None
    _uids: dict[str, str] = field(default_factory=dict)
    _resources: dict[str, ResourceType] = field(default_factory=dict)

    def install(self) -> None:
        """Have Rollouts served."""
        self.cluster.store.create(CRDS, deepcopy(_DEFINITION))
        self.cluster.namespace(NAMESPACE)
        rollouts = self.cluster.api.registry.find("argoproj.io", "v1alpha1", "rollouts")
        assert rollouts is not None
        self._resources = {
            "rollouts": rollouts,
            "deployments": DEPLOYMENTS,
            "replicasets": REPLICASETS,
            "pods": PODS,
        }

    @property
    def rollout(self) -> Json:
        """The Rollout as it is now."""
        return self.cluster.store.get(self._resources["rollouts"], NAMESPACE, NAME)

    async def play(self) -> None:
        """Play the recording to its end."""
        lines = [line for line in story("argo", self.name) if line.at <= self.last]
        self._began = asyncio.get_running_loop().time()
        for index, line in enumerate(lines):
            awaited = next(
                (w for w in lines[index:] if isinstance(w, RecordedWrite) and w.by == "sentinel"), None
            )
            await self._turn(line, awaited)
            if isinstance(line, RecordedEvent):
                self._show(line)
            elif line.by == "somebody":
                self._write(line)

    async def _turn(self, line: RecordedEvent | RecordedWrite, awaited: RecordedWrite | None) -> None:
        """Wait for the line's time, or for what it waits for; what the sentinel did early is not waited for."""
        loop = asyncio.get_running_loop()
        while (left := self._began + line.at - loop.time()) > 0:
            if awaited is not None and awaited is not line and self._done(awaited):
                break
            await asyncio.sleep(min(left, _LOOK))
        if isinstance(line, RecordedWrite):
            condition = self.before.get(line.step)
            if condition is not None:
                await self._until(condition)
            if line.by == "sentinel":
                await self._until(lambda: self._done(line))
            self._began = asyncio.get_running_loop().time() - line.at

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(1800):
            while not holds():  # noqa: ASYNC110 - the cluster has no event for just this
                await asyncio.sleep(_LOOK)

    def _done(self, write: RecordedWrite) -> bool:
        """Whether the daemon has made this write, or one to the same end."""
        live = self.cluster.store.find(self._resources["rollouts"], NAMESPACE, NAME)
        if live is None:
            return False
        status = live.get("status") or {}
        holder = live
        if "workloadRef" in live["spec"]:
            holder = self.cluster.store.get(DEPLOYMENTS, NAMESPACE, live["spec"]["workloadRef"]["name"])
        image = _image(holder)
        match write.step.split():
            case ["promote"]:
                return status.get("controllerPause") is True and not status.get("pauseConditions")
            case ["promote", "in", "full"]:
                return bool(status.get("promoteFull"))
            case ["abort"]:
                return bool(status.get("abort"))
            case ["put", "version", version, "back"]:
                return bool(image.endswith(f":{version}"))
        raise AssertionError(f"a write that is not known: {write.step}")

    def _write(self, write: RecordedWrite) -> None:
        """What people did."""
        assert write.request is not None
        body, store = write.request["body"], self.cluster.store
        resource = next(
            kind for plural, kind in self._resources.items() if f"/{plural}" in write.request["path"]
        )
        if write.request["method"] == "POST":
            made = {**body, "metadata": {**body["metadata"], "namespace": NAMESPACE}}
            store.create(resource, made, manager="somebody")
            return

        def change(obj: Json) -> None:
            obj.update(merged(obj, body))

        store.mutate(resource, NAMESPACE, NAME, change, manager="somebody")

    def _show(self, event: RecordedEvent) -> None:
        """Make an object what the recording shows, in this cluster's time and with this cluster's uids."""
        resource, store = self._resources.get(event.watch), self.cluster.store
        if resource is None:
            return
        seen = self._translated(event)
        name = seen["metadata"]["name"]
        if event.type == "DELETED":
            if store.find(resource, NAMESPACE, name) is not None:
                store.remove(resource, NAMESPACE, name)
            return
        if store.find(resource, NAMESPACE, name) is None:
            made = store.create(resource, seen, manager="rollouts-controller")
            self._uids[event.object["metadata"]["uid"]] = made["metadata"]["uid"]
        else:
            held = store.get(resource, NAMESPACE, name)
            self._uids[event.object["metadata"]["uid"]] = held["metadata"]["uid"]

        def change(obj: Json) -> None:
            for part in ("labels", "annotations", "ownerReferences"):
                if part in seen["metadata"]:
                    obj["metadata"][part] = seen["metadata"][part]
            # Of a template the controller writes no more than defaults: it never goes back to another one.
            if _image(obj) in (_image(seen), ""):
                obj["spec"] = seen.get("spec", {})

        def report(obj: Json) -> None:
            obj["status"] = seen.get("status", {})

        if event.watch != "deployments":
            store.mutate(resource, NAMESPACE, name, change, manager="rollouts-controller")
        store.mutate(resource, NAMESPACE, name, report, subresource="status", manager="rollouts-controller")
        if "deletionTimestamp" in seen["metadata"]:
            store.delete(resource, NAMESPACE, name, grace_period=30)

    def _translated(self, event: RecordedEvent) -> Json:
        """The object with its times moved from then to now, and its owners' uids those of this cluster."""
        if self._epoch is None:
            created = datetime.fromisoformat(event.object["metadata"]["creationTimestamp"])
            self._epoch = created - timedelta(seconds=event.at)
        return dict(self._moved(event.object, self.cluster.now() - self._epoch - timedelta(seconds=event.at)))

    def _moved(self, value: Any, by: timedelta) -> Any:
        if isinstance(value, dict):
            return {key: self._moved(item, by) for key, item in value.items()}
        if isinstance(value, list):
            return [self._moved(item, by) for item in value]
        if isinstance(value, str):
            if _TIME.fullmatch(value):
                return (datetime.fromisoformat(value) + by).strftime("%Y-%m-%dT%H:%M:%SZ")
            return self._uids.get(value, value)
        return value


def _image(owner: Json) -> str:
    """The image in an object's template; empty where the template stands elsewhere."""
    containers = owner["spec"].get("template", {}).get("spec", {}).get("containers", [{}])
    return str(containers[0].get("image", ""))
