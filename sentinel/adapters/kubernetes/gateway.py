"""The adapter's one entry: the connection to a cluster with its watches, its workloads and its records."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from sentinel.adapters.kubernetes.api.access import Access, load_access
from sentinel.adapters.kubernetes.api.client import UNOBSERVED, ApiClient, ExchangeObserver, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject
from sentinel.adapters.kubernetes.api.resources import (
    CLUSTER_POLICIES,
    COMMANDS,
    NODES,
    PODS,
    POLICIES,
    RECORDS,
    ApiResource,
)
from sentinel.adapters.kubernetes.config.existence import RESOURCES
from sentinel.adapters.kubernetes.config.following import ConfigFollower
from sentinel.adapters.kubernetes.coordination.events import EventRecorder
from sentinel.adapters.kubernetes.custom.commands import KubernetesCommandStore, command_of
from sentinel.adapters.kubernetes.custom.histories import KubernetesHistoryStore
from sentinel.adapters.kubernetes.custom.policy_objects import KubernetesPolicyStore, policy_object
from sentinel.adapters.kubernetes.custom.record_objects import RecordShape
from sentinel.adapters.kubernetes.custom.records import KubernetesRecordStore
from sentinel.adapters.kubernetes.gitops.holds import KubernetesKeepers
from sentinel.adapters.kubernetes.gitops.keepers import NO_TOOLS, OwnerCache, WatchedTools, marks_of
from sentinel.adapters.kubernetes.gitops.watching import tool_watches
from sentinel.adapters.kubernetes.inspect.preflight import preflight
from sentinel.adapters.kubernetes.watch.mirror import OnChange
from sentinel.adapters.kubernetes.watch.reflector import Reflector
from sentinel.adapters.kubernetes.watch.together import WatchGroup
from sentinel.adapters.kubernetes.workloads.cache import WorkloadCache
from sentinel.adapters.kubernetes.workloads.candidates import CandidateWatches
from sentinel.adapters.kubernetes.workloads.changer import WorkloadChanger
from sentinel.adapters.kubernetes.workloads.cluster import KubernetesCluster
from sentinel.adapters.kubernetes.workloads.registry import owners_of_pods, readings_of
from sentinel.adapters.kubernetes.workloads.shapes import ApiWorkloadShape, PodShape
from sentinel.adapters.kubernetes.workloads.trim import trim_beside, trim_node
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pods_of
from sentinel.domain.workload.config import ConfigKind
from sentinel.domain.workload.kinds import USUAL_KINDS, WorkloadKind
from sentinel.domain.workload.routes import RouteKind
from sentinel.ports import Clock
from sentinel.values import dataclass

T = TypeVar("T")
_AFTER_ANSWERS = 2
"""Turns of the loop until the answer to a write was taken that came together with its event."""


@dataclass(frozen=True, slots=True)
class WatchScope:
    """What of a cluster is watched.

    `namespaces` limits it to these: then Roles in them are enough, and nodes are read only where that is allowed. Only
    workloads of these `kinds` are watched, what these `tools` deploy them by, and what they name of the kinds in
    `config`, where that is allowed; `routes` of these kinds are moved. `policy_objects`: policies are watched as well.
    """

    namespaces: Sequence[str] = ()
    kinds: Sequence[WorkloadKind] = USUAL_KINDS
    routes: Sequence[RouteKind] = ()
    config: Sequence[ConfigKind] = (ConfigKind.CONFIG_MAP,)
    tools: WatchedTools = NO_TOOLS
    policy_objects: bool = False

    @property
    def places(self) -> Sequence[str]:
        """The namespaces, or `""`, which stands for all of them."""
        return self.namespaces or ("",)


EVERYTHING = WatchScope()


class KubernetesGateway:
    """One cluster. `cluster`, `records` and `commands` are what the runtime uses, once `start` was called.

    Of several gateways to one cluster each keeps its own copy. `rng` gives the jitter of back-offs.
    """

    def __init__(
        self,
        access: Access,
        *,
        clock: Clock,
        rng: random.Random,
        scope: WatchScope = EVERYTHING,
        observer: ExchangeObserver = UNOBSERVED,
    ) -> None:
        self.access = access
        self.client = ApiClient(access, observer)
        self._scope = scope
        self._owners = OwnerCache()
        self._config = ConfigFollower(
            self.client, clock, rng, scope.config, lambda key: cache.config_changed(key)
        )
        self._cache = cache = WorkloadCache(
            lambda entry: self._owners.keeper(marks_of(entry)), self._config.facts
        )
        self._owners.touched = cache.keeper_changed
        self.cluster = KubernetesCluster(
            cache,
            self.client,
            WorkloadChanger(self.client),
            EventRecorder(self.client, clock),
            self._config,
            lambda: self._watches.renew(),
            self._watch_beside,
        )
        self.keepers = KubernetesKeepers(self.client, clock, reconcile=scope.tools.reconcile)
        self.records = KubernetesRecordStore(self.client, scope.kinds)
        self.histories = KubernetesHistoryStore(self.client, scope.namespaces)
        self.commands = KubernetesCommandStore(self.client, cache.pair_of, cache.called)
        self.policies = KubernetesPolicyStore(self.client)
        self._shared: dict[str, Any] = {"clock": clock, "rng": rng}
        self._candidates = CandidateWatches(self.client, self.records.live, cache.workload, **self._shared)
        self.records.subscribe(self._candidates.changed)
        self._watches = WatchGroup(self._usual_watches())
        self._beside: set[ApiResource] = set()

    def _usual_watches(self) -> Iterator[Reflector[Any]]:
        """The watches that last as long as the gateway."""
        yield self._optional(RequestTarget(NODES), trim_node, self._cache.node_changed)
        scope = self._scope
        if scope.policy_objects:
            yield self._optional(RequestTarget(CLUSTER_POLICIES), policy_object, self.policies.observed)
        for namespace in scope.places:
            yield from self._watches_of(namespace)
            if scope.policy_objects:
                yield self._optional(
                    RequestTarget(POLICIES, namespace), policy_object, self.policies.observed
                )
        for namespace in scope.tools.namespaces or scope.places:
            yield from self._tool_watches(namespace)

    def _optional(
        self, target: RequestTarget, trim: Callable[[RawObject], T], changed: OnChange[T]
    ) -> Reflector[T]:
        """The watch of what the daemon does without where it may not read it, or it is not served."""
        return Reflector(self.client, target, trim, changed, optional=True, **self._shared)

    def _needed(
        self, target: RequestTarget, trim: Callable[[RawObject], T | None], changed: OnChange[T], **how: Any
    ) -> Reflector[T]:
        """The watch of what the daemon cannot do without."""
        return Reflector(self.client, target, trim, changed, **how, **self._shared)

    def _in_flight(self, controller: str) -> bool:
        """Whether the pods of this controller (its uid) belong to a rollout in flight."""
        key = self._cache.owner_of_pods(controller)
        return key is not None and self.records.in_flight(key)

    def _watches_of(self, namespace: str) -> tuple[Reflector[Any], ...]:
        """The watches of one namespace, or of all of them."""
        cache = self._cache
        pods = self._needed(
            RequestTarget(PODS, namespace),
            trim_pods_of(owners_of_pods(self._scope.kinds)),
            cache.pod_changed,
            shape=PodShape,
            ahead=self._in_flight,
        )
        self._candidates.follow(namespace, pods)
        watched: dict[ApiResource, Reflector[Any]] = {}
        for reading in readings_of(self._scope.kinds):
            for resource, trim, changed in (
                (reading.resource, reading.trim, cache.workload_changed),
                (reading.history, reading.trim_revision, cache.revision_changed),
            ):
                if resource not in watched:
                    target = RequestTarget(resource, namespace)
                    watched[resource] = self._needed(target, trim, changed, shape=ApiWorkloadShape)
        return (
            *watched.values(),
            *(self._config_watch(kind, namespace) for kind in self._scope.config),
            pods,
            self._needed(
                RequestTarget(RECORDS, namespace),
                self.records.read,
                self.records.observed,
                shape=RecordShape,
                later=_AFTER_ANSWERS,
            ),
            self._needed(RequestTarget(COMMANDS, namespace), command_of, self.commands.observed),
        )

    def _watch_beside(self, resources: Iterable[ApiResource]) -> None:
        """Watch these as well from now on. One that cannot be read holds up nothing but what needs it."""
        for resource in set(resources) - self._beside:
            self._beside.add(resource)
            changed = partial(self._cache.beside_changed, resource)
            added: list[Reflector[Any]] = [
                self._optional(RequestTarget(resource, namespace), trim_beside, changed)
                for namespace in self._scope.places
            ]
            self._cache.unreadable[resource] = partial(_first_unread, added)
            self._watches.add(added)

    def _tool_watches(self, namespace: str) -> Iterator[Reflector[Any]]:
        """The watches of what deploys workloads, in one namespace or in all of them."""
        for watch in tool_watches(self._scope.tools, self._owners):
            reflector = self._optional(RequestTarget(watch.resource, namespace), watch.trim, watch.changed)
            if watch.tool:
                self._owners.unreadable.append((watch.tool, partial(_unread, reflector)))
            yield reflector

    def _config_watch(self, kind: ConfigKind, namespace: str) -> Reflector[str]:
        """The watch of what workloads name, by metadata alone; the daemon does without it."""
        target = RequestTarget(RESOURCES[kind], namespace, metadata_only=True)
        return self._optional(target, self._config.version_of(kind), self._config.changed(kind))

    @classmethod
    async def connect(
        cls,
        *,
        clock: Clock,
        rng: random.Random,
        kubeconfig: str | None = None,
        context: str | None = None,
        scope: WatchScope = EVERYTHING,
        observer: ExchangeObserver = UNOBSERVED,
    ) -> "KubernetesGateway":
        """A gateway to the cluster of the kubeconfig or of the pod's own service account; nothing is sent yet.

        Raises ConfigurationError with a sentence on what is missing or wrong.
        """
        access = await load_access(kubeconfig, context, clock)
        return cls(access, clock=clock, rng=rng, scope=scope, observer=observer)

    async def preflight(
        self,
        lease_namespace: str | None = None,
        *,
        sharded: bool = False,
        asking: bool = False,
        jobs_in: Sequence[str] | None = None,
    ) -> tuple[str, ...]:
        """A sentence for each thing that is missing: a definition, or a verb by its name.

        `lease_namespace` is where the Lease of the election is, None without one; `sharded`: there are several.
        `asking`: commands are made for people as well. `jobs_in`: where Jobs of gates are run, `""` for everywhere,
        None for nowhere.

        Raises ClusterUnavailableError when the API server cannot be asked.
        """
        await self.client.open()
        return await preflight(
            self.client,
            self._scope.namespaces,
            lease_namespace,
            kinds=self._scope.kinds,
            routes=self._scope.routes,
            sharded=sharded,
            asking=asking,
            jobs_in=jobs_in,
        )

    async def start(self) -> None:
        """Begin all watches. They go on by themselves through every failure, until `close`."""
        await self.client.open()
        self._watches.start(self._candidates.run(), name="watch candidates")

    async def wait_synced(self, timeout: float) -> None:
        """Wait until every watch has its first complete list.

        Raises ClusterError after `timeout` seconds that names what is not there yet, and why: a
        ClusterUnavailableError where waiting longer can help.
        """
        await self._watches.wait_synced(timeout)

    @property
    def synced(self) -> bool:
        """Whether every watch has its first complete list."""
        return self._watches.synced

    def watch_ages(self) -> Mapping[str, float | None]:
        """Per watched resource the seconds since the server last said anything; None: not (yet) watched."""
        return {**self._watches.ages(), **self._candidates.ages()}

    async def close(self) -> None:
        """End the watches and close the connections."""
        await self._watches.close()
        await self._config.close()
        await self.client.close()


def _first_unread(reflectors: Iterable[Reflector[Any]]) -> str:
    return next(filter(None, map(_unread, reflectors)), "")


def _unread(reflector: Reflector[Any]) -> str:
    """Why nothing is known of what a watch is for, the end of a sentence; empty where it goes on."""
    return f"our account cannot read {reflector.name}: {reflector.refused}" if reflector.refused else ""
