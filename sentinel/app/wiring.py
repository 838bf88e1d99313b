"""Builds the daemon from its settings: the only place where adapters and runtime meet."""

import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

from pydantic import SecretStr

from sentinel.adapters.alertmanager.payload import parse
from sentinel.adapters.cloudevents.notifier import CloudEventsNotifier
from sentinel.adapters.datadog.client import Connection as DatadogConnection
from sentinel.adapters.datadog.client import DatadogClient
from sentinel.adapters.datadog.source import DatadogSource
from sentinel.adapters.http.gates import WebhookGates
from sentinel.adapters.http.metrics import PrometheusTelemetry
from sentinel.adapters.http.server import Checks, HttpServer, ServerOptions
from sentinel.adapters.http.webhook import AlertmanagerWebhook, WebhookLimits
from sentinel.adapters.kubernetes.freezes import KubernetesFreezeStore
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.adapters.kubernetes.jobs import KubernetesJobs
from sentinel.adapters.kubernetes.lease import KubernetesLeaseStore, own_namespace
from sentinel.adapters.kubernetes.servertime import ServerClock
from sentinel.adapters.prometheus.client import Connection, PrometheusClient
from sentinel.adapters.prometheus.rules import PrometheusAlertRules
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.adapters.slack.notifier import SlackNotifier
from sentinel.app.door import door_of
from sentinel.app.pressing import Pressing, pressing_of
from sentinel.app.rulefiles import RuleFiles
from sentinel.app.tracing import tracer_of
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.notice import Bulletin
from sentinel.domain.policy import Budget
from sentinel.domain.record import Record
from sentinel.domain.workload import WorkloadKey
from sentinel.policies.conditions import CelConditions
from sentinel.policies.load import Options
from sentinel.policies.source import PolicySource
from sentinel.ports import (
    AlertRules,
    Broadcaster,
    Clock,
    MetricSource,
    Notifier,
    NullTracer,
    RecordStore,
    Tracer,
)
from sentinel.runtime.alerts import AlertDesk
from sentinel.runtime.announcements import Announcements
from sentinel.runtime.breaker import Breaker
from sentinel.runtime.bulletins import Bulletins
from sentinel.runtime.commands import CommandDesk
from sentinel.runtime.daemon import Daemon
from sentinel.runtime.evidence import EvidenceCollector
from sentinel.runtime.executor import Executor
from sentinel.runtime.freezing import FreezeSwitch
from sentinel.runtime.gatejobs import GateJobs
from sentinel.runtime.gates import GateKeeper
from sentinel.runtime.leadership import Leadership, LeaseElection, SoleLeader
from sentinel.runtime.leadership import Timing as LeaseTiming
from sentinel.runtime.lookups import Lookups
from sentinel.runtime.notifications import LogNotifier, Notifications
from sentinel.runtime.observedsource import ObservedSource
from sentinel.runtime.policybook import PolicyBook
from sentinel.runtime.queue import KeyedQueue
from sentinel.runtime.reconciler import Limits, Reconciler, Services
from sentinel.settings import DatadogSettings, PrometheusSettings, Settings

SYNC_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Means:
    """Time, chance and telemetry, which everything needs. `elapsed` is the clock that a lease is reckoned by."""

    clock: Clock
    rng: random.Random
    telemetry: PrometheusTelemetry
    elapsed: Callable[[], float] | None = None
    tracer: Tracer = field(default_factory=NullTracer)


@dataclass(frozen=True, slots=True)
class Sources:
    """The metrics systems that the settings name."""

    by_name: Mapping[str, MetricSource]
    rules: AlertRules | None


class Channel(Notifier, Broadcaster, Protocol):
    """Where people are told: of rollouts, and of the sentinel itself."""


