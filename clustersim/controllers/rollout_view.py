"""A Deployment and its ReplicaSets as one sync sees them, and what can be read off them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clustersim.controllers import deployment_status as ds
from clustersim.controllers.common import revision_annotations as marks
from clustersim.controllers.common.base import Key
from clustersim.controllers.common.ownership import controller_of, controller_reference
from clustersim.controllers.common.pod_state import created_at
from clustersim.controllers.common.rolling import RollingUpdateLimits, Slot, budget, new_size
from clustersim.controllers.common.templates import HASH_LABEL, same_template, template_hash
from clustersim.storage.resources import DEPLOYMENTS
from clustersim.storage.store import copy_of

JsonObject = dict[str, Any]


@dataclass(slots=True)
class DeploymentRollout:
    """The Deployment and its ReplicaSets: the one of the present template, and the old ones, oldest first."""

    deployment: JsonObject
    new: JsonObject | None
    old: list[JsonObject]

    @classmethod
    def of(cls, deployment: JsonObject, owned: list[JsonObject]) -> DeploymentRollout:
        """Tells the ReplicaSets apart; of several that fit the template, the oldest is the new one."""
        ordered = sorted(owned, key=lambda rs: (created_at(rs), rs["metadata"]["name"]))
        template = deployment["spec"]["template"]
        new = next((rs for rs in ordered if same_template(rs["spec"]["template"], template)), None)
        return cls(deployment, new, [rs for rs in ordered if rs is not new])

    @property
    def everyone(self) -> list[JsonObject]:
        """All ReplicaSets."""
        return [*self.old, *([self.new] if self.new else [])]

    @property
    def replicas(self) -> int:
        """The wanted size."""
        return int(self.deployment["spec"]["replicas"])

    @property
    def paused(self) -> bool:
        """Whether somebody holds it."""
        return bool(self.deployment["spec"].get("paused"))

    @property
    def active(self) -> list[JsonObject]:
        """The old ReplicaSets that are to have pods."""
        return [rs for rs in self.old if rs["spec"]["replicas"]]


def draft_of(rollout: DeploymentRollout) -> JsonObject:
    """The ReplicaSet of the present template, not yet made, at the size that is allowed at once."""
    deployment, spec = rollout.deployment, rollout.deployment["spec"]
    hashed = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount"))
    template = copy_of(spec["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = hashed
    selector = copy_of(spec["selector"])
    selector.setdefault("matchLabels", {})[HASH_LABEL] = hashed
    limits = limits_of(deployment)
    everyone = sum(rs["spec"]["replicas"] for rs in rollout.old)
    size = limits.replicas if recreates(deployment) else new_size(limits, everyone, 0)
    draft: JsonObject = {
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{hashed}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "ownerReferences": [controller_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {"replicas": size, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        draft["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    marked = marks.for_new_replica_set(deployment, draft, marks.max_revision(rollout.old) + 1)
    draft["metadata"]["annotations"] = marks.with_sizes(marked, limits.replicas, limits.ceiling)
    return draft


def limits_of(deployment: JsonObject) -> RollingUpdateLimits:
    """The rollout's bounds; a Recreate has none to either side."""
    spec = deployment["spec"]
    if recreates(deployment):
        return RollingUpdateLimits(spec["replicas"], 0, 0)
    rolling = spec["strategy"].get("rollingUpdate") or {}
    return budget(spec["replicas"], rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%"))


def recreates(deployment: JsonObject) -> bool:
    """Whether old pods all go before new ones come."""
    return bool(deployment["spec"]["strategy"]["type"] == "Recreate")


def is_saturated(rollout: DeploymentRollout) -> bool:
    """Whether the new ReplicaSet is the whole Deployment, at the size that was asked for."""
    new = rollout.new
    return new is not None and (
        new["spec"]["replicas"] == rollout.replicas
        and marks.annotations_of(new).get(marks.DESIRED) == str(rollout.replicas)
        and new.get("status", {}).get("availableReplicas", 0) == rollout.replicas
    )


def slots(replica_sets: list[JsonObject]) -> list[Slot]:
    """The ReplicaSets as the arithmetic takes them."""
    replica_sets = sorted(replica_sets, key=lambda rs: (created_at(rs), rs["metadata"]["name"]))
    return [
        Slot(
            rs["metadata"]["name"],
            rs["spec"]["replicas"],
            rs.get("status", {}).get("availableReplicas", 0),
            age,
            int(marks.annotations_of(rs).get(marks.MAX_REPLICAS, 0)),
        )
        for age, rs in enumerate(replica_sets)
    ]


def replica_failure(rollout: DeploymentRollout) -> JsonObject | None:
    """The ReplicaFailure condition of the new ReplicaSet, else of any, as a Deployment condition."""
    for rs in [*([rollout.new] if rollout.new else []), *rollout.old]:
        failure = ds.condition(rs.get("status", {}), ds.REPLICA_FAILURE)
        if failure is not None:
            return {**failure, "lastUpdateTime": failure["lastTransitionTime"]}
    return None


def owner_key(replica_set: JsonObject) -> Iterable[Key]:
    """The queue key of the Deployment that controls a ReplicaSet, if one does."""
    owner = controller_of(replica_set)
    if owner is not None and owner["kind"] == "Deployment":
        yield replica_set["metadata"]["namespace"], owner["name"]
