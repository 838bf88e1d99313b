"""What schedules differ in by the kind of their workloads: brakes, stored templates, when all pods run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clustersim.cluster import SimulatedCluster
from clustersim.controllers.common import revisions
from clustersim.storage.resources import DAEMONSETS, DEPLOYMENTS, REPLICASETS, STATEFULSETS, ResourceType
from sentinel.domain.workload.facts import PARTITION_ANNOTATION, PAUSED_ANNOTATION
from sentinel.domain.workload.kinds import WorkloadKind

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A kind of workload, as a schedule handles it.

    `alert_label` names it in alerts, `mark` is the annotation by which a brake of ours is signed. `kept_back` is how
    many of its pods a brake keeps from being replaced, `ours` whether that brake is signed, `full` whether all its pods
    are of its template and available. `templates` are its stored revisions, the newest first; `brake` is what people do
    to stop a rollout or let it go on. `paths` translates the names of a Deployment's resources in requests.
    """

    kind: WorkloadKind
    resource: ResourceType
    alert_label: str
    mark: str
    spec: Mapping[str, Any]
    kept_back: Callable[[JsonObject], int]
    ours: Callable[[JsonObject], bool]
    full: Callable[[JsonObject], bool]
    templates: Callable[[SimulatedCluster, JsonObject], list[JsonObject]]
    brake: Callable[[JsonObject, bool], None]
    paths: Mapping[str, str]
    nodes: int = 2
    scales: bool = True

    def deploy(
        self, cluster: SimulatedCluster, name: str, image: str, replicas: int, namespace: str, policy: str
    ) -> None:
        """Bring a workload up for the first time."""
        cluster.namespace(namespace)
        spec = {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
            **({"replicas": replicas} if self.scales else {}),
            **self.spec,
        }
        metadata = {"name": name, "namespace": namespace, "labels": {"app": name, "policy": policy}}
        cluster.create({"apiVersion": "apps/v1", "kind": self.kind.value, "metadata": metadata, "spec": spec})


def marked(obj: JsonObject, annotation: str) -> str:
    """What an annotation says, empty without it."""
    return str((obj["metadata"].get("annotations") or {}).get(annotation, ""))


def _seen(obj: JsonObject) -> bool:
    observed = (obj.get("status") or {}).get("observedGeneration")
    return bool(observed == obj["metadata"]["generation"])


def _all_updated(obj: JsonObject) -> bool:
    status = obj.get("status") or {}
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return _seen(obj) and counts == [obj["spec"]["replicas"]] * 3


def _all_of_the_template(obj: JsonObject) -> bool:
    """As above; pods on their way out after a smaller size was set are of the template too."""
    status, wanted = obj.get("status") or {}, obj["spec"]["replicas"]
    updated = status.get("updatedReplicas", 0)
    return _seen(obj) and updated == status.get("replicas") and status.get("availableReplicas", 0) >= wanted


def _replica_sets(cluster: SimulatedCluster, obj: JsonObject) -> list[JsonObject]:
    key = "deployment.kubernetes.io/revision"
    owned = cluster.plane.owners.owned(REPLICASETS, obj)
    return sorted(owned, key=lambda rs: int(rs["metadata"]["annotations"].get(key, 0)), reverse=True)


def _controller_revisions(cluster: SimulatedCluster, obj: JsonObject) -> list[JsonObject]:
    stored = reversed(revisions.history(cluster.plane, obj))
    return [{"spec": {"template": revisions.template_of(each)}} for each in stored]


def _partition(obj: JsonObject) -> int:
    rolling = obj["spec"]["updateStrategy"].get("rollingUpdate") or {}
    return int(rolling.get("partition") or 0)


def _set_partition(obj: JsonObject, on: bool) -> None:
    rolling = {"partition": obj["spec"]["replicas"] if on else 0}
    obj["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}


def _all_on_nodes(obj: JsonObject) -> bool:
    status = obj.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    counts = [status.get(name, 0) for name in ("updatedNumberScheduled", "numberAvailable")]
    return _seen(obj) and wanted > 0 and counts == [wanted] * 2


DEPLOYMENT = Strategy(
    WorkloadKind.DEPLOYMENT,
    DEPLOYMENTS,
    "deployment",
    PAUSED_ANNOTATION,
    {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
    kept_back=lambda obj: int(bool(obj["spec"].get("paused"))),
    ours=lambda obj: bool(marked(obj, PAUSED_ANNOTATION)),
    full=_all_updated,
    templates=_replica_sets,
    brake=lambda obj, on: obj["spec"].update(paused=on),
    paths={},
)
STATEFULSET = Strategy(
    WorkloadKind.STATEFULSET,
    STATEFULSETS,
    "statefulset",
    PARTITION_ANNOTATION,
    {"serviceName": "shop"},
    kept_back=_partition,
    ours=lambda obj: marked(obj, PARTITION_ANNOTATION).rpartition(",")[2] == str(_partition(obj)),
    full=_all_of_the_template,
    templates=_controller_revisions,
    brake=_set_partition,
    paths={"deployments": "statefulsets", "replicasets": "controllerrevisions"},
)
DAEMONSET = Strategy(
    WorkloadKind.DAEMONSET,
    DAEMONSETS,
    "daemonset",
    PAUSED_ANNOTATION,
    {},
    kept_back=lambda obj: int(obj["spec"]["updateStrategy"]["type"] == "OnDelete"),
    ours=lambda obj: bool(marked(obj, PAUSED_ANNOTATION)),
    full=_all_on_nodes,
    templates=_controller_revisions,
    brake=lambda obj, on: obj["spec"]["updateStrategy"].update(type="OnDelete" if on else "RollingUpdate"),
    paths={"deployments": "daemonsets", "replicasets": "controllerrevisions"},
    nodes=3,
    scales=False,
)
STRATEGIES: Mapping[str, Strategy] = {
    "deployment": DEPLOYMENT,
    "statefulset": STATEFULSET,
    "daemonset": DAEMONSET,
}