class Application:
    """The daemon and its HTTP server, as one thing that starts and stops."""

    def __init__(
        self,
        daemon: Daemon,
        http: HttpServer,
        store: RecordStore,
        rule_files: RuleFiles,
        resources: AsyncExitStack,
        drain_seconds: float,
    ) -> None:
        self.daemon = daemon
        self.http = http
        self.store = store
        self.rule_files = rule_files
        self._resources = resources
        self._drain_seconds = drain_seconds

    async def start(self) -> None:
        """Listen first, so that probes are answered while the watches sync; then watch and judge.

        Raises SentinelError with a sentence on what is missing; nothing is left running then.
        """
        await self.http.start()
        try:
            await self.daemon.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Be unready, take nothing new, finish what is under way, close everything; within the drain time."""
        await self.daemon.stop(self._drain_seconds * 0.8)
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
    )
    gateway.client.told_time = server_clock.heard
    telemetry = PrometheusTelemetry()
    gateway.client.told_answer = lambda verb, code: telemetry.count(
        "api_requests_total", verb=verb, code=code
    )
    resources = AsyncExitStack()
    means = Means(clock, rng, telemetry, elapsed, tracer_of(settings, resources))
    sources = metric_sources(settings, resources)
    options = options_of(settings, sources)
    policies = PolicySource.open(settings.rules.paths, options)
    told = notifier(settings, resources)
    queue: KeyedQueue[WorkloadKey] = KeyedQueue(workers=settings.evaluation.concurrency)
    hook = _webhook_told(settings, means, resources)
    hooked_bulletins = tuple(Bulletins(each, clock, telemetry) for each in hook)
    bulletins = Bulletins(told, clock, telemetry, beside=hooked_bulletins)
    leadership = _leadership(settings, gateway, means)

    def tell(news: Bulletin) -> None:
        """Of several replicas the one that acts tells."""
        if leadership.left() > 0:
            bulletins.tell(news)

    switch = _freeze_switch(settings, gateway, means, tell)
    book = PolicyBook(policies, settings.mode, lambda: switch.frozen)
    keeper = _gate_keeper(settings, gateway, means, leadership, queue, resources)
    hooked = tuple(
        Notifications(each, gateway.records, lambda record: "", telemetry, rng, means.tracer) for each in hook
    )
    notifications = Notifications(
        told,
        gateway.records,
        partial(_channel_of, book),
        telemetry,
        rng,
        means.tracer,
        beside=hooked,
    )
    observed = _observed(sources, means, tell)
    services = _services(gateway, book, observed, notifications, queue, leadership, means, keeper)
    budget = settings.undo.budget
    limits = Limits(
        Budget(budget.max, timedelta(seconds=budget.per)),
        settings.records.keep,
        timedelta(seconds=settings.evaluation.checkpoint_interval),
    )
    rule_files = RuleFiles(
        policies,
        settings.rules.paths,
        telemetry,
        clock,
        bulletins.tell,
        lambda: leadership.left() > 0,
    )
    extra: dict[str, Callable[[], Awaitable[None]]] = {"bulletins": bulletins.run, "freeze": switch.run}
    extra |= {f"notices {number}": each.run for number, each in enumerate(hooked, 2)}
    extra |= {f"bulletins {number}": each.run for number, each in enumerate(hooked_bulletins, 2)}
    if settings.rules.watch:
        extra["rule files"] = rule_files.keep_watching
    pressing = pressing_of(settings.slack, gateway, clock, means.telemetry)
    extra |= pressing.tasks
    watches = _Watches(
        gateway,
        lease_namespace(settings),
        switch,
        asking=settings.slack.pressable,
        jobs_in=job_namespaces(settings),
    )
    switch.changed = partial(_look_at_all, gateway, queue)
    daemon = Daemon(watches, services, Reconciler(services, queue, limits), queue, leadership, extra)
    desk = AlertDesk(
        gateway.cluster,
        gateway.records,
        book,
        sources.rules,
        Lookups(gateway.cluster, gateway.records, book, clock),
        queue.add,
        telemetry,
        lambda: gateway.synced,
    )
    http = _http_server(settings, desk, daemon, telemetry, clock, pressing, switch.remarks)
    return Application(daemon, http, gateway.records, rule_files, resources, settings.drain_seconds)


def options_of(settings: Settings, sources: Sources) -> Options:
    """What rule files may rely on under these settings."""
    return Options(
        interval=timedelta(seconds=settings.evaluation.interval),
        sources=frozenset(sources.by_name),
        gates=settings.gates.limits,
    )


def _gate_keeper(
    settings: Settings,
    gateway: KubernetesGateway,
    means: Means,
    leadership: Leadership,
    queue: KeyedQueue[WorkloadKey],
    resources: AsyncExitStack,
) -> GateKeeper:
    clock, telemetry, limits = means.clock, means.telemetry, settings.gates.limits
    webhooks = WebhookGates(limits)
    resources.push_async_callback(webhooks.close)
    jobs = GateJobs(KubernetesJobs(gateway.client), limits, leadership.left, clock, telemetry)
    return GateKeeper(webhooks, jobs, queue.add, clock, telemetry)


def metric_sources(settings: Settings, resources: AsyncExitStack) -> Sources:
    """A source for each metrics system that has an address or keys in the settings."""
    by_name: dict[str, MetricSource] = {}
    rules = None
    if settings.prometheus.url is not None:
        client = PrometheusClient(_prometheus_connection(settings.prometheus, settings.prometheus.url))
        resources.callback(client.close)
        by_name["prometheus"] = PrometheusSource(client, scrape_interval=settings.prometheus.scrape_interval)
        rules = PrometheusAlertRules(client)
    if settings.datadog.api_key is not None and settings.datadog.app_key is not None:
        datadog = DatadogClient(_datadog_connection(settings.datadog))
        resources.callback(datadog.close)
        by_name["datadog"] = DatadogSource(datadog, settle=settings.datadog.settle)
    return Sources(by_name, rules)


def _datadog_connection(settings: DatadogSettings) -> DatadogConnection:
    return DatadogConnection(
        url=settings.host or f"https://api.{settings.site}",
        api_key=_secret(settings.api_key),
        app_key=_secret(settings.app_key),
        timeout=settings.timeout,
        threads=settings.workers,
    )


def _prometheus_connection(settings: PrometheusSettings, url: str) -> Connection:
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    if settings.bearer_token is not None:
        headers["Authorization"] = f"Bearer {settings.bearer_token.get_secret_value()}"
    return Connection(
        url,
        headers=headers,
        verify_tls=settings.verify_tls,
        timeout=settings.timeout,
        threads=settings.workers,
    )


def _services(
    gateway: KubernetesGateway,
    book: PolicyBook,
    sources: Mapping[str, MetricSource],
    notifications: Notifications,
    queue: KeyedQueue[WorkloadKey],
    leadership: Leadership,
    means: Means,
    gates: GateKeeper,
) -> Services:
    cluster, store = gateway.cluster, gateway.records
    clock, telemetry = means.clock, means.telemetry
    return Services(
        cluster=cluster,
        store=store,
        book=book,
        collector=EvidenceCollector(
            sources, cluster.workload, partial(queue.add, routine=True), clock, telemetry
        ),
        executor=Executor(cluster, store, clock, telemetry, leadership.left, means.tracer),
        notifications=notifications,
        announcements=Announcements(cluster),
        commands=CommandDesk(gateway.commands, clock, telemetry, leadership.left),
        gates=gates,
        conditions=CelConditions(),
        clock=clock,
        telemetry=telemetry,
        rng=means.rng,
        tracer=means.tracer,
    )


def _observed(sources: Sources, means: Means, tell: Callable[[Bulletin], None]) -> dict[str, MetricSource]:
    clock, telemetry = means.clock, means.telemetry
    return {
        name: ObservedSource(
            Breaker(source, clock, telemetry, means.rng, tell), clock, telemetry, means.tracer
        )
        for name, source in sources.by_name.items()
    }


def lease_namespace(settings: Settings) -> str | None:
    """Where the Lease is, None where there is no election."""
    return (settings.leadership.namespace or own_namespace()) if settings.leadership.enabled else None


def job_namespaces(settings: Settings) -> tuple[str, ...] | None:
    """Where Jobs of gates may be run, `""` for everywhere; None where none may be."""
    if not settings.gates.jobs.enabled:
        return None
    return settings.gates.jobs.namespaces or settings.kubernetes.namespaces or ("",)


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


def notifier(settings: Settings, resources: AsyncExitStack) -> Channel:
    """Slack where the settings have a token, else the log."""
    slack = settings.slack
    if slack.token is None:
        return LogNotifier()
    told = SlackNotifier(
        slack.token.get_secret_value(),
        channel=slack.channel or "",
        base_url=f"{slack.base_url}/",
        timeout=slack.timeout,
        pressable=slack.pressable,
    )
    resources.push_async_callback(told.close)
    return told


def _webhook_told(
    settings: Settings, means: Means, resources: AsyncExitStack
) -> tuple[CloudEventsNotifier, ...]:
    """The webhook that the settings name, to be told beside the other channel."""
    webhook = settings.notify.webhook
    if webhook.url is None:
        return ()
    events = CloudEventsNotifier(
        webhook.url, _secret(webhook.secret), timeout=webhook.timeout, now=means.clock.now
    )
    resources.push_async_callback(events.close)
    return (events,)


def _channel_of(book: PolicyBook, record: Record) -> str:
    policy = book.of(record)
    return (policy.slack_channel if policy else None) or ""


def _http_server(
    settings: Settings,
    desk: AlertDesk,
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


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value is not None else ""


class _Watches:
    """The gateway's watches as the daemon wants them."""

    def __init__(
        self,
        gateway: KubernetesGateway,
        lease_namespace: str | None,
        switch: FreezeSwitch,
        *,
        asking: bool,
        jobs_in: Sequence[str] | None,
    ) -> None:
        self._gateway = gateway
        self._asking = asking
        self._jobs_in = jobs_in
        self._switch = switch
        self._lease_namespace = lease_namespace

    async def start(self) -> None:
        lacking = await self._gateway.preflight(
            self._lease_namespace, asking=self._asking, jobs_in=self._jobs_in
        )
        if lacking:
            raise ConfigurationError("\n".join(lacking))
        await self._switch.look()  # before anything can be decided
        await self._gateway.start()

    async def wait_synced(self) -> None:
        await self._gateway.wait_synced(SYNC_SECONDS)

    def ages(self) -> Mapping[str, float]:
        return {name: age for name, age in self._gateway.watch_ages().items() if age is not None}

    async def close(self) -> None:
        await self._gateway.close()
