"""Flux's helm-controller: upgrades with every new chart or spec, and corrects no drift, as is its default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.controllers.common.base import Controller, ControlPlane, Key, key_of
from clustersim.gitops.git import Git, merged
from clustersim.storage.history import Event
from clustersim.storage.resources import DEPLOYMENTS, ResourceType

JsonObject = dict[str, Any]
MANAGER = "helm-controller"
_GROUP = "helm.toolkit.fluxcd.io"


class FluxHelm(Controller):
    """All HelmReleases of the cluster, each from the chart in one Git folder of Deployments (`follow`)."""

    latency = (0.1, 0.2)

    def __init__(self, plane: ControlPlane, releases: ResourceType, charts: ResourceType) -> None:
        super().__init__(plane)
        self._releases = releases
        self._charts = charts
        self._sources: dict[Key, Git] = {}
        self._released: dict[Key, object] = {}
        self.writes: list[str] = []
        """Each image that it wrote, in order."""

    def follow(self, namespace: str, name: str, source: Git) -> None:
        """Deploy a HelmRelease from this chart; source-controller shows each commit in a HelmChart."""
        self._sources[namespace, name] = source
        chart = {"metadata": {"name": name, "namespace": namespace}, "spec": {}}
        self.store.create(self._charts, chart, manager="source-controller")

        def committed() -> None:
            def fetched(obj: JsonObject) -> None:
                obj["status"] = {"artifact": {"revision": source.revision}}

            self.store.mutate(
                self._charts, namespace, name, fetched, subresource="status", manager="source-controller"
            )
            self.enqueue((namespace, name))

        committed()
        source.follow(committed)

    def initial_keys(self) -> Iterable[Key]:
        """Every HelmRelease."""
        return [key_of(each) for each in self.store.list(self._releases)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """A HelmRelease whose spec changed."""
        before = event.previous or {}
        if event.resource.key == self._releases.key and before.get("spec") != event.object.get("spec"):
            yield key_of(event.object)

    def sync(self, key: Key) -> None:
        """Upgrade if the chart or the spec is another one than that of the last release."""
        found = self.store.find(self._releases, *key)
        if found is None or key not in self._sources or found["spec"].get("suspend"):
            return
        source = self._sources[key]
        wanted = (source.revision, {**found["spec"], "suspend": None})
        if self._released.get(key) == wanted:
            return
        self._released[key] = wanted
        for manifest in source.manifests:
            self._apply(key, manifest)

        def change(obj: JsonObject) -> None:
            obj["status"] = {"lastAttemptedRevision": source.revision, "helmChart": "/".join(key)}

        self.store.mutate(self._releases, *key, change, subresource="status", manager=MANAGER)

    def _apply(self, key: Key, manifest: JsonObject) -> None:
        metadata = manifest["metadata"]
        named = {f"{_GROUP}/name": key[1], f"{_GROUP}/namespace": key[0]}
        wanted = {**manifest, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **named}}}
        self.writes.append(manifest["spec"]["template"]["spec"]["containers"][0]["image"])
        if self.store.find(DEPLOYMENTS, metadata["namespace"], metadata["name"]) is None:
            self.store.create(DEPLOYMENTS, wanted, manager=MANAGER)
            return

        def change(obj: JsonObject) -> None:
            obj.update(merged(obj, wanted, "", frozenset()))

        self.store.mutate(DEPLOYMENTS, metadata["namespace"], metadata["name"], change, manager=MANAGER)
