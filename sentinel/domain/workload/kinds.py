"""The kinds of workloads: the one place where their Kubernetes names stand, with what follows from a name alone."""

from collections.abc import Mapping
from enum import StrEnum


class WorkloadKind(StrEnum):
    """The kinds that can be guarded, by their Kubernetes names."""

    DEPLOYMENT = "Deployment"
    STATEFULSET = "StatefulSet"
    DAEMONSET = "DaemonSet"
    ROLLOUT = "Rollout"


class PodNaming(StrEnum):
    """How a kind's controller names its pods after the workload's own name."""

    HASHED = "hashed"
    """The revision's hash, then letters made up."""
    ORDINAL = "ordinal"
    """A number that stays."""
    RANDOM = "random"
    """Letters made up."""


POD_NAMING: Mapping[WorkloadKind, PodNaming] = {
    WorkloadKind.DEPLOYMENT: PodNaming.HASHED,
    WorkloadKind.ROLLOUT: PodNaming.HASHED,
    WorkloadKind.STATEFULSET: PodNaming.ORDINAL,
    WorkloadKind.DAEMONSET: PodNaming.RANDOM,
}


REPLICA_SET = "ReplicaSet"
"""What holds one revision's pods, where a kind has such a thing; its name ends in the revision's hash."""


PAUSABLE = frozenset({WorkloadKind.DEPLOYMENT})
"""Kinds whose rollouts `kubectl` can pause and resume."""


USUAL_KIND = WorkloadKind.DEPLOYMENT
"""What is meant where nothing says which kind."""

USUAL_KINDS = (USUAL_KIND,)
"""What is watched where the settings name no kinds."""
