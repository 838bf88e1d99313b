"""What every part of the daemon is built on: its settings, time, chance, telemetry, the cluster, and who leads."""

import platform
import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.kubernetes.api.client import ExchangeObserver
from sentinel.adapters.kubernetes.api.servertime import ServerClock
from sentinel.adapters.kubernetes.coordination.lease import (
    KubernetesLeaseDirectory,
    KubernetesLeaseStore,
    lease_name,
    own_namespace,
)
from sentinel.adapters.kubernetes.gateway import KubernetesGateway, WatchScope
from sentinel.adapters.kubernetes.gitops.keepers import WatchedTools
from sentinel.app.wiring.tracing import tracer_of
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Telemetry, Tracer
from sentinel.runtime.leadership import Leadership, LeaseElection, LeaseTiming, SoleLeader
from sentinel.runtime.queue import KeyedQueue, Turn
from sentinel.runtime.sharding import Claims, ShardedLeadership, ShardLeases
from sentinel.settings import Settings
from sentinel.values import dataclass
from sentinel.version import installed_version

Tasks = Mapping[str, Callable[[], Awaitable[None]]]
"""What runs for as long as the daemon, by name."""


@dataclass(frozen=True, slots=True)
class Base:
    """What every part is built on. `resources` closes what the parts opened, once the daemon has stopped."""

    settings: Settings
    clock: Clock
    rng: random.Random
    telemetry: PrometheusTelemetry
    tracer: Tracer
    gateway: KubernetesGateway
    queue: KeyedQueue[WorkloadKey]
    leadership: Leadership
    resources: AsyncExitStack

    def leads(self) -> bool:
        """Whether this replica acts now."""
        return self.leadership.left() > 0

    def requeue_all(self) -> None:
        """Have every workload reconciled now."""
        self.requeue(frozenset(("",)))

    def requeue(self, namespaces: frozenset[str]) -> None:
        """Have every workload of these namespaces reconciled now; `""` is all of them."""
        keys = self.gateway.cluster.keys()
        for key in keys:
            if "" in namespaces or key.namespace in namespaces:
                self.queue.add(key)


async def base_of(
    settings: Settings, clock: Clock, rng: random.Random, elapsed: Callable[[], float] | None
) -> Base:
    """The base that the settings describe; nothing is asked of the cluster yet.

    Raises ConfigurationError for a kubeconfig that cannot be used, or where tracing is asked for and not installed.
    """
    server_clock = ServerClock(clock)
    telemetry = PrometheusTelemetry()
    telemetry.info(MetricName.BUILD_INFO, version=installed_version(), python=platform.python_version())
    gateway = await KubernetesGateway.connect(
        clock=server_clock,
        rng=rng,
        kubeconfig=str(settings.kubernetes.kubeconfig) if settings.kubernetes.kubeconfig else None,
        context=settings.kubernetes.context,
        scope=_scope(settings),
        observer=ExchangeObserver(server_clock.heard, _request_counter(telemetry)),
    )
    resources = AsyncExitStack()
    return Base(
        settings,
        server_clock,
        rng,
        telemetry,
        tracer_of(settings, resources),
        gateway,
        KeyedQueue(workers=settings.evaluation.concurrency, waited=partial(_observe_wait, telemetry)),
        _leadership(settings, gateway, server_clock, telemetry, rng, elapsed),
        resources,
    )


def _scope(settings: Settings) -> WatchScope:
    kubernetes = settings.kubernetes
    return WatchScope(
        kubernetes.namespaces,
        kubernetes.kinds,
        kubernetes.routes,
        kubernetes.config_kinds,
        watched_tools(settings),
        settings.policies.objects.enabled,
    )


def _observe_wait(telemetry: Telemetry, turn: Turn, seconds: float) -> None:
    telemetry.observe(MetricName.QUEUE_WAIT_SECONDS, seconds, turn=turn.name.lower())


def watched_tools(settings: Settings) -> WatchedTools:
    """The tools that the settings have held."""
    gitops = settings.gitops
    return WatchedTools(gitops.argocd, gitops.flux, gitops.reconcile, gitops.namespaces)


def lease_namespace(settings: Settings) -> str | None:
    """Where the Lease is, None where there is no election."""
    return (settings.leadership.namespace or own_namespace()) if settings.leadership.enabled else None


def _request_counter(telemetry: Telemetry) -> Callable[[str, str], None]:
    return lambda verb, code: telemetry.count(MetricName.API_REQUESTS_TOTAL, verb=verb, code=code)


def _leadership(
    settings: Settings,
    gateway: KubernetesGateway,
    clock: Clock,
    telemetry: Telemetry,
    rng: random.Random,
    elapsed: Callable[[], float] | None,
) -> Leadership:
    namespace = lease_namespace(settings)
    if namespace is None:
        return SoleLeader(telemetry)
    name, shards = settings.leadership.name, settings.leadership.shards
    identity = f"{socket.gethostname()}_{secrets.token_hex(6)}"  # no two processes are ever called the same
    others = KubernetesLeaseDirectory(gateway.client, namespace, name, shards)
    elections: list[LeaseElection] = []

    def led() -> int:
        return sum(election.left() > 0 for election in elections)

    claims = Claims(led)
    for shard in range(shards):
        store = KubernetesLeaseStore(gateway.client, namespace, lease_name(name, shard, shards), shards)
        elections.append(
            LeaseElection(
                ShardLeases(store, others, elapsed or clock.monotonic, claims),
                identity,
                LeaseTiming.failing_over_within(settings.leadership.lease_duration),
                clock,
                telemetry,
                rng,
                elapsed,
                shard=shard,
            )
        )
    return elections[0] if shards == 1 else ShardedLeadership(elections)
