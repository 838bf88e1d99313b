"""A recorded Argo controller that plays on in a simulated cluster: what it did then, it does when its turn has come.

Where the recording has a write of the sentinel's, the controller waits until the daemon has made one to the same end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Any

from clustersim.cluster import SimulatedCluster
from clustersim.replay.recorded import Json, RecordedEvent, RecordedWrite, merged, story
from clustersim.storage.resources import CRDS, DEPLOYMENTS, PODS, REPLICASETS, ResourceType

ROLLOUTS = "rollouts"
_LOOK = 0.05
"""So often, in seconds, it looks whether the daemon has written what it waits for."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_NAMED = re.compile(r"^(registry\.example/)?web(?=$|[-:])")
_ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_DEFINITION = {
    "metadata": {"name": f"{ROLLOUTS}.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"kind": "Rollout", "plural": ROLLOUTS, "singular": "rollout", "listKind": "RolloutList"},
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
    """Plays a recording of one Rollout, in this namespace and with this name.

    `before` are conditions on which its remarks and writes wait, by their names. `without`: what people wrote then
    and write not now. `last`: nothing of the recording is played that came later, in seconds.
    """

    cluster: SimulatedCluster
    recording: str
    before: Mapping[str, Callable[[], bool]] = field(default_factory=dict)
    last: float = inf
    without: Collection[str] = ()
    namespace: str = "rec"
    name: str = "web"
    _began: float = 0.0
    _epoch: datetime | None = None
    _ahead: RecordedWrite | None = None
    _uids: dict[str, str] = field(default_factory=dict)
    _resources: dict[str, ResourceType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rollouts = self.cluster.api.registry.find("argoproj.io", "v1alpha1", ROLLOUTS)
        if rollouts is None:
            raise LookupError("the cluster does not serve Rollouts yet: define_rollouts")
        self.cluster.namespace(self.namespace)
        self._resources = {
            ROLLOUTS: rollouts,
            "deployments": DEPLOYMENTS,
            "replicasets": REPLICASETS,
            "pods": PODS,
        }

    @property
    def rollout(self) -> Json:
        """The Rollout as it is now; raises ApiError 404."""
        return self.cluster.store.get(self._resources[ROLLOUTS], self.namespace, self.name)

    @property
    def found(self) -> Json | None:
        """The same; None before it was created."""
        return self.cluster.store.find(self._resources[ROLLOUTS], self.namespace, self.name)

    async def play(self) -> None:
        """Play the recording to its end."""
        played = (line for line in story("argo", self.recording) if line.at <= self.last)
        lines = [x for x in played if not (isinstance(x, RecordedWrite) and x.step in self.without)]
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
        while awaited is None or not self._made(awaited):
            left = self._began + line.at - loop.time()
            if left <= 0:
                break
            await asyncio.sleep(min(left, _LOOK))
        if isinstance(line, RecordedWrite):
            condition = self.before.get(line.step)
            if condition is not None:
                await self._until(condition)
            if line.by == "sentinel":
                await self._until(lambda: self._made(line))
            self._began = asyncio.get_running_loop().time() - line.at

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(1800):
            while not holds():  # noqa: ASYNC110 - the cluster has no event for just this
                await asyncio.sleep(_LOOK)

    def _made(self, write: RecordedWrite) -> bool:
        """Whether the daemon has made this write, though what is recorded of the time before was shown since."""
        if write is not self._ahead and self._done(write):
            self._ahead = write
        return write is self._ahead

    def _done(self, write: RecordedWrite) -> bool:
        """Whether the Rollout is as after this write, or one to the same end."""
        live = self.found
        if live is None:
            return False
        status = live.get("status") or {}
        holder = live
        if "workloadRef" in live["spec"]:
            holder = self.cluster.store.get(DEPLOYMENTS, self.namespace, live["spec"]["workloadRef"]["name"])
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
        assert write.request is not None  # nosec B101  # remarks are by nobody
        body, store = self._moved(write.request["body"], timedelta()), self.cluster.store
        resource = next(
            kind for plural, kind in self._resources.items() if f"/{plural}" in write.request["path"]
        )
        if write.request["method"] == "POST":
            made = {**body, "metadata": {**body["metadata"], "namespace": self.namespace}}
            store.create(resource, made, manager="somebody")
            return

        def change(obj: Json) -> None:
            obj.update(merged(obj, body))

        store.mutate(resource, self.namespace, self.name, change, manager="somebody")

    def _show(self, event: RecordedEvent) -> None:
        """Make an object what the recording shows, in this cluster's time and with this cluster's names and uids."""
        resource, store = self._resources.get(event.watch), self.cluster.store
        if resource is None:
            return
        seen = self._translated(event)
        name = seen["metadata"]["name"]
        held = store.find(resource, self.namespace, name)
        if event.type == "DELETED":
            if held is not None:
                store.remove(resource, self.namespace, name)
            return
        held = held or store.create(resource, seen, manager="rollouts-controller")
        self._uids[event.object["metadata"]["uid"]] = held["metadata"]["uid"]

        def change(obj: Json) -> None:
            for part in ("labels", "annotations", "ownerReferences"):
                if part in seen["metadata"]:
                    obj["metadata"][part] = seen["metadata"][part]
            # Of a template the controller writes no more than defaults: it never goes back to another one.
            if _image(obj) in (_image(seen), ""):
                obj["spec"] = seen.get("spec", {})

        def report(obj: Json) -> None:
            obj["status"] = {**seen.get("status", {}), **_observed(obj, seen)}

        if event.watch != "deployments":
            store.mutate(resource, self.namespace, name, change, manager="rollouts-controller")
        store.mutate(
            resource, self.namespace, name, report, subresource="status", manager="rollouts-controller"
        )
        if "deletionTimestamp" in seen["metadata"]:
            store.delete(resource, self.namespace, name, grace_period=30)

    def _translated(self, event: RecordedEvent) -> Json:
        """The object in this namespace, its times moved from then to now, its owners' uids those of this cluster."""
        if self._epoch is None:
            created = datetime.fromisoformat(event.object["metadata"]["creationTimestamp"])
            self._epoch = created - timedelta(seconds=event.at)
        moved = self._moved(event.object, self.cluster.now() - self._epoch - timedelta(seconds=event.at))
        return {**moved, "metadata": {**moved["metadata"], "namespace": self.namespace}}

    def _moved(self, value: Any, by: timedelta) -> Any:
        if isinstance(value, dict):
            return {key: self._moved(item, by) for key, item in value.items()}
        if isinstance(value, list):
            return [self._moved(item, by) for item in value]
        if isinstance(value, str):
            if _TIME.fullmatch(value):
                return (datetime.fromisoformat(value) + by).strftime("%Y-%m-%dT%H:%M:%SZ")
            return self._uids.get(value, _NAMED.sub(rf"\g<1>{self.name}", value))
        return value


def define_rollouts(cluster: SimulatedCluster) -> None:
    """Have Rollouts served."""
    cluster.store.create(CRDS, deepcopy(_DEFINITION))


def _image(owner: Json) -> str:
    """The image in an object's template; empty where the template stands elsewhere."""
    containers = owner["spec"].get("template", {}).get("spec", {}).get("containers", [{}])
    return str(containers[0].get("image", ""))


def _observed(live: Json, seen: Json) -> Json:
    """The generation that its controller has taken up: here they are counted otherwise where a write was left out."""
    observed, metadata = seen.get("status", {}).get("observedGeneration"), live["metadata"]
    if observed is None or observed != str(seen["metadata"].get("generation")):
        return {}
    return {"observedGeneration": str(metadata["generation"] - (_image(live) != _image(seen)))}
