"""Builds the daemon from its settings: the only place where adapters and runtime meet."""

import random
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from sentinel.adapters.alertmanager.payload import parse
from sentinel.adapters.http.gates import WebhookGates
from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.server import Checks, HttpServer, ServerOptions
from sentinel.adapters.http.webhook import AlertmanagerWebhook, WebhookLimits
from sentinel.adapters.kubernetes.api.servertime import ServerClock
from sentinel.adapters.kubernetes.coordination.jobs import KubernetesJobs
from sentinel.adapters.kubernetes.coordination.lease import KubernetesLeaseStore, own_namespace
from sentinel.adapters.kubernetes.custom.freezes import KubernetesFreezeStore
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.app.rulefiles import RuleFiles
from sentinel.app.wiring.alerting import intake_of
from sentinel.app.wiring.door import door_of
from sentinel.app.wiring.means import Means
from sentinel.app.wiring.pressing import Pressing, pressing_of
from sentinel.app.wiring.sources import guarded_sources, metric_sources, options_of
from sentinel.app.wiring.startup import announce_start, show_build
from sentinel.app.wiring.telling import channels
from sentinel.app.wiring.tracing import tracer_of
from sentinel.app.wiring.watches import ClusterWatches, job_namespaces, lease_namespace
from sentinel.domain.notice import Bulletin
from sentinel.domain.policy.policy import UndoBudget
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.policies.schema.conditions import CelConditions
from sentinel.policies.source import FilePolicySource
from sentinel.ports import AlertIntake, Clock, MetricSource, RecordStore
from sentinel.runtime.daemon import Daemon
from sentinel.runtime.evidence.collector import EvidenceCollector
from sentinel.runtime.freezing import FreezeSwitch
from sentinel.runtime.gates.jobs import GateJobs
from sentinel.runtime.gates.runner import GateRunner
from sentinel.runtime.leadership import Leadership, LeaseElection, LeaseTiming, SoleLeader
from sentinel.runtime.notify.announcements import Announcements
from sentinel.runtime.notify.bulletins import Bulletins
from sentinel.runtime.notify.notifications import Notifications
from sentinel.runtime.notify.reporting import Reporter
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.queue import KeyedQueue
from sentinel.runtime.reconciling.commands import CommandHandler
from sentinel.runtime.reconciling.driver import Driver, Limits, ReconcileServices
from sentinel.runtime.reconciling.reconciler import ReconcileLoop
from sentinel.settings import Settings


