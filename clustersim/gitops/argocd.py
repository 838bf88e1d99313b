"""Argo CD's application controller: compares, syncs, heals itself, as 3.5.1 was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common.base import Controller, ControlPlane, Key, key_of
from clustersim.gitops.git import Git, differs, merged
from clustersim.storage.history import Event
from clustersim.storage.resources import DEPLOYMENTS, ResourceType
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]
TRACKING = "argocd.argoproj.io/tracking-id"
MANAGER = "argocd-controller"
HEALS_AFTER = (0.7, 2.3, 6.0, 18.0, 54.0, 162.0)
"""Seconds from a drift to its end, the first time and the times after that; then 300."""
_LAST_HEAL = 300.0
_QUIET = 60.0
SYNC_SECONDS = 0.4
_HISTORY = 10
RESYNC_SECONDS = 120.0


class ArgoCd(Controller):
    """All Applications of the cluster, each from one Git folder of Deployments or further Applications (`follow`)."""

    latency = (0.05, 0.1)

    def __init__(self, plane: ControlPlane, applications: ResourceType) -> None:
        super().__init__(plane)
        self._applications = applications
        self._sources: dict[Key, Git] = {}
        self._healed: dict[Key, tuple[int, float]] = {}
        self._syncs_at: dict[Key, float] = {}
        self.writes: list[str] = []
        """Each image that it wrote, in order."""

    def follow(self, namespace: str, name: str, source: Git) -> None:
        """Deploy an Application from this source."""
        self._sources[namespace, name] = source
        source.follow(lambda: self.enqueue((namespace, name)))

    def initial_keys(self) -> Iterable[Key]:
        """Every Application."""
        return [key_of(each) for each in self.store.list(self._applications)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The Application itself, and that which deploys an object that anyone changed."""
        deployed = event.resource is DEPLOYMENTS
        if event.resource.key == self._applications.key and _asked(event.object) != _asked(
            event.previous or {}
        ):
            yield key_of(event.object)
            deployed = True
        if deployed:
            marked = (event.object["metadata"].get("annotations") or {}).get(TRACKING, "")
            yield from (key for key in self._sources if marked.startswith(f"{key[1]}:"))

    def sync(self, key: Key) -> None:
        """Finish or end the operation under way, compare, and begin another one if that is wanted."""
        app = self.store.find(self._applications, *key)
        if app is None or key not in self._sources:
            return
        now = self.store.now().timestamp()
        if app.get("operation"):
            self._operate(key, app, now)
        else:
            self._compare(key, app, now)
        self.enqueue(key, RESYNC_SECONDS)

    # -- comparing

    def _compare(self, key: Key, app: JsonObject, now: float) -> None:
        source = self._sources[key]
        out_of_sync = [m for m in source.manifests if self._drifted(app, m)]
        synced = (app.get("status") or {}).get("syncedRevision")
        self._write_status(key, source, out_of_sync)
        automated = (app["spec"].get("syncPolicy") or {}).get("automated")
        if automated is None or automated.get("enabled") is False or not out_of_sync:
            return
        if source.revision != synced:
            self._begin(key, source.revision, now)
        elif automated.get("selfHeal"):
            self._heal(key, source.revision, now)

    def _heal(self, key: Key, revision: str, now: float) -> None:
        count, last = self._healed.get(key, (0, 0.0))
        if now - last > max(_QUIET, self._pause(count)):
            count = 0
        due = self._syncs_at.setdefault(key, now + self._pause(count))
        if now < due:
            self.enqueue(key, due - now)
            return
        self._healed[key] = (count + 1, now)
        self._begin(key, revision, now)

    def _pause(self, count: int) -> float:
        return HEALS_AFTER[count] if count < len(HEALS_AFTER) else _LAST_HEAL

    def _drifted(self, app: JsonObject, manifest: JsonObject) -> bool:
        live = self._live(manifest)
        wanted = {"metadata": {"labels": manifest["metadata"].get("labels", {})}, "spec": manifest["spec"]}
        return live is None or differs(live, wanted, "", _pointers(app))

    def _write_status(self, key: Key, source: Git, out_of_sync: list[JsonObject]) -> None:
        def change(obj: JsonObject) -> None:
            status = obj.setdefault("status", {})
            state = "OutOfSync" if out_of_sync else "Synced"
            status["sync"] = {"status": state, "revision": source.revision}
            status["resources"] = [_listed(m, synced=m not in out_of_sync) for m in source.manifests]
            status["reconciledAt"] = timestamp(self.store.now())

        self.store.mutate(self._applications, *key, change, manager=MANAGER)

    # -- syncing

    def _begin(self, key: Key, revision: str, now: float) -> None:
        self._syncs_at[key] = now + SYNC_SECONDS

        def change(obj: JsonObject) -> None:
            obj["operation"] = {"sync": {"revision": revision}}
            state = {"phase": "Running", "startedAt": timestamp(self.store.now())}
            obj.setdefault("status", {})["operationState"] = state

        self.store.mutate(self._applications, *key, change, manager=MANAGER)
        self.enqueue(key, SYNC_SECONDS)

    def _operate(self, key: Key, app: JsonObject, now: float) -> None:
        terminating = app["status"]["operationState"]["phase"] == "Terminating"
        if not terminating and now < self._syncs_at.get(key, 0.0):
            self.enqueue(key, self._syncs_at[key] - now)
            return
        source, phase = self._sources[key], "Failed" if terminating else "Succeeded"
        began = app["status"]["operationState"].get("startedAt")
        for manifest in () if terminating else source.manifests:
            self._apply(app, key[1], manifest)
        self._syncs_at.pop(key, None)

        def change(obj: JsonObject) -> None:
            obj.pop("operation", None)
            result = {"revision": source.revision}
            obj["status"]["operationState"] = {"phase": phase, "startedAt": began, "syncResult": result}
            if not terminating:
                obj["status"]["syncedRevision"] = source.revision
                sync = {**result, "deployStartedAt": began, "deployedAt": timestamp(self.store.now())}
                obj["status"]["history"] = [*obj["status"].get("history", ()), sync][-_HISTORY:]

        self.store.mutate(self._applications, *key, change, manager=MANAGER)

    def _apply(self, app: JsonObject, name: str, manifest: JsonObject) -> None:
        metadata = manifest["metadata"]
        resource, tracked = self._resource(manifest), "/".join(_id(manifest))
        tracking = f"{name}:{tracked}:{metadata['namespace']}/{metadata['name']}"
        wanted = {**manifest, "metadata": {**metadata, "annotations": {TRACKING: tracking}}}
        if resource is DEPLOYMENTS:
            self.writes.append(manifest["spec"]["template"]["spec"]["containers"][0]["image"])
        if self._live(manifest) is None:
            self.store.create(resource, wanted, manager=MANAGER)
            return
        options = (app["spec"].get("syncPolicy") or {}).get("syncOptions") or ()
        kept = _pointers(app) if "RespectIgnoreDifferences=true" in options else frozenset[str]()

        def change(obj: JsonObject) -> None:
            obj.update(merged(obj, wanted, "", kept))

        self.store.mutate(resource, metadata["namespace"], metadata["name"], change, manager=MANAGER)

    def _live(self, manifest: JsonObject) -> JsonObject | None:
        metadata = manifest["metadata"]
        return self.store.find(self._resource(manifest), metadata["namespace"], metadata["name"])

    def _resource(self, manifest: JsonObject) -> ResourceType:
        return self._applications if manifest.get("kind") == "Application" else DEPLOYMENTS


def _asked(app: JsonObject) -> tuple[Any, Any, Any]:
    """What of an Application is asked of the controller; the rest of the status is its own."""
    return app.get("spec"), app.get("operation"), (app.get("status") or {}).get("operationState")


def _pointers(app: JsonObject) -> frozenset[str]:
    """The JSON pointers whose differences are ignored."""
    ignoring = app["spec"].get("ignoreDifferences") or ()
    return frozenset(pointer for each in ignoring for pointer in each.get("jsonPointers") or ())


def _id(manifest: JsonObject) -> tuple[str, str]:
    """The API group and the kind."""
    kind = manifest.get("kind", "Deployment")
    return "apps" if kind == "Deployment" else "argoproj.io", kind


def _listed(manifest: JsonObject, *, synced: bool) -> JsonObject:
    """How an Application's status lists it."""
    metadata, (group, kind) = manifest["metadata"], _id(manifest)
    return {
        "group": group,
        "version": "v1",
        "kind": kind,
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "status": "Synced" if synced else "OutOfSync",
    }
