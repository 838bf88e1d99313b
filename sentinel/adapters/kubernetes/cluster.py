"""The `Cluster` of the runtime: reads from the watches' cache, writes through the API."""

from collections.abc import Callable, Iterable

from sentinel.adapters.kubernetes.cache import WorkloadCache
from sentinel.adapters.kubernetes.deployments import DeploymentDriver
from sentinel.adapters.kubernetes.events import EventRecorder
from sentinel.domain.decision import Change
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload import Workload, WorkloadKey, WorkloadKind


class KubernetesCluster:
    """Implements `ports.Cluster` for Deployments."""

    def __init__(self, cache: WorkloadCache, driver: DeploymentDriver, events: EventRecorder) -> None:
        self._cache = cache
        self._driver = driver
        self._events = events

    def keys(self) -> Iterable[WorkloadKey]:
        """Every workload known now."""
        return self._cache.keys()

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of one workload, None when it is gone."""
        return self._cache.workload(key)

    def owner_of_pod(self, namespace: str, pod: str) -> WorkloadKey | None:
        """Which workload a pod belongs to, as far as the watch knows."""
        return self._cache.owner_of_pod(namespace, pod)

    def workloads_behind(self, namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        """The workloads that a Service of this name stands for, by name."""
        return self._cache.workloads_behind(namespace, service)

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever something of a workload changed."""
        self._cache.subscribe(listener)

    async def apply(self, workload: Workload, change: Change, *, timeout: float = 10.0) -> str:
        """Make a change to the very workload that was judged; see `ports.Cluster.apply`."""
        if workload.key.kind is not WorkloadKind.DEPLOYMENT:
            raise InvalidObjectError(f"{workload.key}: only Deployments can be changed", reason="Unsupported")
        return await self._driver.apply(workload, change, timeout=timeout)

    async def announce(self, workload: Workload, reason: str, message: str, *, warning: bool = False) -> None:
        """Write a Kubernetes Event on the workload; best effort."""
        await self._events.announce(workload, reason, message, warning=warning)
