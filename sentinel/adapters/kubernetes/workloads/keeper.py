"""Who keeps an object in another place than the cluster, by the marks that they leave on it."""

from collections.abc import Mapping

from sentinel.domain.workload.facts import Keeper

_TRACKING = "argocd.argoproj.io/tracking-id"
_HELM_RELEASE = "meta.helm.sh/release-name"
_FLUX = (("Kustomization", "kustomize"), ("HelmRelease", "helm"))


def keeper_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Keeper | None:
    """Argo CD, Flux or Helm, as far as labels and annotations show; None if they name no tool."""
    if tracking := annotations.get(_TRACKING):
        return Keeper("Argo CD application", tracking.partition(":")[0], reverts=True)
    for kind, prefix in _FLUX:
        if name := labels.get(f"{prefix}.toolkit.fluxcd.io/name"):
            return Keeper(f"Flux {kind}", name, reverts=True)
    if release := annotations.get(_HELM_RELEASE):
        return Keeper("Helm release", release, reverts=False)
    return None
