"""What schedules differ in by the kind of their workloads: brakes, stored templates, when all pods run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clustersim.cluster import SimulatedCluster
from clustersim.controllers.common import revisions
from clustersim.metrics.load import Destination
from clustersim.storage.resources import DAEMONSETS, DEPLOYMENTS, REPLICASETS, STATEFULSETS, ResourceType
from sentinel.domain.workload.facts import PARTITION_ANNOTATION, PAUSED_ANNOTATION
from sentinel.domain.workload.kinds import WorkloadKind

JsonObject = dict[str, Any]
NAMESPACE = "shop"


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

    def deploy(self, cluster: SimulatedCluster, name: str, image: str, replicas: int, policy: str) -> None:
        """Bring a workload up for the first time."""
        cluster.namespace(NAMESPACE)
        spec = {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
            **({"replicas": replicas} if self.scales else {}),
            **self.spec,
        }
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": name, "policy": policy}}
        cluster.create({"apiVersion": "apps/v1", "kind": self.kind.value, "metadata": metadata, "spec": spec})

    def settings(self) -> Mapping[str, str]:
        """What a daemon that guards such workloads must be set to."""
        return {"SENTINEL_KUBERNETES__KINDS": self.kind.value}

    def load_to(self, _name: str) -> Destination | None:
        """Where the requests for a workload go, None where that is to its pods."""
        return None

    def workloads(self, cluster: SimulatedCluster) -> list[JsonObject]:
        """All workloads, each as an object with the template of its newest release."""
        return cluster.store.list(self.resource)

    def find(self, cluster: SimulatedCluster, name: str) -> JsonObject | None:
        """One of these."""
        return cluster.store.find(self.resource, NAMESPACE, name)

    def images(self, cluster: SimulatedCluster, name: str) -> set[str]:
        """What an alert on a workload may be about."""
        workload = self.find(cluster, name)
        return {image_of(workload)} if workload is not None else set()

    def released_into(self, _cluster: SimulatedCluster, name: str) -> str:
        """The object whose template a release changes."""
        return name

    def sized(self, _cluster: SimulatedCluster, name: str) -> str:
        """The object that people scale."""
        return name

    def change(self, cluster: SimulatedCluster, name: str, change: Callable[[JsonObject], None]) -> None:
        """Change an object by its name."""
        cluster.change(name, change, namespace=NAMESPACE, resource=self.resource)

    def stop(self, cluster: SimulatedCluster, name: str, on: bool) -> None:
        """What people do to stop a rollout, or to let it go on."""
        self.change(cluster, name, lambda obj: self.brake(obj, on))

    def put_back(self, cluster: SimulatedCluster, name: str) -> None:
        """`kubectl rollout undo`: the template before, whatever it is."""
        workload = self.find(cluster, name)
        if workload is None or self.kept_back(workload):
            return
        templates = self.templates(cluster, workload)
        if len(templates) > 1:
            image = image_of(templates[1])
            self.change(cluster, name, lambda obj: set_image(obj, image))

    def delete(self, cluster: SimulatedCluster, name: str) -> JsonObject | None:
        """`kubectl delete`; what is to be created where it is made again, None for the first deployment."""
        cluster.store.delete(self.resource, NAMESPACE, name)
        return None

    def left_behind(self, _cluster: SimulatedCluster, _workload: JsonObject) -> Iterator[str]:
        """What must not be left once nothing is in flight, in sentences."""
        yield from ()


def image_of(workload: JsonObject) -> str:
    """The image in its template."""
    image: str = workload["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def set_image(obj: JsonObject, image: str) -> None:
    """Change the image in a template."""
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = image


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
