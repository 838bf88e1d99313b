"""Records and notices of rollouts that went one way or another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sentinel.domain.notice import Notice
from sentinel.domain.record.entries import Action, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState, UndoState
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
CANDIDATE = RevisionRef("d2" * 8, "7c9", 8, ("shop/api:1.8.0",), "deploy 1.8.0")
STABLE = RevisionRef("d1" * 8, "5b4", 7, ("shop/api:1.7.2",))


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def record(phase: Phase = Phase.PROGRESSING, message: str = "") -> Record:
    return Record(
        name="api-7c9",
        key=WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", "api"),
        workload_uid="u-1",
        candidate=CANDIDATE,
        stable=STABLE,
        policy="shop-api",
        policy_digest="p1",
        started_at=START,
        state=RolloutState(phase, weight=0.1, message=message),
        trigger="helm",
    )


def entry(action: Action, reason: str, message: str, **changes: object) -> DecisionEntry:
    plain = DecisionEntry("0123456789abcdef", later(75), action, reason, message, CANDIDATE.digest, 0)
    return replace(plain, **changes)  # type: ignore[arg-type]


def undone() -> Notice:
    """The error rate was proven bad at the first step, and the stable is back."""
    decision = entry(
        Action.UNDO,
        "ErrorRateOverLimit",
        "12.3% of the candidate's requests fail, the baseline's 0.1%",
        rule="error-rate",
        numbers={
            "candidate_total": 1000,
            "candidate_errors": 123,
            "baseline_total": 9000,
            "baseline_errors": 9,
            "limit": 0.05,
            "log_e_ratio": 20.1,
            "odds": 4000.0,
        },
        outcome=Outcome(OutcomeKind.DONE, later(75.1), "template of revision 7 put back"),
    )
    undo = UndoState(STABLE, later(75), fault_at=later(60), patched_at=later(75.1), restored_at=later(98))
    told = record(Phase.UNDONE, "Undone: 12.3% of the candidate's requests fail, the baseline's 0.1%")
    told = told.with_state(replace(told.state, undo=undo)).with_decision(decision)
    return Notice(told, decision, advice=("Fix the release and deploy it again.",))


def held() -> Notice:
    """Both arms are bad: a human is asked."""
    decision = entry(
        Action.HOLD, "Everywhere", "both arms fail: an outage, not the candidate", escalated=True
    )
    told = record(Phase.HELD, decision.message).with_decision(decision)
    command = "kubectl -n shop annotate --overwrite rolloutrecords.rollback-sentinel.dev api-7c9 a/b=c"
    return Notice(told, decision, advice=(f"Resume the rollout: {command}",), urgent=True)


def started() -> Notice:
    """First sight of a rollout."""
    decision = entry(Action.START, "Seen", "rollout of revision 8 seen", at=START)
    return Notice(record().with_decision(decision), decision)
