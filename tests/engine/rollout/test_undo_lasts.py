"""An undo of what a tool deploys from Git: held first, refused where that cannot be, or told to people."""

from __future__ import annotations

from dataclasses import replace

from sentinel.domain.decision import Decision
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.keeper import Keeper, KeeperHold, KeeperHoldEnd, KeeperRef
from sentinel.engine.rollout.beginning import first_decision
from sentinel.engine.rollout.lifecycle import Begin
from sentinel.engine.rollout.undo.undoing import undo
from tests.engine.builders import FAIL, in_state, rollout, situation, undoing
from tests.engine.snapshots import at, changed

REF = KeeperRef("Tool", "ops", "shop")
KEEPER = Keeper(REF, reverts=True, settings={"on": True}, source="a")


def undone(keeper: Keeper | None, mode: Mode = Mode.ENFORCE) -> Decision:
    """What a fail comes to while this keeps the workload."""
    world = changed(rollout(3), keeper=keeper)
    return undo(situation(in_state(Phase.BAKING), world, mode=mode), FAIL)


def test_the_hold_is_recorded_with_the_decision() -> None:
    """So that whoever carries it out knows what to restore."""
    found = undone(KEEPER)
    assert found.action is Action.UNDO
    assert found.state.keeper_hold is not None
    assert (found.state.keeper_hold.keeper, found.state.keeper_hold.original) == (REF, {"on": True})
    assert found.message.endswith("Tool ops/shop is held until its source changes")


def test_what_cannot_be_held_is_not_undone() -> None:
    """Also in observe mode people read what would happen."""
    for mode, said in ((Mode.ENFORCE, "it is elsewhere"), (Mode.OBSERVE, "would hold")):
        found = undone(replace(KEEPER, why_not="it is elsewhere"), mode)
        assert (found.action, found.reason) == (Action.HOLD, HoldReason.KEEPER_REVERTS)
        assert said in found.message


def test_people_learn_at_the_start_that_an_undo_would_not_last() -> None:
    """Not when it is needed."""
    unheld = replace(KEEPER, why_not="set gitops.argocd to true")
    for keeper, said in ((unheld, True), (KEEPER, False), (None, False)):
        found = first_decision(Begin(stable=None), situation(in_state(), changed(rollout(3), keeper=keeper)))
        warned = "A bad release will be held for people instead of undone: set gitops.argocd to true"
        assert (warned in found.message) is said


def test_a_tool_that_someone_must_run_is_named_in_the_notice() -> None:
    """A Helm release still names the undone revision."""
    found = undone(Keeper(REF, reverts=False, note="the stored release still names the undone revision"))
    assert found.state.keeper_hold is None
    assert found.message.endswith("the stored release still names the undone revision")


def let_go(ended: float) -> Record:
    """An undone rollout whose hold was released because the source changed."""
    hold = KeeperHold(
        REF, {}, at(60), at(3600), "Bad", ending=KeeperHoldEnd.SOURCE_CHANGED, ended_at=at(ended)
    )
    record = undoing()
    return record.with_state(replace(record.state, phase=Phase.UNDONE, keeper_hold=hold))


def test_what_comes_back_after_our_release_is_undone_outside_the_budget_and_held_for_people() -> None:
    """Once: a change of the source did not say that it still wants the undone revision."""
    bad = let_go(65)
    world = changed(rollout(3), keeper=KEEPER)
    begin = Begin(stable=bad.stable, attempt=2, undone=bad, reapplied=True)
    found = first_decision(begin, situation(in_state(), world, now=70))
    assert (found.action, found.escalate) == (Action.UNDO, True)
    assert found.state.keeper_hold is not None
    assert found.state.keeper_hold.by_people
    assert found.message.endswith("is held until a person releases it")


def test_what_comes_back_long_after_our_release_is_judged() -> None:
    """Somebody may want it by now."""
    bad = let_go(65)
    begin = Begin(stable=bad.stable, attempt=2, undone=bad)
    found = first_decision(begin, situation(in_state(), changed(rollout(3), keeper=KEEPER), now=65 + 601))
    assert found.action is Action.START
