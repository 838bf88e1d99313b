"""Looks at the holds on who deploys a workload: they are released when their reason is over, and never outlive it."""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from sentinel.domain.decision import Decision
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import NOBODY, Action, Outcome, OutcomeKind, Owed
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.keeper import KeeperHold, KeeperHoldEnd
from sentinel.engine.keepers.reviewing import OVERDUE, REFUSED_FOR, HoldReview, refused_at, review
from sentinel.engine.reconciling.carrying import Carrying
from sentinel.engine.reconciling.effects import Effect, ReleaseKeeper, Report
from sentinel.engine.reconciling.entries import entry_for
from sentinel.engine.reconciling.view import View
from sentinel.values import replace


class Keeping:
    """The holds of a workload's records, whether their rollouts are over or not."""

    def __init__(self, view: View, carrying: Carrying, *, owed: Owed = NOBODY) -> None:
        """Those who are `owed` must learn of the end of a hold."""
        self._view = view
        self._carrying = carrying
        self._owed = owed

    def look(self, key: WorkloadKey, workload: Workload | None) -> Generator[Effect, Any, datetime | None]:
        """Bring every hold of the workload's records up to date; returns when to look again by time."""
        due = []
        for record in self._view.records(key):
            hold = record.keeper_hold
            if hold is None or self._view.mode_of(record) is Mode.OBSERVE:
                continue
            present = workload if workload is not None and workload.uid == record.workload_uid else None
            found = review(record, hold, present, self._view.now())
            refused = refused_at(record, hold)
            if found is not None and found.hold.ending is not None and refused is not None:
                due.append(refused + REFUSED_FOR)
                if self._view.now() < due[-1]:
                    continue
            if found is not None:
                yield from self._make(record, found, present)
            if not hold.overdue_told:
                due.append(hold.until)
        if workload is not None:
            yield from self._without_record(workload)
        return min(due, default=None)

    def _make(
        self, record: Record, found: HoldReview, workload: Workload | None
    ) -> Generator[Effect, Any, None]:
        noted = record.with_state(replace(record.state, keeper_hold=found.hold))
        if not found.message:
            yield from self._carrying.checkpoint(noted)
            return
        ending = found.hold.ending
        action = Action.RELEASE if ending is not None else Action.ESCALATE
        decision = Decision(
            noted.state,
            requeue_at=None,
            action=action,
            reason=ending.value if ending is not None else OVERDUE,
            message=found.message,
            escalate=found.escalate,
        )
        entry = record.pending_release or self._owed.mark(entry_for(record, decision, self._view.now()))
        if ending is not None:
            written = yield from self._carrying.release_keeper(record, found.hold, entry)
        else:
            told = replace(entry, outcome=Outcome(OutcomeKind.DONE, self._view.now()))
            written = yield from self._carrying.checkpoint(noted.with_decision(told))
        yield Report(written, workload)

    def _without_record(self, workload: Workload) -> Generator[Effect, Any, None]:
        """Release what is held for records of the namespace that are gone."""
        keeper = workload.keeper
        mark = keeper.mark if keeper is not None else None
        if keeper is None or mark is None:
            return
        known = {record.full_name for record in self._view.all_records()}
        hold = KeeperHold(
            keeper.ref, mark.original, self._view.now(), mark.until, KeeperHoldEnd.BY_PERSON, on=keeper.on
        )
        for holder in sorted({*mark.holders} - known):
            namespace, _, name = holder.partition("/")
            if namespace == workload.key.namespace:
                yield ReleaseKeeper(workload.key, hold, name)
