"""Flux's kustomize-controller: applies at its interval and with every commit, as 1.9.4 was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common.base import Controller, ControlPlane, Key, key_of
from clustersim.gitops.git import Git, differs, merged
from clustersim.storage.history import Event
from clustersim.storage.resources import DEPLOYMENTS, ResourceType

JsonObject = dict[str, Any]
MANAGER = "kustomize-controller"
_GROUP = "kustomize.toolkit.fluxcd.io"
_NONE: frozenset[str] = frozenset()


class Flux(Controller):
    """All Kustomizations of the cluster, each from one Git folder of Deployments (`follow`).

    `interval`: how often each is applied without a commit, in seconds.
    """

    latency = (0.1, 0.2)

    def __init__(self, plane: ControlPlane, kustomizations: ResourceType, interval: float = 60.0) -> None:
        super().__init__(plane)
        self._kustomizations = kustomizations
        self._interval = interval
        self._sources: dict[Key, Git] = {}
        self.writes: list[str] = []
        """Each image that it wrote, in order."""

    def follow(self, namespace: str, name: str, source: Git) -> None:
        """Deploy a Kustomization from this source."""
        self._sources[namespace, name] = source
        source.follow(lambda: self.enqueue((namespace, name)))

    def initial_keys(self) -> Iterable[Key]:
        """Every Kustomization."""
        return [key_of(each) for each in self.store.list(self._kustomizations)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """A Kustomization of which something new is asked. What is deployed is not watched: a drift waits."""
        ours = event.resource.key == self._kustomizations.key
        if ours and _asked(event.previous or {}) != _asked(event.object):
            yield key_of(event.object)

    def sync(self, key: Key) -> None:
        """Apply what Git has, remove what it had, and say so."""
        found = self.store.find(self._kustomizations, *key)
        if found is None or key not in self._sources or found["spec"].get("suspend"):
            return
        source = self._sources[key]
        for manifest in source.manifests:
            self._apply(key, manifest)
        wanted = [_id(manifest) for manifest in source.manifests]
        before = ((found.get("status") or {}).get("inventory") or {}).get("entries") or ()
        for entry in before:
            if entry["id"] not in wanted:
                self._prune(entry["id"])

        def change(obj: JsonObject) -> None:
            obj["status"] = {
                "inventory": {"entries": [{"id": one, "v": "v1"} for one in wanted]},
                "lastAttemptedRevision": source.revision,
                "lastAppliedRevision": source.revision,
                "conditions": [{"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded"}],
            }

        self.store.mutate(self._kustomizations, *key, change, subresource="status", manager=MANAGER)
        self.enqueue(key, self._interval)

    def _apply(self, key: Key, manifest: JsonObject) -> None:
        metadata = manifest["metadata"]
        named = {f"{_GROUP}/name": key[1], f"{_GROUP}/namespace": key[0]}
        labels = {**metadata.get("labels", {}), **named}
        wanted = {**manifest, "metadata": {**metadata, "labels": labels}}
        live = self.store.find(DEPLOYMENTS, metadata["namespace"], metadata["name"])
        if live is not None and (_left_out(live) or not differs(live, wanted, "", _NONE)):
            return
        self.writes.append(manifest["spec"]["template"]["spec"]["containers"][0]["image"])
        if live is None:
            self.store.create(DEPLOYMENTS, wanted, manager=MANAGER)
            return

        def change(obj: JsonObject) -> None:
            obj.update(merged(obj, wanted, "", _NONE))

        self.store.mutate(DEPLOYMENTS, metadata["namespace"], metadata["name"], change, manager=MANAGER)

    def _prune(self, id_: str) -> None:
        """Delete what Git no longer has; what is left out stays, and belongs to nobody from then on."""
        namespace, name, _, _ = id_.split("_")
        live = self.store.find(DEPLOYMENTS, namespace, name)
        if live is not None and not _left_out(live):
            self.store.delete(DEPLOYMENTS, namespace, name)


def _asked(kustomization: JsonObject) -> tuple[Any, Any]:
    """What of a Kustomization has it applied at once."""
    annotations = (kustomization.get("metadata") or {}).get("annotations") or {}
    return kustomization.get("spec"), annotations.get("reconcile.fluxcd.io/requestedAt")


def _left_out(live: JsonObject) -> bool:
    value = (live["metadata"].get("annotations") or {}).get(f"{_GROUP}/reconcile", "")
    return str(value).lower() == "disabled"


def _id(manifest: JsonObject) -> str:
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}_{metadata['name']}_apps_Deployment"
