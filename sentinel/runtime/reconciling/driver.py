"""Drives the reconciles of the engine over the network: makes each effect real and sends its answer back."""

import logging
import random
from collections.abc import Generator, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from sentinel.domain.decision import Change
from sentinel.domain.errors import ClusterError
from sentinel.domain.policy.policy import UndoBudget
from sentinel.domain.record.entries import Action, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.words import deed
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.evidence.measured import measured_by
from sentinel.engine.reconciling.effects import (
    Apply,
    AskGates,
    Collect,
    Collected,
    Confirm,
    Dismiss,
    Effect,
    FollowConfig,
    HoldKeeper,
    LookAround,
    Measure,
    Prune,
    ReadConfig,
    ReleaseKeeper,
    Reply,
    Report,
    Save,
    SaveReason,
    Show,
)
from sentinel.engine.reconciling.memory import Memory
from sentinel.engine.reconciling.reconcile import Reconciled, Reconciler
from sentinel.engine.rollout.situation import KEEPER_HOLD_FOR
from sentinel.engine.rules.environment import Surroundings
from sentinel.metric_names import MetricName
from sentinel.ports import (
    Clock,
    Cluster,
    Conditions,
    HistoryStore,
    Keepers,
    NullTracer,
    RecordStore,
    Telemetry,
    Tracer,
)
from sentinel.runtime.evidence.collector import EvidenceCollector
from sentinel.runtime.fence import Fence, fenced, unfenced
from sentinel.runtime.gates.runner import GateRunner
from sentinel.runtime.logfields import about_workload
from sentinel.runtime.notify.announcements import Announcements
from sentinel.runtime.notify.notifications import Notifications
from sentinel.runtime.notify.reporting import Reporter
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.queue import KeyedQueue, Turn
from sentinel.runtime.reconciling.commands import CommandHandler
from sentinel.runtime.reconciling.deliveries import Deliveries
from sentinel.runtime.reconciling.live_view import LiveView
from sentinel.runtime.reconciling.retention import prune
from sentinel.values import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """The reconciler's settings."""

    cluster_budget: UndoBudget | None = None
    keep_records: int = 20
    checkpoint_every: timedelta = timedelta(minutes=1)
    keeper_hold_for: timedelta = KEEPER_HOLD_FOR


@dataclass(frozen=True, slots=True)
class ReconcileServices:
    """What a reconcile works with. `fence` keeps every write within the lease. `deliveries` are counted where the
    daemon's metrics may name workloads."""

    cluster: Cluster
    keepers: Keepers
    store: RecordStore
    histories: HistoryStore
    registry: PolicyRegistry
    collector: EvidenceCollector
    notifications: Notifications
    announcements: Announcements
    reporter: Reporter
    commands: CommandHandler
    gates: GateRunner
    conditions: Conditions
    clock: Clock
    telemetry: Telemetry
    rng: random.Random
    fence: Fence = unfenced
    deliveries: Deliveries | None = None
    tracer: Tracer = field(default_factory=NullTracer)


