"""One pass over one workload: read, recognise, judge, decide, carry out, look again.

Level-based: a pass asks what is the case, never what happened, so any event may be lost or come twice.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sentinel.domain.command import Command, Refusal
from sentinel.domain.decision import Change, Decision, Restore
from sentinel.domain.policy import Budget, Mode, Policy
from sentinel.domain.record import Action, DecisionEntry, Phase, Record
from sentinel.domain.workload import Workload, WorkloadKey
from sentinel.engine.reconciling.commands import Obeyed, obey
from sentinel.engine.reconciling.entries import overtaken
from sentinel.engine.reconciling.judging import pods_ripen_at, with_alert_verdicts
from sentinel.engine.rollout.beginning import (
    begins_at,
    first_decision,
    new_record,
    rolled_back_by_hand,
    superseded,
    workload_gone,
)
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.holding import damage_limiting_pause
from sentinel.engine.rollout.lifecycle import Begin, Continue, Idle, RolledBack, recognise
from sentinel.engine.rollout.situation import Situation
from sentinel.ports import Clock, Cluster, Conditions, NullTracer, RecordStore, Telemetry, Tracer
from sentinel.runtime.evidence.collector import EvidenceCollector
from sentinel.runtime.gates.runner import GateKeeper
from sentinel.runtime.notify.announcements import Announcements
from sentinel.runtime.notify.notifications import Notifications
from sentinel.runtime.notify.reporting import Reporter
from sentinel.runtime.policy_registry import PolicyBook
from sentinel.runtime.queue import KeyedQueue
from sentinel.runtime.reconciling.commands import CommandDesk
from sentinel.runtime.reconciling.executor import Executor
from sentinel.runtime.reconciling.judge import Judge
from sentinel.runtime.reconciling.retention import prune
from sentinel.runtime.reconciling.workingstate import WorkingState

log = logging.getLogger(__name__)

TOLD_BY_SILENCE = frozenset({"NotReadyInTime"})
"""Reasons that rest on nothing having come: they are looked up first, since a watch may have gone deaf."""
FAR = timedelta(minutes=10)
"""Every guarded rollout is looked at this often at least, whatever its timers say."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The reconciler's settings."""

    cluster_budget: Budget | None = None
    keep_records: int = 20
    checkpoint_every: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Services:
    """What a pass works with."""

    cluster: Cluster
    store: RecordStore
    book: PolicyBook
    collector: EvidenceCollector
    executor: Executor
    notifications: Notifications
    announcements: Announcements
    reporter: Reporter
    commands: CommandDesk
    gates: GateKeeper
    conditions: Conditions
    clock: Clock
    telemetry: Telemetry
    rng: random.Random
    tracer: Tracer = field(default_factory=NullTracer)


