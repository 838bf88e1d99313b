"""The tools whose objects can be held, and what the account needs for each."""

from collections.abc import Mapping

from sentinel.adapters.kubernetes.api.resources import (
    APPLICATION_SETS,
    APPLICATIONS,
    HELM_CHARTS,
    HELM_RELEASES,
    KUSTOMIZATIONS,
    OCI_REPOSITORIES,
    Verbs,
)
from sentinel.adapters.kubernetes.gitops.argocd import ARGO_CD
from sentinel.adapters.kubernetes.gitops.flux import HELM_RELEASE, KUSTOMIZATION
from sentinel.adapters.kubernetes.gitops.owners import KeeperTool

TOOLS: Mapping[str, KeeperTool] = {tool.name: tool for tool in (ARGO_CD, KUSTOMIZATION, HELM_RELEASE)}

ARGO_CD_VERBS: tuple[Verbs, ...] = (
    (APPLICATIONS, "", ("get", "list", "watch", "patch")),
    (APPLICATION_SETS, "", ("list", "watch")),
)
FLUX_VERBS: tuple[Verbs, ...] = (
    (KUSTOMIZATIONS, "", ("get", "list", "watch")),
    (HELM_RELEASES, "", ("get", "list", "watch", "patch")),
    (HELM_CHARTS, "", ("list", "watch")),
    (OCI_REPOSITORIES, "", ("list", "watch")),
)
RECONCILE_VERBS: tuple[Verbs, ...] = ((KUSTOMIZATIONS, "", ("patch",)),)
