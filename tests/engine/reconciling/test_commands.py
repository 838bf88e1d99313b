"""What comes of humans' commands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.command import Command, CommandAction, CommandPhase, Refusal
from sentinel.domain.decision import Decision, Promote, Release, Restore
from sentinel.domain.policy.policy import Mode
from sentinel.domain.policy.strategy import Step
from sentinel.domain.record.entries import Action, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.workload.facts import HOLD_LABEL, Abilities, OwnSteps, Stepping, Workload
from sentinel.engine.reconciling.commands import Answered, Obeyed, obey
from sentinel.engine.reconciling.entries import entry_for
from sentinel.engine.rollout.lifecycle import Begin, recognise
from sentinel.engine.rollout.situation import Situation
from tests.engine.builders import (
    CANARY,
    FAIL,
    MISSING,
    PENDING,
    PLAIN,
    entry,
    held,
    in_state,
    paused,
    rollout,
    situation,
    undoing,
    undone_to,
    with_strategy,
)
from tests.engine.snapshots import NEW, OLD, at

ASKED_AT = 1000.0
GATED = with_strategy(
    CANARY, steps=(Step(0.1, bake=timedelta(minutes=1), approval=True), CANARY.strategy.steps[1])
)
BAKING = in_state(Phase.BAKING, reached_at=at(900))
LABELLED = {HOLD_LABEL: "true"}


def command(action: str, **changes: Any) -> Command:
    """A command of alice's for the workload."""
    asked = Command(f"{action}-1", BAKING.key, CommandAction(action), "alice", at(ASKED_AT), f"uid-{action}")
    return replace(asked, **changes)


def placed(of: Record, shown: Workload | None = None, *verdicts: RuleVerdict, **changes: Any) -> Situation:
    """The situation of a canary half a minute after the command was made."""
    changes = {"policy": CANARY, "records": (of,), "verdicts": verdicts, **changes}
    return replace(situation(of, shown or paused(1), now=ASKED_AT + 30), **changes)


def obeyed(asked: Command, where: Situation) -> Decision:
    """The decision that the command comes to."""
    answer = obey(asked, where)
    assert isinstance(answer, Obeyed), answer
    assert answer.decision.requested_by == "alice"
    assert answer.decision.command == asked.uid
    return answer.decision


def refused(asked: Command, where: Situation) -> str:
    """Why the command is refused."""
    answer = obey(asked, where)
    assert isinstance(answer, Answered), answer
    assert answer.phase is CommandPhase.REFUSED
    return answer.message


def test_what_was_entered_is_answered_and_never_done_again() -> None:
    """By the command's uid in any record of the workload; by what became of it."""
    asked = command("hold")
    done = replace(BAKING, decisions=(entry(Action.HOLD, "HeldByHuman", command=asked.uid),))
    assert obey(asked, placed(done)) == Answered(CommandPhase.DONE, "HeldByHuman")
    failed = Outcome(OutcomeKind.REFUSED, at(5), "the template was changed")
    other = replace(done, name="older", decisions=(replace(done.decisions[0], outcome=failed),))
    where = placed(BAKING, records=(BAKING, other))
    assert refused(asked, where) == "HeldByHuman; the template was changed"


@pytest.mark.parametrize("action", list(CommandAction))
def test_a_command_that_is_old_is_for_another_moment(action: CommandAction) -> None:
    """Whatever it asks for."""
    asked = command(action, created_at=at(ASKED_AT - 3600))
    assert "ask again" in refused(asked, placed(BAKING))


def test_a_command_for_another_rollout_is_refused() -> None:
    """One that names another record, and one that was made before this rollout began."""
    assert "the newest rollout is api-new, not api-old" in refused(
        command("hold", record="api-old"), placed(BAKING)
    )
    late = replace(BAKING, started_at=at(ASKED_AT + 5))
    assert "began after the command was made" in refused(command("hold"), placed(late))
    assert obeyed(command("hold", record=late.name), placed(late)).action is Action.HOLD


def test_an_approval_is_remembered_for_its_step() -> None:
    """The present one where none is named; before its rules have passed as well."""
    answer = obey(command("approve", reason="looks fine"), placed(BAKING, policy=GATED))
    assert isinstance(answer, Obeyed)
    assert answer.record.approvals == {1}
    assert answer.decision.message == "alice approved step 1: looks fine"


@pytest.mark.parametrize(
    ("of", "step", "why"),
    [
        (BAKING, 2, "does not require an approval"),
        (BAKING, 3, "does not require an approval"),
        (in_state(Phase.BAKING, step=1), 1, "is over"),
        (undoing(), 1, "an undo is under way"),
        (in_state(Phase.PROMOTED), None, "no rollout is under way, the newest one is Promoted"),
    ],
)
def test_an_approval_that_makes_no_sense_is_refused(of: Record, step: int | None, why: str) -> None:
    """Nobody waits for it, or it comes too late."""
    assert why in refused(command("approve", step=step), placed(of, policy=GATED))


