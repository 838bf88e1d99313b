"""Builds what reconciles: evidence, gates, commands and the loop that serves the queue."""

from datetime import timedelta
from functools import partial

from sentinel.adapters.http.gates import WebhookGates
from sentinel.adapters.kubernetes.coordination.jobs import KubernetesJobs
from sentinel.app.wiring.base import Base
from sentinel.app.wiring.people.telling import News, Notices
from sentinel.app.wiring.sources import Sources, guarded_sources
from sentinel.domain.policy.policy import UndoBudget
from sentinel.policies.schema.conditions import CelConditions
from sentinel.runtime.evidence.collector import EvidenceCollector
from sentinel.runtime.gates.jobs import GateJobs
from sentinel.runtime.gates.runner import GateRunner
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.queue import Turn
from sentinel.runtime.reconciling.commands import CommandHandler
from sentinel.runtime.reconciling.deliveries import Deliveries
from sentinel.runtime.reconciling.driver import Driver, Limits, ReconcileServices
from sentinel.runtime.reconciling.reconciler import ReconcileLoop
from sentinel.settings import Settings
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Reconciling:
    """The loop, and what every reconcile works with."""

    services: ReconcileServices
    loop: ReconcileLoop
    driver: Driver


def reconciling_of(
    base: Base, sources: Sources, news: News, registry: PolicyRegistry, notices: Notices
) -> Reconciling:
    """What reconciles workloads one by one, each source behind a circuit breaker."""
    dora = base.settings.dora
    services = ReconcileServices(
        cluster=base.gateway.cluster,
        keepers=base.gateway.keepers,
        store=base.gateway.records,
        histories=base.gateway.histories,
        registry=registry,
        collector=_collector(base, sources, news),
        notifications=notices.notifications,
        announcements=notices.announcements,
        reporter=notices.reporter,
        commands=CommandHandler(base.gateway.commands, base.clock, base.telemetry, base.leadership.left),
        gates=_gate_runner(base),
        conditions=CelConditions(),
        clock=base.clock,
        telemetry=base.telemetry,
        rng=base.rng,
        fence=base.leadership.left,
        deliveries=Deliveries(base.telemetry, dora.targets) if dora.metrics else None,
        tracer=base.tracer,
    )
    driver = Driver(services, base.queue, _limits(base.settings))
    loop = ReconcileLoop(driver, base.queue, base.clock, base.telemetry, base.rng)
    return Reconciling(services, loop, driver)


def _collector(base: Base, sources: Sources, news: News) -> EvidenceCollector:
    return EvidenceCollector(
        guarded_sources(base, sources, news.tell),
        base.gateway.cluster.workload,
        partial(base.queue.add, turn=Turn.ROUTINE),
        base.clock,
        base.telemetry,
        base.queue.precedence.give_way,
    )


def _gate_runner(base: Base) -> GateRunner:
    limits = base.settings.gates.limits
    webhooks = WebhookGates(limits)
    base.resources.push_async_callback(webhooks.close)
    store = KubernetesJobs(base.gateway.client)
    jobs = GateJobs(store, limits, base.leadership.left, base.clock, base.telemetry)
    return GateRunner(webhooks, jobs, base.queue.add, base.clock, base.telemetry)


def _limits(settings: Settings) -> Limits:
    budget = settings.undo.budget
    return Limits(
        UndoBudget(budget.max, timedelta(seconds=budget.per)),
        settings.records.keep,
        timedelta(seconds=settings.evaluation.checkpoint_interval),
        timedelta(seconds=settings.gitops.hold_for),
    )