class WorkloadPass:
    """What is done in a pass, and what is kept from one pass to the next. `queue` is told when to look again."""

    def __init__(self, services: Services, queue: KeyedQueue[WorkloadKey], limits: Limits) -> None:
        self._cluster = services.cluster
        self._store = services.store
        self._book = services.book
        self._collector = services.collector
        self._executor = services.executor
        self._notifications = services.notifications
        self._reporter = services.reporter
        self._commands = services.commands
        self._gates = services.gates
        self._judge = Judge(
            services.cluster, services.store, services.book, services.collector, services.conditions
        )
        self._clock = services.clock
        self._telemetry = services.telemetry
        self._tracer = services.tracer
        self._limits = limits
        self._settled: dict[WorkloadKey, str] = {}
        self._working = WorkingState(limits.checkpoint_every)
        self._began: dict[WorkloadKey, float] = {}
        self._queue = queue

    def forget(self) -> None:
        """Know nothing but what the watches show: what another leader did meanwhile is in the records alone."""
        self._working = WorkingState(self._limits.checkpoint_every)
        self._settled.clear()

    def sweep(self) -> set[WorkloadKey]:
        """Forget what ended unseen: records deleted, ended by another process, or by a lost answer.

        Returns the workloads there are.
        """
        live = {record.name for record in self._store.live()}
        self._working.keep_only(live)
        self._collector.keep_only(live)
        self._gates.keep_only(live)
        recorded = tuple(self._store.all())
        self._reporter.keep_only({record.name for record in recorded})
        known = {*self._cluster.keys(), *(record.key for record in recorded)}
        for key in self._settled.keys() - known:
            del self._settled[key]
        return known

    async def run(self, key: WorkloadKey) -> None:
        """One pass. Raises ClusterError by its kind; what was decided then is completed by a later pass."""
        self._began[key] = self._clock.monotonic()
        try:
            with self._tracer.span("pass", workload=str(key)):
                await self._pass(key)
        finally:
            del self._began[key]

    async def _pass(self, key: WorkloadKey) -> None:
        workload = self._cluster.workload(key)
        records = self._store.of_workload(key)
        self._let_go(records)
        for record in reversed(records):
            self._reporter.report(record, workload)
        uid = workload.uid if workload else ""
        for orphan in (r for r in records if r.live and r.workload_uid != uid):
            await self._end(orphan, workload_gone(orphan, self._clock.now()), None)
        if workload is None or workload.deleting:
            self._settled.pop(key, None)
            self._queue.forget_timer(key)
            await self._commands.refuse_all(key, "there is no such workload")
            return
        own = tuple(r for r in records if r.workload_uid == uid)
        await self._look_at(workload, own)
        if workload.rolled_out and workload.desired > 0:  # no pods are no proof of a revision
            self._settled[key] = workload.candidate.digest

    def _let_go(self, records: Sequence[Record]) -> None:
        """Forget rollouts that are over: the write that ended one may have been made and its answer lost."""
        for record in records:
            if not record.live:
                self._working.remember(record)
                self._collector.forget(record)
                self._gates.forget(record.name)

    async def _look_at(self, workload: Workload, records: tuple[Record, ...]) -> None:
        if records and records[0].state.phase is Phase.UNDOING:
            records = (self._working.noting_target(records[0], workload), *records[1:])
        latest = records[0] if records else None
        open_record = latest if latest and latest.live else None
        policy = self._book.of(open_record) if open_record else self._book.guarding(workload)
        if policy is None:
            why = "no policy guards this workload"
            await self._commands.refuse_all(workload.key, why, Refusal.NOT_GUARDED)
            return
        now = self._clock.now()
        sighting = recognise(workload, records, self._settled.get(workload.key), policy.undo, now)
        match sighting:
            case Idle():
                await self._at_rest(workload, policy, records)
            case RolledBack(record):
                await self._rolled_back(record, workload, policy, records)
            case Begin():
                await self._begin(sighting, workload, records)
            case Continue(record):
                await self._continue(record, workload, policy, records)

    async def _at_rest(self, workload: Workload, policy: Policy, records: tuple[Record, ...]) -> None:
        """Nothing is rolled out; a human may still ask for something."""
        command = self._commands.next(workload.key)
        if command is not None and not records:
            await self._commands.refuse_all(workload.key, "there is no rollout of it on record")
        elif command is not None:
            await self._obey(
                command, self._situation(records[0], workload, policy, records, self._clock.now())
            )

    async def _obey(self, command: Command, situation: Situation) -> bool:
        """Enter what a human asked for, or answer them; whether a decision was entered.

        The answer to what was entered comes with the next pass.
        """
        answer = obey(command, situation)
        entered = isinstance(answer, Obeyed)
        if isinstance(answer, Obeyed):
            await self._carry_out(replace(situation, record=answer.record), answer.decision)
        else:
            await self._commands.answer(command, answer.phase, answer.message, answer.refusal)
        self._queue.add(situation.workload.key)
        return entered

    # A rollout begins.

    async def _begin(self, begin: Begin, workload: Workload, records: tuple[Record, ...]) -> None:
        if begin.closes is not None:
            await self._end(begin.closes, superseded(begin.closes, begin, self._clock.now()), None)
        policy = self._book.guarding(workload)
        if policy is None:
            return
        now = self._clock.now()
        mode = self._book.mode(policy)
        record = new_record(begin, workload, policy, mode, begins_at(records, now))
        situation = self._situation(record, workload, policy, records, now)
        await self._carry_out(situation, first_decision(begin, situation))
        await prune(self._store, records, self._limits.keep_records)
        self._queue.add(workload.key)

    async def _rolled_back(
        self, record: Record, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> None:
        situation = self._situation(record, workload, policy, records, self._clock.now())
        await self._end(record, rolled_back_by_hand(situation), workload)

    async def _end(self, record: Record, decision: Decision, workload: Workload | None) -> None:
        """A decision that ends a rollout; nothing more is measured for it."""
        self._collector.forget(record)
        policy = self._book.of(record)
        mode = self._book.mode_of(record)
        self._gates.dismiss(record, policy, mode)
        record = overtaken(self._working.apply(record), decision, self._clock.now())
        record = await self._executor.carry_out(record, decision, workload, mode)
        self._working.remember(record)
        self._reporter.report(record, workload)

    # A rollout goes on.

    async def _continue(
        self, record: Record, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> None:
        pending = record.pending
        if pending is not None:
            await self._complete(record, pending, workload, policy, records)
            self._queue.add(workload.key)
            return
        record = self._gates.taken(self._working.apply(record).named(workload.candidate))
        with self._tracer.span("decide", record=record.name):
            situation = self._situation(record, workload, policy, records, self._clock.now())
            pulled = self._working.ever_pulled(record, workload)
            situation = await self._judge.judge(situation, ever_pulled=pulled)
            self._working.remember(situation.record)
            decision = decide(situation)
        command = self._commands.next(workload.key)
        if command is not None and await self._obey(command, situation):
            return
        situation = replace(situation, record=with_alert_verdicts(situation.record, situation.alerts))
        if decision.action is not None:
            await self._carry_out(situation, decision)
            self._queue.add(workload.key)
            return
        if decision.change is not None:
            await self._executor.steer(workload, decision.change)
        record = await self._checkpoint(situation, decision)
        self._look_again(record, decision, workload, policy)

    async def _complete(
        self,
        record: Record,
        entry: DecisionEntry,
        workload: Workload,
        policy: Policy,
        records: tuple[Record, ...],
    ) -> None:
        """Finish what an interrupted pass had decided, by what the cluster shows now."""
        held = workload.held_by_label and not entry.command
        if held or self._book.mode(policy) is Mode.OBSERVE:
            record = await self._executor.refuse(
                record, entry, "a human asked meanwhile that nothing be touched"
            )
            self._reporter.report(record, workload)
            return
        change: Change | None = None
        undo = record.state.undo
        if entry.action is Action.UNDO and undo is not None:
            change = Restore(undo.target)
        elif entry.action is Action.HOLD:
            change = damage_limiting_pause(
                self._situation(record, workload, policy, records, self._clock.now())
            )
        record = await self._executor.complete(record, entry, change, workload)
        self._reporter.report(record, workload)

    # What comes of it.

    async def _carry_out(self, situation: Situation, decision: Decision) -> None:
        if decision.reason in TOLD_BY_SILENCE:
            await self._cluster.confirm(situation.workload)
        record = await self._executor.carry_out(
            situation.record, decision, situation.workload, situation.mode
        )
        self._telemetry.observe("decision_seconds", self._clock.monotonic() - self._began[record.key])
        self._working.remember(record)
        if not record.live:
            self._collector.forget(record)
            self._gates.dismiss(record, situation.policy, situation.mode)
        self._reporter.report(record, situation.workload)

    async def _checkpoint(self, situation: Situation, decision: Decision) -> Record:
        """Save at once what a reader of the record would miss, and the tests' states once a minute."""
        now = situation.now
        record = situation.record.with_state(decision.state)
        self._working.remember(record)
        if not self._working.worth_saving(record, now):
            return record
        record = await self._executor.keep(record)
        self._working.remember(record)
        self._notifications.tell(record, None)
        return record

    def _look_again(self, record: Record, decision: Decision, workload: Workload, policy: Policy) -> None:
        self._gates.heed(record, policy, self._book.mode(policy))
        now = self._clock.now()
        due = [now + FAR, decision.wake]
        if record.state.phase is not Phase.UNDOING:
            due.append(self._collector.request(record, policy, workload))
            due.append(pods_ripen_at(policy, workload, record, now))
        first = min(at for at in due if at is not None)
        self._queue.add_after(workload.key, max(0.001, (first - now).total_seconds()), routine=True)

    def _situation(
        self, record: Record, workload: Workload, policy: Policy, records: Sequence[Record], now: datetime
    ) -> Situation:
        return Situation(
            policy=policy,
            workload=workload,
            record=record,
            now=now,
            mode=self._book.mode(policy),
            records=records,
            cluster_records=tuple(self._store.all()),
            cluster_budget=self._limits.cluster_budget,
        )