def test_a_step_approved_twice_is_fine() -> None:
    """Two people at three in the morning."""
    approved = replace(BAKING, approvals=frozenset({1}))
    answer = obey(command("approve"), placed(approved, policy=GATED))
    assert answer == Answered(CommandPhase.DONE, "step 1 is already approved")


def test_a_hold_by_hand_is_sticky_and_goes_before_others() -> None:
    """It replaces a hold under which proof would still undo; twice is once."""
    decision = obeyed(command("hold"), placed(held("DeadlineExceeded")))
    assert decision.state.hold is not None
    assert decision.state.hold.sticky
    assert decision.state.hold.reason == "HeldByHuman"
    again = obey(command("hold"), placed(held("HeldByHuman")))
    assert again == Answered(CommandPhase.DONE, "it is already held")


def test_a_resume_ends_a_hold_and_no_other_thing() -> None:
    """What nobody holds, and what is held for a cause that is still there, is refused."""
    decision = obeyed(command("resume"), placed(held("HeldByHuman", reached_at=at(900))))
    assert decision.action is Action.RESUME
    assert decision.message == "alice ended the hold (HeldByHuman)"
    assert refused(command("resume"), placed(BAKING)) == "the rollout is not held"
    labelled = paused(1, labels=LABELLED)
    assert "the cause of the hold persists" in refused(
        command("resume"), placed(held("HoldLabel", sticky=False), labelled)
    )


def test_an_undo_goes_back_to_the_stable_revision() -> None:
    """Under the hold label and past every budget as well; the label is told."""
    of = replace(BAKING, decisions=tuple(entry(Action.UNDO, str(n), n) for n in range(9)))
    decision = obeyed(command("undo"), placed(of, paused(1, labels=LABELLED)))
    assert isinstance(decision.change, Restore)
    assert decision.change.target.digest == OLD.digest
    assert decision.state.phase is Phase.UNDOING
    assert "does not stop people" in decision.message


def test_a_rollout_that_was_over_is_under_way_again() -> None:
    """An undo long after the promotion is watched until the old pods are back."""
    over = in_state(Phase.PROMOTED, ended_at=at(100), promoted_at=at(50))
    decision = obeyed(command("undo"), placed(over, rollout(10)))
    assert decision.state.ending.ended_at is None


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (placed(undoing()), "under way"),
        (placed(BAKING, mode=Mode.OBSERVE), "observe mode"),
        (placed(BAKING, paused(1, candidate=replace(NEW, irreversible="drops a table"))), "irreversible"),
        (placed(replace(BAKING, stable=None)), "no earlier revision"),
        (placed(BAKING, paused(1, candidate=replace(NEW, digest="newer"))), "current template"),
    ],
)
def test_an_undo_is_guarded_as_the_sentinels_own(where: Situation, why: str) -> None:
    """What it knows binds people, too."""
    assert why in refused(command("undo"), where)


def test_what_is_not_for_the_sentinel_to_touch_is_told_to_programs() -> None:
    """In observe mode people may still undo with their own rights; a bad target binds them as well."""
    observing = obey(command("undo"), placed(BAKING, mode=Mode.OBSERVE))
    unfit = obey(command("undo", to_revision=77), placed(BAKING))
    assert [getattr(each, "refusal", None) for each in (observing, unfit)] == [Refusal.OBSERVES, ""]


def test_an_undo_may_name_its_revision() -> None:
    """By the controller's number; one that was itself undone is refused."""
    assert obeyed(command("undo", to_revision=OLD.number), placed(BAKING)).action is Action.UNDO
    assert "no other revision 77" in refused(command("undo", to_revision=77), placed(BAKING))
    bad = replace(
        in_state(Phase.UNDONE, undo=undone_to()), candidate=replace(BAKING.candidate, digest=OLD.digest)
    )
    where = placed(BAKING, records=(BAKING, bad))
    assert "was itself undone" in refused(command("undo", to_revision=OLD.number), where)


def test_a_promotion_below_100_skips_the_steps_that_are_left() -> None:
    """Our pause is lifted and noted as such, so that nobody takes that for a human's hand at it."""
    shown = paused(1)
    of = in_state(Phase.BAKING, reached_at=at(900), seen_generation=shown.generation)
    decision = obeyed(command("promote"), placed(of, shown, PENDING))
    assert decision.action is Action.ADVANCE
    assert isinstance(decision.change, Release)
    assert decision.state.progress.step == 2
    assert decision.state.brake.seen_generation == 0


