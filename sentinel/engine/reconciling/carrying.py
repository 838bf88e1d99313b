"""Carries a decision out: first the intent is recorded, then the change is made, then the outcome is recorded."""

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

from sentinel.domain.decision import Change, Decision, Restore
from sentinel.domain.errors import ClusterError, ForbiddenError, NotFoundError, PreconditionError
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import NOBODY, Action, DecisionEntry, Outcome, OutcomeKind, Owed
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.keeper import KeeperHold
from sentinel.engine.reconciling.effects import (
    Apply,
    Effect,
    HoldKeeper,
    ReleaseKeeper,
    Save,
    SaveReason,
)
from sentinel.engine.reconciling.entries import entry_for, outcome_at_once
from sentinel.engine.reconciling.memory import Memory
from sentinel.engine.reconciling.view import View
from sentinel.engine.rollout.holding import undo_failed
from sentinel.values import replace

FORBIDDEN_FOR = timedelta(seconds=30)
"""So long an undo that the API server forbids is tried again before a human is called."""

Steps = Generator[Effect, Any, Record]
"""Effects whose end is the record as written."""


class Carrying:
    """Enters decisions into records and makes their changes, each once.

    Every method is a generator of effects. A ClusterError that leaves one means: the record shows the intent without
    an outcome, and a later reconcile, or another leader's, completes it.
    """

    def __init__(self, view: View, memory: Memory, *, owed: Owed = NOBODY) -> None:
        """Those who are `owed` must hear of every decision: it is marked so in the record."""
        self._view = view
        self._memory = memory
        self._owed = owed

    def carry_out(self, record: Record, decision: Decision, workload: Workload | None, mode: Mode) -> Steps:
        """Enter the decision, make its change if it has one, enter the outcome."""
        now = self._view.now()
        entry = self._owed.mark(entry_for(record, decision, now))
        change = decision.change
        if change is None or workload is None:
            entry = replace(entry, outcome=outcome_at_once(decision, mode, now))
        try:
            decided = record.with_state(decision.state).with_decision(entry)
            written = yield from self._save(decided, SaveReason.INTENT, entry)
            if entry.outcome is not None or change is None or workload is None:
                return written
            return (yield from self._make(written, entry, change, workload))
        except ClusterError as error:
            self._memory.interrupted(entry, error)
            raise

    def complete(
        self, record: Record, entry: DecisionEntry, change: Change | None, workload: Workload
    ) -> Steps:
        """Finish a decision whose outcome is not known: after an error, a restart, or by another leader."""
        if change is not None:
            return (yield from self._make(record, entry, change, workload))
        detail = f"completed after {self._memory.why(entry)}"
        return (yield from self._finish(record, entry, OutcomeKind.DONE, detail))

    def refuse(self, record: Record, entry: DecisionEntry, detail: str) -> Steps:
        """Close a decision that must no longer be carried out."""
        return (yield from self._finish(record, entry, OutcomeKind.REFUSED, detail))

    def checkpoint(self, record: Record) -> Steps:
        """Save the record as it is, without a decision."""
        return (yield from self._save(record, SaveReason.CHECKPOINT, None))

    def _save(self, record: Record, stage: SaveReason, entry: DecisionEntry | None) -> Steps:
        stamped = record.with_state(replace(record.state, saved_at=self._view.now()))
        written: Record = yield Save(stamped, stage, entry)
        return written

    def _make(self, record: Record, entry: DecisionEntry, change: Change, workload: Workload) -> Steps:
        if _undoes(entry, change):
            try:
                record = yield from self.hold_keeper(record, workload)
            except ClusterError as error:
                if error.retryable or self._may_be_granted(error, entry, change):
                    raise
                return (yield from self._failed(record, entry, change, str(error), HoldReason.KEEPER_REVERTS))
        try:
            detail: str = yield Apply(workload, change)
        except PreconditionError as error:
            if isinstance(change, Restore):
                record, entry = self._refused(record, entry, error)
            return (yield from self._finish(record, entry, OutcomeKind.REFUSED, str(error)))
        except ClusterError as error:
            if error.retryable or self._may_be_granted(error, entry, change):
                raise
            return (yield from self._failed(record, entry, change, str(error)))
        record = _patched(record, change, self._view.now())
        return (yield from self._finish(record, entry, OutcomeKind.DONE, detail))

    def hold_keeper(self, record: Record, workload: Workload) -> Steps:
        """Have the record's hold on who deploys the workload in force, before the undo is made.

        What it changes is noted in the record first. Something that is gone takes nothing back.
        """
        hold, keeper = record.keeper_hold, workload.keeper
        if hold is None or hold.placed_at is not None:
            return record
        if keeper is not None and keeper.lever == hold.lever:
            original = keeper.settings or {}
            if original != hold.original:
                hold = replace(hold, original=original)
                record = yield from self.checkpoint(_with_keeper_hold(record, hold))
        try:
            yield HoldKeeper(record.key, hold, record.name)
        except NotFoundError:
            return _with_keeper_hold(record, None)
        return _with_keeper_hold(record, replace(hold, placed_at=self._view.now()))

    def release_keeper(self, record: Record, hold: KeeperHold, entry: DecisionEntry) -> Steps:
        """End a hold: noted, released where it is still in force, and closed."""
        record = _with_keeper_hold(record, hold)
        written = record.decided(entry.id)
        if written is None:
            record = yield from self._save(record.with_decision(entry), SaveReason.INTENT, entry)
        try:
            detail: str = yield ReleaseKeeper(record.key, hold, record.name)
        except ClusterError as error:
            if error.retryable:
                raise
            kept = _with_keeper_hold(record, replace(hold, ending=None, by_people=True))
            failed = replace(entry, escalated=True)
            return (yield from self._finish(kept, failed, OutcomeKind.FAILED, str(error)))
        over = _with_keeper_hold(record, replace(hold, ended_at=self._view.now()))
        return (yield from self._finish(over, entry, OutcomeKind.DONE, detail))

    def _refused(
        self, record: Record, entry: DecisionEntry, error: PreconditionError
    ) -> tuple[Record, DecisionEntry]:
        """An undo whose precondition does not hold: over, where it must not be made later either."""
        now = self._view.now()
        if error.reason == HoldReason.REFERENCE_GONE:
            held = undo_failed(record.state, str(error), now, HoldReason.REFERENCE_GONE)
            return record.with_state(held), replace(entry, escalated=True)
        if error.reason == "TemplateChanged":
            # What was judged is gone. If it comes back before we see that, it is someone's wish, and not ours.
            return record.with_state(undo_failed(record.state, str(error), now)), entry
        return record, entry

    def _may_be_granted(self, error: ClusterError, entry: DecisionEntry, change: Change) -> bool:
        """Whether an undo that is forbidden is to be tried again.

        An API server that has just started refuses what it has not read the roles for yet.
        """
        young = self._view.now() - entry.at < FORBIDDEN_FOR
        return young and _undoes(entry, change) and isinstance(error, ForbiddenError)

    def _failed(
        self,
        record: Record,
        entry: DecisionEntry,
        change: Change,
        detail: str,
        reason: HoldReason = HoldReason.UNDO_FAILED,
    ) -> Steps:
        """The API server will never take this change: an undo becomes a hold that asks for a human."""
        if _undoes(entry, change) and record.state.phase is Phase.UNDOING:
            record = record.with_state(undo_failed(record.state, detail, self._view.now(), reason))
            entry = replace(entry, escalated=True)
        return (yield from self._finish(record, entry, OutcomeKind.FAILED, detail))

    def _finish(self, record: Record, entry: DecisionEntry, kind: OutcomeKind, detail: str) -> Steps:
        done = replace(entry, outcome=Outcome(kind, self._view.now(), detail))
        written = yield from self._save(record.with_decision(done), SaveReason.OUTCOME, done)
        self._memory.finished(entry)
        return written


def _undoes(entry: DecisionEntry, change: Change) -> bool:
    """Whether the change is an undo, or its first part."""
    return isinstance(change, Restore) or entry.action is Action.UNDO


def _with_keeper_hold(record: Record, hold: KeeperHold | None) -> Record:
    return record.with_state(replace(record.state, keeper_hold=hold))


def _patched(record: Record, change: Change, now: datetime) -> Record:
    """The record with the time noted at which its undo reached the API server."""
    undo = record.state.undo
    if not isinstance(change, Restore) or undo is None:
        return record
    return record.with_state(replace(record.state, undo=replace(undo, patched_at=now)))
