"""What keeps a decided action from being done: the hold label and the undo budgets.

Observe mode and a freeze of the cluster are not guards: decisions are made as usual and not carried out, so that
people see what the sentinel would have done (`Situation.mode`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sentinel.domain.figures import amount, duration
from sentinel.domain.policy.policy import Policy, UndoBudget
from sentinel.domain.record.entries import Action, DecisionEntry, OutcomeKind
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import HOLD_LABEL, Workload
from sentinel.values import dataclass

TOUCHING = frozenset({Action.ADVANCE, Action.PROMOTE, Action.HOLD, Action.RESUME, Action.UNDO})
"""Actions that change the workload; the others only write the record or tell people."""


BUDGETS = frozenset({HoldReason.UNDO_BUDGET, HoldReason.CLUSTER_BUDGET})


@dataclass(frozen=True, slots=True)
class Guard:
    """Whether an action may be done, and if not, why."""

    reason: HoldReason | None = None
    message: str = ""

    @property
    def allowed(self) -> bool:
        """Whether nothing keeps the action from being done."""
        return self.reason is None


def permitted(
    action: Action,
    policy: Policy,
    workload: Workload,
    record: Record,
    records: Sequence[Record],
    cluster_records: Iterable[Record],
    *,
    cluster_budget: UndoBudget | None,
    now: datetime,
) -> Guard:
    """Whether an action on this workload may be done now.

    `records` are the workload's, `cluster_records` all. Of `record`'s own undo under way nothing is counted, so that
    one that a restart interrupted can be completed.
    """
    if action in TOUCHING and workload.held_by_label:
        return Guard(
            HoldReason.HOLD_LABEL,
            f"the sentinel changes nothing while the workload is labelled {HOLD_LABEL}=true",
        )
    if action is not Action.UNDO:
        return Guard()
    own = policy.undo.budget
    spent = _undos(records, record, own, now)
    if spent >= own.limit:
        return Guard(HoldReason.UNDO_BUDGET, _spent_text(spent, own, "of this workload"))
    if cluster_budget is not None:
        spent = _undos(cluster_records, record, cluster_budget, now)
        if spent >= cluster_budget.limit:
            return Guard(HoldReason.CLUSTER_BUDGET, _spent_text(spent, cluster_budget, "in this cluster"))
    return Guard()


def _undos(records: Iterable[Record], own: Record, budget: UndoBudget, now: datetime) -> int:
    """How many undos of the budget's time were done, or are under way on other rollouts.

    Those under way count: a hundred rollouts that fail in the same second must not all find the budget unspent.
    A rollout's end is its last outcome, so of those that ended earlier nothing is read.
    """
    begins = now - budget.per
    return sum(
        entry.action is Action.UNDO
        and _counts(entry, begins, record.name == own.name and record.key == own.key)
        for record in records
        if record.state.ending.ended_at is None or record.state.ending.ended_at > begins
        for entry in record.decisions
    )


def _counts(entry: DecisionEntry, begins: datetime, own: bool) -> bool:
    if entry.outcome is None:
        return not own and entry.at > begins
    return entry.outcome.kind is OutcomeKind.DONE and entry.outcome.at > begins


def _spent_text(spent: int, budget: UndoBudget, whose: str) -> str:
    within = f"{amount(spent, 'undo')} {whose} within {duration(budget.per)}"
    return f"the undo budget is spent: {within}, at most {budget.limit:,} allowed"
