"""What the tests of decisions are made of, beside the snapshots: policies, verdicts, situations."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy.policy import Mode, Policy, UndoPolicy
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.policy.strategy import Step, Strategy
from sentinel.domain.record.entries import Action, AlertEntry, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Hold, Phase, RevisionRef, RolloutState, UndoState
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import Mark, Workload
from sentinel.engine.alerts.attribution import Attribution
from sentinel.engine.rollout.situation import JudgedAlert, Situation
from tests.engine.snapshots import NEW, OLD, at, changed, record, workload
from tests.support.states import state_of

MINUTE = timedelta(minutes=1)
STEPS = (Step(0.1, bake=MINUTE), Step(0.5, bake=MINUTE))
PLAIN = Policy("api", "p", strategy=Strategy(bake=2 * MINUTE, deadline=timedelta(hours=1)))
CANARY = replace(PLAIN, strategy=replace(PLAIN.strategy, steps=STEPS))


def with_strategy(policy: Policy, **changes: Any) -> Policy:
    """The policy with another strategy."""
    return replace(policy, strategy=replace(policy.strategy, **changes))


def with_undo(policy: Policy, **changes: Any) -> Policy:
    """The policy with another way to undo."""
    return replace(policy, undo=replace(UndoPolicy(), **changes))


def verdict(kind: VerdictKind, reason: str = "Reason", *, rule: str = "r", **changes: Any) -> RuleVerdict:
    """A rule's verdict."""
    return replace(RuleVerdict(rule, kind, reason, f"{rule} says {kind.value}", {"n": 1}), **changes)


PASS = verdict(VerdictKind.PASS)
FAIL = verdict(VerdictKind.FAIL, "Bad")
PENDING = verdict(VerdictKind.PENDING, "NotProven")
MISSING = verdict(VerdictKind.INCONCLUSIVE, "NoData")
OUTAGE = verdict(VerdictKind.INCONCLUSIVE, "BothArmsOverLimit", everywhere=True)


def rollout(updated: int, desired: int = 10, **changes: Any) -> Workload:
    """A Deployment of which so many pods are of NEW and ready, the rest of OLD."""
    left = max(0, desired - updated)
    made = workload(
        wanted=desired,
        candidate_pods=updated,
        ready=updated,
        available=desired,
        old=left,
        candidate=replace(NEW, replicas=updated, ready=updated, available=updated),
        others=(replace(OLD, replicas=left, ready=left, available=left),),
    )
    return changed(made, **changes)


def paused(updated: int, desired: int = 10, *, by: str = "api-new", **changes: Any) -> Workload:
    """The same under a pause of ours that this record signed; `by` empty: paused by hand."""
    mark = Mark(by, at(3600)) if by else None
    return rollout(updated, desired, **{"on": True, "mark": mark, **changes})


def state(phase: Phase = Phase.PROGRESSING, **changes: Any) -> RolloutState:
    """A rollout's state."""
    return state_of(phase, **{"began_at": at(0), **changes})


def in_state(phase: Phase = Phase.PROGRESSING, **changes: Any) -> Record:
    """A record in this state."""
    return record(state=state(phase, **changes))


def held(
    reason: str, *, since: float = 60, sticky: bool = True, gone: float | None = None, **changes: Any
) -> Record:
    """A record that is held, its cause gone since then."""
    calm = at(gone) if gone is not None else None
    return in_state(Phase.HELD, hold=Hold(reason, at(since), "why", sticky, calm), **changes)


def undone_to(target: RevisionRef | None = None, **changes: Any) -> UndoState:
    """An undo to OLD that was patched at once."""
    made = UndoState(target or RevisionRef.of(OLD), at(60), patched_at=at(60))
    return replace(made, **changes)


def undoing(**changes: Any) -> Record:
    """A record whose undo is under way."""
    return in_state(Phase.UNDOING, undo=undone_to(**changes), reason="Bad", message="was bad")


def entry(action: Action, reason: str, seconds: float = 0, **changes: Any) -> DecisionEntry:
    """A decision that was carried out."""
    made = DecisionEntry(
        f"{action}-{reason}-{seconds}",
        at(seconds),
        action,
        reason,
        reason,
        "new",
        0,
        outcome=Outcome(OutcomeKind.DONE, at(seconds)),
    )
    return replace(made, **changes)


def alert(effect: AlertAction | None, *, received: float = 30, **changes: Any) -> JudgedAlert:
    """An alert and what it comes to."""
    made = AlertEntry("f1", "HighErrorRate", AlertStatus.FIRING, {}, at(20), at(received))
    return JudgedAlert(replace(made, **changes), Attribution(effect, "Alert", "alert HighErrorRate fires"))


def situation(
    of: Record,
    world: Workload,
    *verdicts: RuleVerdict,
    policy: Policy = CANARY,
    now: datetime | float = 70,
    **changes: Any,
) -> Situation:
    """A rollout 70 s after it began."""
    moment = now if isinstance(now, datetime) else at(now)
    made = Situation(policy, world, of, moment, mode=Mode.ENFORCE, verdicts=verdicts, records=(of,))
    return replace(made, **changes)
