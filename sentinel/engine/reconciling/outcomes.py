"""What a reconcile comes to: a decision entered and made, completed, or kept, and the answers to commands."""

from collections.abc import Generator
from datetime import datetime
from typing import Any, TypeVar

from sentinel.domain.command import Command, CommandPhase
from sentinel.domain.decision import Change, Decision, Restart
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.exposure.own import STEPS_SKIPPED, promotion
from sentinel.engine.reconciling.carrying import Carrying, Steps
from sentinel.engine.reconciling.commands import Obeyed, obey
from sentinel.engine.reconciling.effects import Confirm, Dismiss, Effect, Reply, Report, Show
from sentinel.engine.reconciling.entries import overtaken
from sentinel.engine.reconciling.memory import Memory
from sentinel.engine.reconciling.view import View
from sentinel.engine.rollout.holding import damage_limiting_pause
from sentinel.engine.rollout.progress import steered
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rollout.undo.undoing import next_of_undo
from sentinel.values import replace

SAID_BY_SILENCE = frozenset({"NotReadyInTime"})
"""Reasons that rest on nothing having come: they are looked up first, since a watch may have gone deaf."""

T = TypeVar("T")
Effects = Generator[Effect, Any, T]
"""Effects whose end is a T."""


class Outcomes:
    """Brings about what was decided on one workload. Every method is a generator of effects, but `situation`."""

    def __init__(self, view: View, memory: Memory, carrying: Carrying) -> None:
        self._view = view
        self._memory = memory
        self._carrying = carrying

    def situation(
        self, record: Record, workload: Workload, policy: Policy, records: tuple[Record, ...]
    ) -> Situation:
        return Situation(
            policy=policy,
            workload=workload,
            record=record,
            now=self._view.now(),
            mode=self._view.mode(policy),
            records=records,
            cluster_records=self._view.all_records(),
            cluster_budget=self._view.cluster_budget,
            keeper_hold_for=self._view.keeper_hold_for,
        )

    def obey(self, command: Command, situation: Situation) -> Effects[bool]:
        """Enter what a human asked for, or answer them; whether a decision was entered.

        The answer to what was entered comes with the next reconcile.
        """
        answer = obey(command, situation)
        if isinstance(answer, Obeyed):
            yield from self.carry_out(replace(situation, record=answer.record), answer.decision)
            return True
        yield Reply(command, answer.phase, answer.message, answer.refusal)
        return False

    def refuse_commands(self, key: WorkloadKey, why: str, refusal: str = "") -> Effects[None]:
        """Answer whatever waits for a workload of which nothing can be asked."""
        while (command := self._view.command(key)) is not None:
            yield Reply(command, CommandPhase.REFUSED, why, refusal)

    def carry_out(self, situation: Situation, decision: Decision) -> Steps:
        workload = situation.workload
        if decision.reason in SAID_BY_SILENCE:
            yield Confirm(workload)
        record = yield from self._carrying.carry_out(situation.record, decision, workload, situation.mode)
        self._memory.working.remember(record)
        if not record.live:
            yield Dismiss(record, situation.policy, situation.mode)
        yield Report(record, workload, decided=True, verdicts=situation.verdicts)
        return record

    def complete(
        self,
        record: Record,
        entry: DecisionEntry,
        workload: Workload,
        policy: Policy,
        records: tuple[Record, ...],
    ) -> Effects[None]:
        """Finish what an interrupted reconcile had decided, by what the cluster shows now."""
        held = workload.held_by_label and not entry.command
        if held or self._view.mode(policy) is Mode.OBSERVE:
            why = "someone meanwhile set the hold label, a freeze or observe mode"
            record = yield from self._carrying.refuse(record, entry, why)
            yield Report(record, workload)
            return
        change: Change | None = None
        undo = record.state.undo
        if entry.action is Action.UNDO and undo is not None:
            change = next_of_undo(self.situation(record, workload, policy, records), undo)
        elif entry.action is Action.RESTART:
            change = Restart(entry.cause.config)
        elif entry.action is Action.ADVANCE:
            change = self._onward(record, entry, workload, policy, records)
        elif entry.action is Action.HOLD:
            change = damage_limiting_pause(self.situation(record, workload, policy, records))
        record = yield from self._carrying.complete(record, entry, change, workload)
        yield Report(record, workload)

    def _onward(
        self,
        record: Record,
        entry: DecisionEntry,
        workload: Workload,
        policy: Policy,
        records: tuple[Record, ...],
    ) -> Change | None:
        """What leads to the step that an interrupted decision went on to."""
        own = workload.own_steps
        if own is None:
            return steered(self.situation(record, workload, policy, records))
        return promotion(workload, full=entry.reason == STEPS_SKIPPED) if own.stage == entry.step else None

    def end(self, record: Record, decision: Decision, workload: Workload | None) -> Effects[None]:
        """A decision that ends a rollout; nothing more is measured for it."""
        policy = self._view.policy_of(record)
        mode = self._view.mode_of(record)
        yield Dismiss(record, policy, mode)
        record = overtaken(self._memory.working.apply(record), decision, self._view.now())
        record = yield from self._carrying.carry_out(record, decision, workload, mode)
        self._memory.working.remember(record)
        yield Report(record, workload)

    def checkpoint(self, record: Record, now: datetime) -> Steps:
        """Save at once what a reader of the record would miss, and the tests' states once in a while."""
        self._memory.working.remember(record)
        if not self._memory.working.worth_saving(record, now):
            return record
        record = yield from self._carrying.checkpoint(record)
        self._memory.working.remember(record)
        yield Show(record)
        return record
