"""The kinds of workloads: the one place where their Kubernetes names stand, with what follows from a name alone."""

from collections.abc import Mapping
from enum import StrEnum


class WorkloadKind(StrEnum):
    """The kinds that can be guarded, by their Kubernetes names."""

    DEPLOYMENT = "Deployment"
    STATEFULSET = "StatefulSet"
    DAEMONSET = "DaemonSet"
    ROLLOUT = "Rollout"
    CANARY_PAIR = "CanaryPair"
    BLUE_GREEN = "BlueGreen"


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
    WorkloadKind.CANARY_PAIR: PodNaming.HASHED,
    WorkloadKind.BLUE_GREEN: PodNaming.HASHED,
    WorkloadKind.STATEFULSET: PodNaming.ORDINAL,
    WorkloadKind.DAEMONSET: PodNaming.RANDOM,
}


REPLICA_SET = "ReplicaSet"
"""What holds one revision's pods, where a kind has such a thing; its name ends in the revision's hash."""


GUARDED_KINDS = (
    WorkloadKind.DEPLOYMENT,
    WorkloadKind.STATEFULSET,
    WorkloadKind.DAEMONSET,
    WorkloadKind.ROLLOUT,
    WorkloadKind.CANARY_PAIR,
    WorkloadKind.BLUE_GREEN,
)
"""Kinds that there is a driver for."""


PAIRED = frozenset({WorkloadKind.CANARY_PAIR, WorkloadKind.BLUE_GREEN})
"""Kinds that are not one object: a policy makes one workload of several objects, by their names."""


NAMED_AFTER: Mapping[WorkloadKind, str] = {
    WorkloadKind.CANARY_PAIR: "Deployment",
    WorkloadKind.BLUE_GREEN: "Service",
}
"""The kind of the object that a pair has its name from, for commands to people."""


MEMBER_KIND = WorkloadKind.DEPLOYMENT
"""What pairs are made of."""


PAUSABLE = frozenset({WorkloadKind.DEPLOYMENT})
"""Kinds whose rollouts `kubectl` can pause and resume."""


PARTITIONED = frozenset({WorkloadKind.STATEFULSET})
"""Kinds that step by a partition."""


STEPPING_BY_THEMSELVES = frozenset({WorkloadKind.ROLLOUT})
"""Kinds whose own controllers make the steps."""


SWITCHED = frozenset({WorkloadKind.BLUE_GREEN})
"""Kinds that send all requests to the candidate at once."""


LIFTED: Mapping[WorkloadKind, Mapping[str, object]] = {
    WorkloadKind.DEPLOYMENT: {"paused": False},
    WorkloadKind.STATEFULSET: {"updateStrategy": {"rollingUpdate": {"partition": 0}}},
    WorkloadKind.DAEMONSET: {"updateStrategy": {"type": "RollingUpdate"}},
}
"""The spec in a merge patch by which people take our brake off a workload, and have it roll out to its end."""


USUAL_KIND = WorkloadKind.DEPLOYMENT
"""What is meant where nothing says which kind."""

USUAL_KINDS = (USUAL_KIND,)
"""What is watched where the settings name no kinds."""
