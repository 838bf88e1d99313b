"""Records as the commands are given them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sentinel.domain.alert import AlertStatus
from sentinel.domain.record.entries import Action, AlertEntry, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState, UndoState
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from tests.support.states import state_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = RevisionRef("old", "1a", 1, ("web:1",))
NEW = RevisionRef("new", "2b", 2, ("web:2",))


def after(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return NOON + timedelta(seconds=seconds)


def entry(action: Action, seconds: float, reason: str, message: str, **more: Any) -> DecisionEntry:
    """A decision that is done."""
    done = Outcome(OutcomeKind.DONE, after(seconds), more.pop("detail", ""))
    more.setdefault("outcome", done)
    more.setdefault("step", 0)
    return DecisionEntry(f"{action}{seconds}", after(seconds), action, reason, message, "new", **more)


def record(**more: Any) -> Record:
    """A rollout of `web:2` in place of `web:1`."""
    more.setdefault("state", RolloutState(Phase.BAKING, weight=0.1, reason="Baking", message="baking"))
    return Record(
        name="web-abc",
        key=WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", "web"),
        workload_uid="u",
        candidate=more.pop("candidate", NEW),
        stable=more.pop("stable", OLD),
        policy="shop",
        policy_digest="p",
        started_at=more.pop("started_at", NOON),
        trigger="kubectl-set",
        uid=more.pop("uid", "r"),
        **more,
    )


def undone() -> Record:
    """A rollout that passed its first step and was undone at the second, with an alert that came to nothing."""
    rates = {"candidate_errors": 1, "candidate_total": 200, "candidate_rate": 0.005, "limit": 0.05}
    rates |= {"baseline_errors": 9, "baseline_total": 1800, "baseline_rate": 0.005, "odds": 0.1}
    worse = rates | {"candidate_errors": 48, "candidate_total": 400, "candidate_rate": 0.12}
    alert = AlertEntry(
        "f",
        "HighErrorRate",
        AlertStatus.FIRING,
        {"alertname": "HighErrorRate", "pod": "web-1a-x"},
        after(70),
        after(75),
        summary="many errors",
        verdict="ignored: a pod of the baseline",
    )
    decisions = (
        entry(Action.START, 0, "NewRevision", "revision 2 replaces revision 1", detail="paused"),
        entry(
            Action.ADVANCE,
            60,
            "StepPassed",
            "10% passed, next is 50%",
            step=1,
            numbers={f"error-rate.{name}": value for name, value in rates.items()},
            detail="resumed",
        ),
        entry(
            Action.UNDO,
            90,
            "WorseThanBaseline",
            "canary 12%, baseline 0.5%; back to revision 1 (web:1)",
            step=1,
            rule="error-rate",
            numbers=worse,
            detail="the template of revision 1 (web:1) was restored",
        ),
        entry(Action.ESCALATE, 95, "RestoreOverdue", "not back yet", escalated=True, outcome=None),
    )
    state = state_of(
        Phase.UNDONE,
        step=1,
        reason="WorseThanBaseline",
        message="canary 12%, baseline 0.5%",
        ended_at=after(100),
        undo=UndoState(OLD, after(90)),
    )
    return record(state=state, decisions=decisions, alerts=(alert,))
