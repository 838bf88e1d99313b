"""Tells people the outcome of a revert in Git, which is proposed beside the reconciles and noted in the record."""

from sentinel.domain.decision import Decision
from sentinel.domain.record.entries import Action, Outcome, OutcomeKind, Owed
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.reconciling.carrying import Carrying
from sentinel.engine.reconciling.effects import Report
from sentinel.engine.reconciling.entries import entry_for
from sentinel.engine.reconciling.outcomes import Effects
from sentinel.engine.reconciling.view import View
from sentinel.values import replace


def tell_reverts(
    view: View, carrying: Carrying, key: WorkloadKey, workload: Workload | None, *, owed: Owed
) -> Effects[None]:
    """Enter what was noted of a revert as a decision of its rollout, once. Those who are `owed` must hear of it."""
    for record in view.records(key):
        revert = record.revert
        if revert is None or revert.told:
            continue
        decision = Decision(
            record.state,
            requeue_at=None,
            action=Action.NOTE,
            reason=revert.reason.value,
            message=revert.message,
        )
        now = view.now()
        done = Outcome(OutcomeKind.DONE, now)
        entry = replace(owed.mark(entry_for(record, decision, now)), outcome=done)
        told = replace(record, revert=replace(revert, told=True)).with_decision(entry)
        written = yield from carrying.checkpoint(told)
        yield Report(written, workload)