def test_a_workload_that_makes_its_own_steps_is_promoted_in_full() -> None:
    """Its controller skips them: where it stands is followed, not set."""
    own = OwnSteps(1, 3, 0.25, waits=True)
    shown = rollout(2, own_steps=own, abilities=Abilities(Stepping.OWN, stops=False))
    found = obeyed(command("promote"), placed(in_state(Phase.BAKING, step=1, reached_at=at(900)), shown))
    assert (found.change, found.state.progress.step, found.state.progress.reached_at) == (
        Promote(full=True),
        1,
        None,
    )


def test_a_promotion_at_100_overrules_what_is_pending() -> None:
    """And missing, and held, but not pods that are not there."""
    full = in_state(Phase.BAKING, step=2, reached_at=at(900))
    decision = obeyed(command("promote"), placed(full, rollout(10), PENDING, MISSING))
    assert decision.action is Action.PROMOTE
    assert decision.state.ending.promoted_at == at(ASKED_AT + 30)
    assert "available at 100%" in refused(command("promote"), placed(full, rollout(9)))


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (placed(BAKING, None, FAIL), "the rule r fails"),
        (placed(BAKING, paused(1, by="")), "paused by hand"),
        (placed(BAKING, paused(1, labels=LABELLED)), "remove the label"),
        (placed(undoing()), "under way"),
    ],
)
def test_a_promotion_overrules_no_proof_and_no_other_hand(where: Situation, why: str) -> None:
    """It skips waiting, nothing else."""
    assert why in refused(command("promote"), where)


def test_a_forgiven_revision_is_known_as_bad_no_more() -> None:
    """Applied again it begins as any other; a second time there is nothing to forgive."""
    bad = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(900)), ended_at=at(900))
    back = rollout(1)
    before = recognise(back, (bad,), OLD.digest, PLAIN.undo, at(ASKED_AT))
    assert isinstance(before, Begin)
    assert before.reapplied
    forgiven = replace(bad, state=obeyed(command("forgive"), placed(bad, rollout(10))).state)
    after = recognise(back, (forgiven,), OLD.digest, PLAIN.undo, at(ASKED_AT + 60))
    assert isinstance(after, Begin)
    assert after.undone is None
    assert "no such revision" in refused(command("forgive"), placed(forgiven, rollout(10)))


@pytest.mark.parametrize("choice", [{"record": "other"}, {"to_revision": 99}])
def test_only_the_revision_that_is_named_is_forgiven(choice: dict[str, Any]) -> None:
    """By its record, or by its number."""
    bad = in_state(Phase.UNDONE, undo=undone_to())
    assert "no such revision" in refused(command("forgive", **choice), placed(bad))


def test_two_commands_are_two_entries() -> None:
    """Also of what is otherwise entered once per rollout: an undo that failed may be asked for again."""
    first = obeyed(command("undo"), placed(BAKING))
    second = replace(first, command="another")
    ids = {entry_for(BAKING, each, at(ASKED_AT)).id for each in (first, second, replace(first, command=""))}
    assert len(ids) == 3
    assert entry_for(BAKING, first, at(ASKED_AT)).requested_by == "alice"


phases = st.sampled_from(list(Phase))


@given(
    action=st.sampled_from(list(CommandAction)),
    phase=phases,
    step=st.integers(0, 2),
    updated=st.integers(0, 10),
    by=st.sampled_from(["api-new", "", "other"]),
    verdicts=st.lists(st.sampled_from([PENDING, MISSING, FAIL]), max_size=2),
    mode=st.sampled_from(list(Mode)),
    age=st.floats(0, 1200),
)
def test_any_command_in_any_situation_is_answered_or_done_once(
    action: CommandAction,
    phase: Phase,
    step: int,
    updated: int,
    by: str,
    verdicts: list[RuleVerdict],
    mode: Mode,
    age: float,
) -> None:
    """It never raises; what it comes to is entered by its uid, and then it is answered and nothing more."""
    of = held("EvidenceMissing", step=step) if phase is Phase.HELD else in_state(phase, step=step)
    if phase in (Phase.UNDOING, Phase.UNDONE):
        of = of.with_state(replace(of.state, undo=undone_to()))
    asked = command(action, created_at=at(ASKED_AT + 30 - age))
    where = placed(of, paused(updated, by=by), *verdicts, mode=mode)
    answer = obey(asked, where)
    if isinstance(answer, Answered):
        assert answer.message
        return
    assert age <= 600
    entered = answer.record.with_state(answer.decision.state)
    entered = entered.with_decision(entry_for(of, answer.decision, where.now))
    again = obey(asked, replace(where, record=entered, records=(entered,)))
    assert again == Answered(CommandPhase.DONE, answer.decision.message)
