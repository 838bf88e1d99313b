"""From proof to an undo, or to a hold where an undo must not or cannot be made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sentinel.domain.decision import Decision, Restore
from sentinel.domain.policy.policy import Mode, OnKnownBad, UndoBudget
from sentinel.domain.policy.selection import AlertAction
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import NO_CAUSE, DecisionCause, RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import HOLD_LABEL, Workload
from sentinel.engine.rollout.undo.undoing import condemn, undo
from tests.engine.builders import (
    CANARY,
    FAIL,
    PASS,
    alert,
    entry,
    in_state,
    paused,
    rollout,
    situation,
    verdict,
    with_undo,
)
from tests.engine.snapshots import OLD, at, record

BAKING = in_state(Phase.BAKING, reached_at=at(60))
PROMOTED = in_state(Phase.PROMOTED, promoted_at=at(60))


def on_fail(of: Record = BAKING, world: Workload | None = None, mode: Mode = Mode.ENFORCE) -> Decision:
    """What a proven fail comes to."""
    here = situation(of, world or paused(1), FAIL, mode=mode)
    found = condemn(here, here.verdicts)
    assert found is not None
    return found


def without_target(**changes: object) -> Record:
    """The same with no revision to go back to."""
    return replace(BAKING, stable=None, **changes)


def test_no_proof_no_decision() -> None:
    """Neither a fail nor an alert that undoes: not this question's."""
    here = situation(BAKING, paused(1), PASS, alerts=(alert(AlertAction.HOLD), alert(None)))
    assert condemn(here, here.verdicts) is None


def test_a_fail_undoes() -> None:
    """Back to the stable template, with the rule and its numbers."""
    found = on_fail()
    assert (found.action, found.state.phase, found.rule, found.numbers) == (
        Action.UNDO,
        Phase.UNDOING,
        "r",
        {"n": 1},
    )
    assert isinstance(found.change, Restore)
    assert found.change.target.digest == OLD.digest
    assert found.requeue_at == at(70 + 300)


def test_an_alert_of_the_candidate_undoes() -> None:
    """The alert is named, and counted as the fault from when it fired."""
    here = situation(BAKING, paused(1), alerts=(alert(AlertAction.UNDO),))
    found = condemn(here, ())
    assert found is not None
    assert (found.action, found.rule, found.reason) == (Action.UNDO, "alert HighErrorRate", "Alert")
    assert found.state.undo is not None
    assert found.state.undo.fault_at == at(20)


def test_the_time_of_the_fault_is_kept() -> None:
    """From the first bad evidence to the undo is what people are told."""
    for cause in (DecisionCause(first_bad_at=at(40)), NO_CAUSE):
        here = situation(BAKING, paused(1), verdict(VerdictKind.FAIL, cause=cause))
        found = condemn(here, here.verdicts)
        assert found is not None
        assert found.state.undo is not None
        assert (found.cause, found.state.undo.fault_at) == (cause, cause.first_bad_at)


def test_an_undo_ends_a_hold() -> None:
    """Proof under a hold undoes, and nothing is held any more."""
    of = in_state(Phase.HELD, reached_at=at(60))
    assert on_fail(of).state.hold is None


def test_without_a_target_the_rollout_is_held() -> None:
    """A bad first deployment is stopped and given to a human."""
    found = on_fail(without_target())
    assert (found.action, found.reason, found.escalate) == (Action.HOLD, "FirstDeployment", True)
    assert found.state.hold is not None
    assert found.state.hold.sticky


def test_a_spent_budget_holds() -> None:
    """The third undo within the hour is a human's."""
    spent = tuple(record(name=f"r{n}", decisions=(entry(Action.UNDO, "Bad", n),)) for n in range(2))
    here = situation(BAKING, paused(1), FAIL, records=(BAKING, *spent))
    found = condemn(here, here.verdicts)
    assert found is not None
    assert (found.action, found.reason) == (Action.HOLD, "UndoBudget")


def test_a_spent_cluster_budget_holds() -> None:
    """So many undos everywhere point at the cluster."""
    spent = record(name="other", decisions=(entry(Action.UNDO, "Bad", 30),))
    here = situation(
        BAKING,
        paused(1),
        FAIL,
        cluster_records=(spent,),
        cluster_budget=UndoBudget(1, timedelta(hours=1)),
    )
    found = condemn(here, here.verdicts)
    assert found is not None
    assert found.reason == "ClusterBudget"


def test_an_irreversible_revision_is_held() -> None:
    """What was marked as not to be crossed is stopped where it is."""
    world = rollout(5)
    world = replace(world, candidate=replace(world.candidate, irreversible="drops a column"))
    found = on_fail(world=world)
    assert (found.action, found.reason) == (Action.HOLD, "Irreversible")
    assert found.change is not None


def test_observe_mode_tells_and_touches_nothing() -> None:
    """The undo is entered as a decision, without a change, and left to a human."""
    found = on_fail(mode=Mode.OBSERVE)
    assert (found.action, found.change, found.escalate) == (Action.UNDO, None, True)
    assert found.state.phase is Phase.HELD
    assert found.message.startswith("would undo: ")


def test_observe_mode_ends_the_guard_of_a_promoted_revision() -> None:
    """A promotion is not taken back to a hold; what would have been done is told once."""
    found = on_fail(PROMOTED, rollout(10), mode=Mode.OBSERVE)
    assert (found.state.phase, found.state.ending.ended_at, found.change) == (Phase.PROMOTED, at(70), None)


def test_a_promoted_revision_that_cannot_be_undone_calls_a_human() -> None:
    """There is nothing to hold: the guard ends with an escalation."""
    world = replace(rollout(10), others=())
    found = on_fail(PROMOTED, world)
    assert (found.action, found.reason, found.state.phase) == (
        Action.ESCALATE,
        "TemplateGone",
        Phase.PROMOTED,
    )
    assert found.state.ending.ended_at == at(70)


def test_a_hold_for_the_hold_label_ends_with_the_label() -> None:
    """What the label alone prevents is no reason to wait for a human once it is gone."""
    policy = with_undo(CANARY, on_known_bad=OnKnownBad.UNDO)
    here = situation(record(), rollout(1, labels={HOLD_LABEL: "true"}), policy=policy)
    found = undo(here, RuleVerdict("known-bad", VerdictKind.FAIL, "KnownBad", "was bad"))
    assert found.state.hold is not None
    assert not found.state.hold.sticky


def test_the_target_is_named() -> None:
    """Where it goes back to stands in the message."""
    assert on_fail().message == "r says fail; back to revision 1 (api:old)"
