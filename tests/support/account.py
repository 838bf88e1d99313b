"""The daemon as the service account of `config/rbac.yaml`: with the rights that ship, and everything else denied."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from clustersim.cluster import SimulatedCluster
from clustersim.storage.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
)

RBAC = Path(__file__).parents[2] / "config" / "rbac.yaml"
HOME = "rollback-sentinel"
"""The namespace of the account and of the Lease."""


def manifest(kind: str) -> dict[str, Any]:
    """The one manifest of this kind that ships, the caller's own to change."""
    return deepcopy(next(each for each in _manifests(RBAC) if each["kind"] == kind))


@cache
def _manifests(file: Path) -> tuple[dict[str, Any], ...]:
    """The manifests of a file, read once: each world's account has them."""
    return tuple(yaml.safe_load_all(file.read_text()))


def grant(cluster: SimulatedCluster, *, without: str = "") -> None:
    """Give the account the role that ships, less one verb on Deployments."""
    granted = manifest("ClusterRole")
    for rule in granted["rules"]:
        rule["verbs"] = [v for v in rule["verbs"] if (rule["resources"], v) != (["deployments"], without)]
    if cluster.store.list(CLUSTER_ROLES):
        cluster.store.delete(CLUSTER_ROLES, "", granted["metadata"]["name"])
    cluster.store.create(CLUSTER_ROLES, granted)


def signed_in(cluster: SimulatedCluster, *, without: str = "") -> bytes:
    """Make the account and its rights; its kubeconfig."""
    grant(cluster, without=without)
    binding = manifest("ClusterRoleBinding")
    cluster.store.create(CLUSTER_ROLE_BINDINGS, binding)
    cluster.store.create(NAMESPACES, manifest("Namespace"))
    cluster.store.create(ROLES, manifest("Role"))
    cluster.store.create(ROLE_BINDINGS, manifest("RoleBinding"))
    account = binding["subjects"][0]
    return orjson.dumps(cluster.kubeconfig(cluster.api.tokens.issue(account["namespace"], account["name"])))


def let_ask(cluster: SimulatedCluster) -> None:
    """Give the account what people need besides who ask through the daemon: in Slack, or on the page."""
    _grant_more(cluster, "rbac-commands.yaml")


def let_run_jobs(cluster: SimulatedCluster) -> None:
    """Give the account what Jobs of gates need besides."""
    _grant_more(cluster, "rbac-jobs.yaml")


def let_restore_config(cluster: SimulatedCluster) -> None:
    """Give the account what policies that put ConfigMaps back need besides."""
    _grant_more(cluster, "rbac-config-restore.yaml")


def let_guard(cluster: SimulatedCluster, plural: str) -> None:
    """Give the account what another kind of workloads needs besides: `statefulsets`, `daemonsets`."""
    _grant_more(cluster, f"rbac-{plural}.yaml")


def _grant_more(cluster: SimulatedCluster, file: str) -> None:
    role, binding = _manifests(RBAC.with_name(file))
    cluster.store.create(CLUSTER_ROLES, role)
    cluster.store.create(CLUSTER_ROLE_BINDINGS, binding)