class Application:
    """The daemon and its HTTP server, as one thing that starts and stops."""

    def __init__(
        self,
        daemon: Daemon,
        http: HttpServer,
        rule_files: RuleFiles,
        resources: AsyncExitStack,
        settings: Settings,
        gateway: KubernetesGateway,
    ) -> None:
        self.daemon = daemon
        self.http = http
        self.store: RecordStore = gateway.records
        self.rule_files = rule_files
        self._resources = resources
        self._settings = settings
        self._gateway = gateway

    async def start(self) -> None:
        """Listen first, so that probes are answered while the watches sync; then watch and judge.

        Raises SentinelError with a sentence on what is missing; nothing is left running then.
        """
        await self.http.start()
        try:
            await announce_start(self._settings, self.rule_files.digest, self.http.url, self._gateway.client)
            await self.daemon.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Be unready, take nothing new, finish what is under way, close everything; within the drain time."""
        await self.daemon.stop(self._settings.drain_seconds * 0.8)
        await self.http.stop()
        await self._resources.aclose()


async def build(
    settings: Settings,
    *,
    clock: Clock,
    rng: random.Random,
    elapsed: Callable[[], float] | None = None,
) -> Application:
    """The application that these settings describe; nothing runs yet and nothing was asked of the cluster.

    `elapsed` is the clock that the lease is reckoned by, where it is not the `clock`'s own.

    Raises ConfigurationError for rule files or a kubeconfig that cannot be used.
    """
    clock = server_clock = ServerClock(clock)
    gateway = await KubernetesGateway.connect(
        clock=clock,
        rng=rng,
        kubeconfig=str(settings.kubernetes.kubeconfig) if settings.kubernetes.kubeconfig else None,
        context=settings.kubernetes.context,
        namespaces=settings.kubernetes.namespaces,
        kinds=settings.kubernetes.kinds,
    )
    gateway.client.told_time = server_clock.heard
    telemetry = PrometheusTelemetry()
    show_build(telemetry)
    gateway.client.told_answer = lambda verb, code: telemetry.count(
        "api_requests_total", verb=verb, code=code
    )
    resources = AsyncExitStack()
    means = Means(clock, rng, telemetry, elapsed, tracer_of(settings, resources))
    sources = metric_sources(settings, resources)
    policies = FilePolicySource.open(settings.rules.paths, options_of(settings, sources))
    queue: KeyedQueue[WorkloadKey] = KeyedQueue(workers=settings.evaluation.concurrency)
    leadership = _leadership(settings, gateway, means)
    told = channels(settings, means, resources)
    bulletins, tasks = told.bulletins(means)
    tell = partial(_tell, bulletins, leadership)
    switch = _freeze_switch(settings, gateway, means, tell)
    switch.changed = partial(_look_at_all, gateway, queue)
    book = PolicyRegistry(policies, settings.mode, lambda: switch.frozen)
    notifications, more_tasks = told.notifications(gateway.records, book, means)
    guarded = guarded_sources(sources, means, tell)
    keeper = _gate_keeper(settings, gateway, means, leadership, queue, resources)
    services = _services(gateway, book, guarded, notifications, queue, leadership, means, keeper)
    rule_files = RuleFiles(
        policies, settings.rules.paths, telemetry, clock, bulletins.tell, lambda: leadership.left() > 0
    )
    pressing = pressing_of(settings.slack, gateway, clock, telemetry)
    tasks |= {**more_tasks, "freeze": switch.run, **pressing.tasks}
    if settings.rules.watch:
        tasks["rule files"] = rule_files.keep_watching
    watches = ClusterWatches(
        gateway,
        lease_namespace(settings),
        switch,
        asking=settings.slack.pressable,
        jobs_in=job_namespaces(settings),
    )
    reconciler = ReconcileLoop(Driver(services, queue, _limits(settings)), queue, clock, telemetry, rng)
    daemon = Daemon(watches, services, reconciler, queue, leadership, tasks)
    desk = intake_of(settings, gateway, book, sources, clock, queue.add, bulletins.tell)
    http = _http_server(settings, desk, daemon, telemetry, clock, pressing, switch.remarks)
    return Application(daemon, http, rule_files, resources, settings, gateway)


def _tell(bulletins: Bulletins, leadership: Leadership, news: Bulletin) -> None:
    """Of several replicas the one that acts tells."""
    if leadership.left() > 0:
        bulletins.tell(news)


def _limits(settings: Settings) -> Limits:
    budget = settings.undo.budget
    return Limits(
        UndoBudget(budget.max, timedelta(seconds=budget.per)),
        settings.records.keep,
        timedelta(seconds=settings.evaluation.checkpoint_interval),
    )


def _gate_keeper(
    settings: Settings,
    gateway: KubernetesGateway,
    means: Means,
    leadership: Leadership,
    queue: KeyedQueue[WorkloadKey],
    resources: AsyncExitStack,
) -> GateRunner:
    clock, telemetry, limits = means.clock, means.telemetry, settings.gates.limits
    webhooks = WebhookGates(limits)
    resources.push_async_callback(webhooks.close)
    jobs = GateJobs(KubernetesJobs(gateway.client), limits, leadership.left, clock, telemetry)
    return GateRunner(webhooks, jobs, queue.add, clock, telemetry)


def _services(
    gateway: KubernetesGateway,
    book: PolicyRegistry,
    sources: Mapping[str, MetricSource],
    notifications: Notifications,
    queue: KeyedQueue[WorkloadKey],
    leadership: Leadership,
    means: Means,
    gates: GateRunner,
) -> ReconcileServices:
    cluster, store = gateway.cluster, gateway.records
    clock, telemetry = means.clock, means.telemetry
    announcements = Announcements(cluster)
    return ReconcileServices(
        cluster=cluster,
        store=store,
        book=book,
        collector=EvidenceCollector(
            sources, cluster.workload, partial(queue.add, routine=True), clock, telemetry
        ),
        notifications=notifications,
        announcements=announcements,
        reporter=Reporter(notifications, announcements, book.mode_of),
        commands=CommandHandler(gateway.commands, clock, telemetry, leadership.left),
        gates=gates,
        conditions=CelConditions(),
        clock=clock,
        telemetry=telemetry,
        rng=means.rng,
        fence=leadership.left,
        tracer=means.tracer,
    )


def _freeze_switch(
    settings: Settings, gateway: KubernetesGateway, means: Means, tell: Callable[[Bulletin], None]
) -> FreezeSwitch:
    """The kill switch, beside the Lease that the leader holds or would hold."""
    namespace = settings.leadership.namespace or own_namespace()
    store = KubernetesFreezeStore(gateway.client, namespace, settings.leadership.name)
    return FreezeSwitch(store, means.clock, means.telemetry, tell)


def _look_at_all(gateway: KubernetesGateway, queue: KeyedQueue[WorkloadKey]) -> None:
    keys = gateway.cluster.keys()
    for key in keys:
        queue.add(key)


def _leadership(settings: Settings, gateway: KubernetesGateway, means: Means) -> Leadership:
    namespace = lease_namespace(settings)
    if namespace is None:
        return SoleLeader(means.telemetry)
    return LeaseElection(
        KubernetesLeaseStore(gateway.client, namespace, settings.leadership.name),
        f"{socket.gethostname()}_{secrets.token_hex(6)}",  # no two processes are ever called the same
        LeaseTiming.failing_over_within(settings.leadership.lease_duration),
        means.clock,
        means.telemetry,
        means.rng,
        means.elapsed,
    )


def _http_server(
    settings: Settings,
    desk: AlertIntake,
    daemon: Daemon,
    telemetry: PrometheusTelemetry,
    clock: Clock,
    pressing: Pressing,
    remarks: Checks,
) -> HttpServer:
    http = settings.http
    door = door_of(http)
    limits = WebhookLimits(
        rate=http.webhook.rate,
        burst=http.webhook.burst,
        credentials=door.credentials,
        certificate=door.tls is not None and door.tls.requires_certificate,
    )
    return HttpServer(
        AlertmanagerWebhook(desk, parse, clock=clock, telemetry=telemetry, limits=limits),
        telemetry,
        health=daemon.unhealthy,
        readiness=daemon.unready,
        remarks=remarks,
        options=ServerOptions(
            host=http.host,
            port=http.port,
            drain=settings.drain_seconds * 0.2,
            tls=door.tls,
            reread=door.reread,
        ),
        slack=pressing.webhook,
    )
