"""The `Cluster` of the runtime: reads from the watches' cache, writes through the API."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import objects
from sentinel.adapters.kubernetes.api.resources import PODS, ApiResource
from sentinel.adapters.kubernetes.config.following import ConfigFollower
from sentinel.adapters.kubernetes.coordination.events import EventRecorder
from sentinel.adapters.kubernetes.workloads.cache import WorkloadCache
from sentinel.adapters.kubernetes.workloads.changer import WorkloadChanger
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pod
from sentinel.domain.decision import Change
from sentinel.domain.errors import ClusterUnavailableError
from sentinel.domain.workload.config import ConfigReading
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.pairing import Pairing
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import Applied

_LOOKED_UP = 5
"""So many pods are looked up at most: one that is not as it seems is enough."""
_LOOK_UP_TIMEOUT = 10.0


class KubernetesCluster:
    """Implements `ports.Cluster` for the kinds of the registry."""

    def __init__(
        self,
        cache: WorkloadCache,
        client: ApiClient,
        changer: WorkloadChanger,
        events: EventRecorder,
        config: ConfigFollower,
        renew: Callable[[], None],
        watch: Callable[[Iterable[ApiResource]], None],
    ) -> None:
        self._cache = cache
        self._watch = watch
        self._client = client
        self._renew = renew
        self._changer = changer
        self._events = events
        self._config = config

    def keys(self) -> Iterable[WorkloadKey]:
        """Every workload known now."""
        return self._cache.keys()

    def labels(self) -> Iterator[tuple[WorkloadKey, Mapping[str, str]]]:
        """Every workload known now with its labels, which a pair does not have."""
        return self._cache.labels()

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of one workload, None when it is gone."""
        return self._cache.workload(key)

    def pair(self, pairings: Iterable[Pairing]) -> None:
        """Make pairs as the policies say from now on; see `ports.Cluster.pair`."""
        self._watch(self._cache.pair(pairings))

    def pair_of(self, key: WorkloadKey) -> WorkloadKey:
        """The pair that a workload is a member of, or the workload itself."""
        return self._cache.pair_of(key)

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
        return await self._changer.apply(workload, change, timeout=timeout)

    def follow_config(self, workload: Workload, *, wanted: bool = True) -> None:
        """Follow the content of what the candidate's template names, or no longer."""
        self._config.follow(workload.key, workload.candidate.named if wanted else ())

    async def read_config(self, workload: Workload, *, keep: bool) -> ConfigReading:
        """Read the content of what the candidate's template names; see `ports.Cluster.read_config`."""
        return await self._config.read(workload.key.namespace, workload.candidate.named, keep=keep)

    async def confirm(self, workload: Workload) -> None:
        """Look up whether the candidate's pods that seem unready are so; see `ports.Cluster.confirm`."""
        own = (pod for pod in workload.pods if pod.revision == workload.candidate.hash)
        seeming = [pod for pod in own if not pod.ready and not pod.deleting][:_LOOKED_UP]
        borne_out = await asyncio.gather(*(self._is_unready(workload, pod) for pod in seeming))
        if not all(borne_out):
            self._renew()
            raise ClusterUnavailableError(
                f"the watch of the pods of {workload.key} has missed a change; it starts again",
                reason="WatchDeaf",
            )

    async def _is_unready(self, workload: Workload, pod: Pod) -> bool:
        # A list of one, as the daemon may list pods and not get them.
        params = {"fieldSelector": f"metadata.name={pod.name}", "limit": "1"}
        found = await self._client.request("GET", RequestTarget(PODS, workload.key.namespace), params=params)
        fresh = [trim_pod(raw).pod for raw in objects(found.get("items"))]
        return any(now.uid == pod.uid and not now.ready for now in fresh)

    async def applied(self, key: WorkloadKey) -> Applied | None:
        """Which pod template the API server has now; see `ports.Cluster.applied`."""
        return await self._changer.applied(key, self._cache.workload(key), _LOOK_UP_TIMEOUT)

    def renew(self) -> None:
        """Start the watches again."""
        self._renew()

    async def announce(self, workload: Workload, reason: str, message: str, *, warning: bool = False) -> None:
        """Write a Kubernetes Event on the workload; best effort."""
        await self._events.announce(workload, reason, message, warning=warning)