class Driver:
    """Runs one reconcile at a time for a workload, and keeps what is remembered between them."""

    def __init__(self, services: ReconcileServices, queue: KeyedQueue[WorkloadKey], limits: Limits) -> None:
        self._services = services
        self._queue = queue
        self._limits = limits
        self._view = LiveView(
            services.cluster,
            services.store,
            services.registry,
            services.commands,
            services.conditions,
            services.clock,
            limits.cluster_budget,
            limits.keeper_hold_for,
        )
        self._memory = Memory(limits.checkpoint_every)
        self._reconciler = Reconciler(self._view, self._memory, owed=services.notifications.owed)
        self._began: dict[WorkloadKey, float] = {}

    def forget(self) -> None:
        """Know nothing but what the watches show: what another leader did meanwhile is in the records alone."""
        self._memory.forget()

    def newest(self, record: Record) -> Record:
        """The record with what was measured since it was saved, as far as this process measures it."""
        return self._memory.working.newest(record)

    def sweep(self) -> set[WorkloadKey]:
        """Forget what ended unseen: records deleted, ended by another process, or by a lost answer.

        Returns the workloads there are.
        """
        services = self._services
        live = {record.name for record in services.store.live()}
        recorded = tuple(services.store.all())
        services.reporter.keep_only({record.name for record in recorded})
        known = {*services.cluster.keys(), *(record.key for record in recorded)}
        self._memory.keep_only(live, known)
        services.collector.keep_only(live)
        services.gates.keep_only(live)
        return known

    async def run(self, key: WorkloadKey) -> None:
        """One reconcile. Raises ClusterError by its kind; what was decided then is completed by a later one."""
        self._began[key] = self._services.clock.monotonic()
        try:
            with self._services.tracer.span("reconcile", workload=str(key)):
                reconciled = await self._drive(self._reconciler.reconcile(key))
        finally:
            del self._began[key]
        if reconciled.gone:
            self._queue.forget_timer(key)
        if reconciled.again:
            self._queue.add(key)
        if reconciled.requeue_at is not None:
            self._requeue(key, reconciled.requeue_at)

    def _requeue(self, key: WorkloadKey, at: datetime) -> None:
        seconds = (at - self._services.clock.now()).total_seconds()
        self._queue.add_after(key, max(0.001, seconds), Turn.ROUTINE)

    async def _drive(self, steps: Generator[Effect, Any, Reconciled]) -> Reconciled:
        """Make effect after effect real until the reconcile is over; what fails is thrown back into it."""
        answer: object = None
        error: ClusterError | None = None
        while True:
            try:
                effect = steps.throw(error) if error is not None else steps.send(answer)
            except StopIteration as end:
                reconciled: Reconciled = end.value
                return reconciled
            answer, error = None, None
            try:
                answer = await self._perform(effect)
            except ClusterError as failed:
                error = failed

    async def _perform(self, effect: Effect) -> object:
        """Make one effect real; returns its answer. Raises ClusterError."""
        services = self._services
        match effect:
            case Save():
                return await self._save(effect)
            case Apply(workload, change):
                return await self._apply(workload, change)
            case HoldKeeper() | ReleaseKeeper():
                return await self._keep(effect)
            case LookAround():
                return await self._look_around(effect)
            case ReadConfig(workload, keep):
                return await services.cluster.read_config(workload, keep=keep)
            case Confirm(workload):
                await services.cluster.confirm(workload)
            case Reply(command, phase, message, refusal):
                await services.commands.answer(command, phase, message, refusal)
            case Prune(older):
                await self._prune(older)
            case _:
                return self._do(effect)
        return None

    async def _prune(self, older: Sequence[Record]) -> None:
        services, kept = self._services, self._limits.keep_records
        await prune(services.store, services.histories, older, kept, services.clock.now())

    def _do(self, effect: Collect | Measure | AskGates | Dismiss | FollowConfig | Report | Show) -> object:
        """What waits for nothing."""
        services = self._services
        match effect:
            case Collect():
                return self._collected(effect)
            case Measure(record, policy, workload, suspected, bake_ends, calm):
                services.collector.request(record, policy, workload, suspected, bake_ends, calm)
            case AskGates(record, policy, mode):
                services.gates.heed(record, policy, mode)
            case Dismiss(record, policy, mode):
                services.collector.forget(record)
                services.gates.dismiss(record, policy, mode)
            case FollowConfig(workload, wanted):
                services.cluster.follow_config(workload, wanted=wanted)
            case Report():
                self._report(effect)
            case Show(record):
                services.notifications.tell(record, None)
        return None

    def _collected(self, effect: Collect) -> Collected:
        record, collector = effect.record, self._services.collector
        measured = collector.take(record)
        return Collected(
            measured=measured,
            unmeasured=collector.unmeasured(measured_by(record, measured), effect.policy, effect.workload),
            learnt=collector.learnt(record),
            started=collector.started(record),
            settles=collector.settles(record, effect.policy),
            ends_with=collector.ends_with(record),
            ticks=collector.ticks(record, effect.policy),
            gates=self._services.gates.taken(record).state.gating.results,
        )

    async def _save(self, effect: Save) -> Record:
        services, record, entry = self._services, effect.record, effect.entry
        known = services.store.of_workload(record.key)
        before = next((one for one in known if one.name == record.name), None)
        write = services.store.save if record.version else services.store.create
        with services.tracer.span("save", record=record.name):
            written = await fenced(services.fence, record.key.namespace, lambda _limit: write(record))
        if services.deliveries is not None:
            services.deliveries.count(before, written)
        if effect.stage is SaveReason.INTENT and entry is not None:
            services.telemetry.count(MetricName.DECISIONS_TOTAL, action=deed(entry), reason=entry.reason)
        if effect.stage is SaveReason.OUTCOME and entry is not None and entry.action is Action.UNDO:
            self._count_undo(record, entry.outcome.kind if entry.outcome else OutcomeKind.DONE)
        return written

    def _count_undo(self, record: Record, kind: OutcomeKind) -> None:
        telemetry, undo = self._services.telemetry, record.state.undo
        telemetry.count(MetricName.UNDO_TOTAL, outcome=kind.value)
        if kind is OutcomeKind.DONE and undo is not None and undo.fault_at and undo.patched_at:
            telemetry.observe(MetricName.UNDO_SECONDS, (undo.patched_at - undo.fault_at).total_seconds())

    async def _apply(self, workload: Workload, change: Change) -> str:
        services = self._services
        with services.tracer.span("patch", workload=str(workload.key), change=type(change).__name__):
            return await fenced(
                services.fence,
                workload.key.namespace,
                lambda limit: services.cluster.apply(workload, change, timeout=limit),
            )

    async def _keep(self, effect: HoldKeeper | ReleaseKeeper) -> str:
        """Hold or release who deploys a workload."""
        services, key, hold = self._services, effect.key, effect.hold
        name = "hold" if isinstance(effect, HoldKeeper) else "release"

        async def write(limit: float) -> str:
            make = services.keepers.hold if isinstance(effect, HoldKeeper) else services.keepers.release
            return await make(key, hold, effect.record, timeout=limit)

        with services.tracer.span(name, workload=str(key), keeper=str(hold.keeper)):
            said = await fenced(services.fence, key.namespace, write)
        log.info("%s: %s", key, said, extra=about_workload(key))
        services.telemetry.count(MetricName.KEEPER_WRITES_TOTAL, tool=hold.keeper.tool, write=name)
        return said

    async def _look_around(self, effect: LookAround) -> Surroundings:
        neighbours = self._view.neighbours(effect.rule, effect.workload)
        return await self._services.collector.surroundings(
            effect.rule, effect.record, effect.workload, neighbours
        )

    def _report(self, effect: Report) -> None:
        services, key = self._services, effect.record.key
        services.reporter.report(effect.record, effect.workload)
        if services.deliveries is not None and effect.workload is not None:
            services.deliveries.see(key)
        if effect.decided:
            services.telemetry.observe(
                MetricName.DECISION_SECONDS, services.clock.monotonic() - self._began[key]
            )
