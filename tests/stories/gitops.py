"""Worlds in which a tool deploys `shop/web` from Git, watched by a daemon that may hold the tool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustersim.cluster import JsonObject
from clustersim.gitops import definitions
from clustersim.gitops.argocd import ArgoCd
from clustersim.gitops.flux import Flux
from clustersim.gitops.git import Git
from clustersim.gitops.helm import FluxHelm
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import CRDS, ResourceType
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.keeper import KEEPER_ANNOTATION
from tests.support.account import let_guard
from tests.support.world import NAMESPACE, PLAIN_POLICY, ROLLING, World, world

Tool = ArgoCd | Flux | FluxHelm
AUTOMATED: JsonObject = {"prune": True, "selfHeal": True}


def web(image: str, name: str = "web", **spec: Any) -> JsonObject:
    """The manifest of `shop/web`, or of another Deployment, as Git has it."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": 4, "selector": {"matchLabels": labels}, **ROLLING, "template": template, **spec}
    return {"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "spec": spec}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A world, the Git folder behind it, the tool, and the object by which it deploys."""

    world: World
    git: Git
    tool: Tool
    kind: ResourceType
    namespace: str
    name: str

    def owner(self) -> JsonObject:
        """The tool's object as it is now."""
        return self.world.cluster.store.get(self.kind, self.namespace, self.name)

    def automated(self) -> JsonObject | None:
        """How an Application syncs by itself."""
        found: JsonObject | None = (self.owner()["spec"].get("syncPolicy") or {}).get("automated")
        return found

    def annotations(self, name: str = "web") -> JsonObject:
        """Those of the workload."""
        deployment = self.world.cluster.deployment(name, namespace=NAMESPACE)
        found: JsonObject = deployment["metadata"].get("annotations", {})
        return found

    def release(self, image: str) -> None:
        """Commit another image."""
        self.git.commit(web(image))

    def nothing_of_ours(self) -> bool:
        """Whether neither the tool's object nor the workload has a mark or a managed field of ours."""
        deployment = self.world.cluster.deployment("web", namespace=NAMESPACE)
        return all(_free(obj) for obj in (self.owner(), deployment))


def _free(obj: JsonObject) -> bool:
    metadata = obj["metadata"]
    managers = [entry.get("manager") for entry in metadata.get("managedFields") or ()]
    return (
        KEEPER_ANNOTATION not in (metadata.get("annotations") or {}) and "rollback-sentinel" not in managers
    )


@asynccontextmanager
async def by_argocd(
    folder: Path,
    policy: str = PLAIN_POLICY,
    *,
    enabled: bool = True,
    granted: bool = True,
    environ: Mapping[str, str] | None = None,
    **spec: Any,
) -> AsyncIterator[Deployed]:
    """`shop/web` in an Application that syncs and heals itself. `enabled`: Argo CD 3.1 or later."""
    async with world(folder, policy, SENTINEL_GITOPS__ARGOCD="true", **(environ or {})) as here:
        cluster = here.cluster
        cluster.store.create(CRDS, definitions.application(enabled=enabled), manager="story")
        cluster.store.create(CRDS, definitions.application_set(), manager="story")
        kind = cluster.api.registry.of_kind("argoproj.io", "v1alpha1", "Application")
        if granted:
            let_guard(cluster, "argocd")
        git = Git(web("web:1"))
        tool = ArgoCd(cluster.plane, kind)
        tool.follow("argocd", "shop", git)
        cluster.namespace("argocd")
        cluster.namespace(NAMESPACE)
        spec = {"destination": {"server": "https://kubernetes.default.svc"}, **spec}
        spec.setdefault("syncPolicy", {"automated": dict(AUTOMATED)})
        app = {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": spec}
        cluster.store.create(kind, app, manager="story")
        async with _running(here, tool):
            yield Deployed(here, git, tool, kind, "argocd", "shop")


@asynccontextmanager
async def by_flux(
    folder: Path, policy: str = PLAIN_POLICY, *, interval: float = 60
) -> AsyncIterator[Deployed]:
    """`shop/web` in a Kustomization that is applied at this interval, in seconds."""
    async with world(folder, policy, SENTINEL_GITOPS__FLUX="true") as here:
        cluster = here.cluster
        cluster.store.create(CRDS, definitions.kustomization(), manager="story")
        cluster.store.create(CRDS, definitions.helm_release(), manager="story")
        kind = cluster.api.registry.of_kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
        let_guard(cluster, "flux")
        git = Git(web("web:1"))
        tool = Flux(cluster.plane, kind, interval)
        tool.follow("flux-system", "apps", git)
        cluster.namespace("flux-system")
        cluster.namespace(NAMESPACE)
        named = {"metadata": {"name": "apps", "namespace": "flux-system"}, "spec": {"interval": "1m"}}
        cluster.store.create(kind, named, manager="story")
        async with _running(here, tool):
            yield Deployed(here, git, tool, kind, "flux-system", "apps")


@asynccontextmanager
async def by_helm_release(folder: Path, **spec: Any) -> AsyncIterator[Deployed]:
    """`shop/web` in the chart of a HelmRelease."""
    async with world(folder, PLAIN_POLICY, SENTINEL_GITOPS__FLUX="true") as here:
        cluster = here.cluster
        for definition in (definitions.kustomization(), definitions.helm_release(), definitions.helm_chart()):
            cluster.store.create(CRDS, definition, manager="story")
        kind = cluster.api.registry.of_kind("helm.toolkit.fluxcd.io", "v2", "HelmRelease")
        charts = cluster.api.registry.of_kind("source.toolkit.fluxcd.io", "v1", "HelmChart")
        let_guard(cluster, "flux")
        git = Git(web("web:1"))
        tool = FluxHelm(cluster.plane, kind, charts)
        cluster.namespace(NAMESPACE)
        tool.follow(NAMESPACE, "shop", git)
        release = {"metadata": {"name": "shop", "namespace": NAMESPACE}, "spec": {"interval": "10m", **spec}}
        cluster.store.create(kind, release, manager="story")
        async with _running(here, tool):
            yield Deployed(here, git, tool, kind, NAMESPACE, "shop")


@asynccontextmanager
async def _running(here: World, tool: Tool) -> AsyncIterator[None]:
    tool.start()
    try:
        here.cluster.behave("web:2", crash_loop())
        here.cluster.offer("web", 50, namespace=NAMESPACE)
        await here.until(lambda: bool(here.cluster.pods("web", namespace=NAMESPACE)), what="it is deployed")
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        yield
    finally:
        tool.stop()
        assert not tool.failures
