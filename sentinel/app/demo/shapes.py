"""What a service of the demo is made of: one workload that the cluster rolls out by itself, or something else."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from clustersim.cluster import ClusterOptions, JsonObject, SimulatedCluster
from clustersim.metrics.load import Destination
from clustersim.storage.resources import DAEMONSETS, DEPLOYMENTS, STATEFULSETS, ResourceType
from sentinel.values import dataclass

NAMESPACE = "shop"
REPLICAS = 10
ROLLING: JsonObject = {"strategy": {"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}}}

_ORDINARY = ClusterOptions()

Play = Coroutine[Any, Any, None]
"""What goes on beside the daemon for as long as the demo runs."""


class Shape(Protocol):
    """How a service is deployed and released.

    `kind` is the kind of its members, as kubectl and the labels of alerts name it. `versions` are the tags of its
    images, the old one and the new one, and `registry` is where they are from. `options` are what the cluster must be.
    """

    @property
    def kind(self) -> str: ...

    @property
    def registry(self) -> str: ...

    @property
    def versions(self) -> tuple[str, str]: ...

    @property
    def options(self) -> ClusterOptions: ...

    def members(self, service: str) -> tuple[str, ...]:
        """The workloads that the service is made of: what serves first, what is released last."""
        ...

    def deploy(self, cluster: SimulatedCluster, service: str, image: str) -> Play | None:
        """Deploy the old image; what has to be run for that."""
        ...

    def rests(self, cluster: SimulatedCluster, service: str) -> bool:
        """Whether all of its pods are available, of one revision."""
        ...

    def release(self, cluster: SimulatedCluster, service: str, image: str) -> None:
        """Release the new image."""
        ...

    def destination(self, service: str) -> Destination | None:
        """Where its requests go; None: to its pods."""
        ...

    def policy(self, base: JsonObject, service: str) -> JsonObject:
        """The demo's policy, as this service needs it. Policies of the same name are the same."""
        ...


@dataclass(frozen=True, slots=True)
class OneWorkload:
    """A workload that the cluster rolls out by itself."""

    resource: ResourceType
    create: Callable[[SimulatedCluster, str, str], object]
    options: ClusterOptions = _ORDINARY
    registry: str = ""
    versions: tuple[str, str] = ("1.0", "1.1")

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.resource.kind.lower()

    def members(self, service: str) -> tuple[str, ...]:
        """The one workload."""
        return (service,)

    def deploy(self, cluster: SimulatedCluster, service: str, image: str) -> None:
        """Create it."""
        self.create(cluster, service, image)

    def rests(self, cluster: SimulatedCluster, service: str) -> bool:
        """By its status."""
        status = cluster.store.get(self.resource, NAMESPACE, service).get("status") or {}
        if self.resource is DAEMONSETS:
            return bool(status.get("numberAvailable") == status.get("updatedNumberScheduled") == REPLICAS)
        return bool(status.get("availableReplicas") == status.get("updatedReplicas") == REPLICAS)

    def release(self, cluster: SimulatedCluster, service: str, image: str) -> None:
        """Change its image."""
        cluster.set_image(service, image, namespace=NAMESPACE, resource=self.resource)

    def destination(self, service: str) -> None:
        """To its pods."""

    def policy(self, base: JsonObject, service: str) -> JsonObject:
        """The demo's."""
        return base


DEPLOYMENT = OneWorkload(
    DEPLOYMENTS,
    lambda cluster, name, image: cluster.deploy(name, image, REPLICAS, namespace=NAMESPACE, **ROLLING),
)
STATEFUL_SET = OneWorkload(
    STATEFULSETS,
    lambda cluster, name, image: cluster.deploy_stateful(name, image, REPLICAS, namespace=NAMESPACE),
)
DAEMON_SET = OneWorkload(
    DAEMONSETS,
    lambda cluster, name, image: cluster.deploy_daemon(name, image, namespace=NAMESPACE),
    ClusterOptions(nodes=REPLICAS),
)
