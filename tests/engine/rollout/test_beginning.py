"""The first decision of a rollout, and the ends that others bring it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.alert import AlertStatus
from sentinel.domain.decision import Decision, Release, Restore, Stop
from sentinel.domain.policy.policy import Mode, OnKnownBad, Policy
from sentinel.domain.record.entries import Action, AlertEntry, NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, Waits
from sentinel.domain.workload.facts import HOLD_LABEL, Abilities, Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.engine.rollout.beginning import (
    begins_at,
    first_decision,
    new_record,
    record_name,
    rolled_back_by_hand,
    superseded,
    workload_gone,
)
from sentinel.engine.rollout.lifecycle import Begin
from tests.engine.builders import (
    CANARY,
    PLAIN,
    entry,
    held,
    in_state,
    paused,
    rollout,
    situation,
    undoing,
    undone_to,
    with_undo,
)
from tests.engine.snapshots import NEW, OLD, at, record

STABLE = RevisionRef.of(OLD)
BAD = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(0)), ended_at=at(0), reason="CrashLoop")
FRESH = Begin(STABLE)
NOTICE = NoticeRef("C1", "1.1")


def first(
    begin: Begin = FRESH, world: Workload | None = None, policy: Policy = CANARY, mode: Mode = Mode.ENFORCE
) -> Decision:
    """The first decision."""
    seen = world or rollout(1)
    made = new_record(begin, seen, policy, mode, at(70))
    return first_decision(begin, situation(made, seen, policy=policy, mode=mode))


def test_a_new_record_holds_what_the_rollout_began_with() -> None:
    """Candidate, stable, policy, who wrote the template, and the attempt."""
    made = new_record(Begin(STABLE, attempt=2), rollout(1, changed_by="helm"), CANARY, Mode.OBSERVE, at(5))
    assert (made.candidate.digest, made.stable, made.policy, made.trigger) == ("new", STABLE, "api", "helm")
    assert (made.started_at, made.mode, made.attempt, made.workload_uid) == (at(5), Mode.OBSERVE, 2, "uid-1")


def test_a_rollout_in_steps_is_stopped_at_first_sight() -> None:
    """What of it already runs is the first batch."""
    found = first()
    assert (found.action, found.state.phase) == (Action.START, Phase.PROGRESSING)
    assert isinstance(found.change, Stop)


@pytest.mark.parametrize(
    "world", [paused(1, by=""), paused(1, by="api-older"), rollout(1, labels={HOLD_LABEL: "true"})]
)
def test_what_is_paused_or_held_already_is_not_stopped(world: Workload) -> None:
    """By hand, by us for the revision before, or by the label."""
    assert first(world=world).change is None


def test_without_steps_or_in_observe_mode_nothing_is_stopped() -> None:
    """Its own rolling update goes on."""
    assert first(policy=PLAIN).change is None
    assert first(mode=Mode.OBSERVE).change is None


def test_the_first_message_says_what_replaces_what_and_by_whom() -> None:
    """Revision, image and field manager."""
    assert first(world=rollout(1, changed_by="helm")).message == (
        "revision 2 (api:new) replaces revision 1 (api:old), written by helm"
    )
    assert first(Begin(None)).message == "first revision 2 (api:new)"


def test_a_first_batch_larger_than_the_first_step_is_warned_of() -> None:
    """With the two lines of the manifest that mend it."""
    found = first(
        world=rollout(1, abilities=Abilities(first_batch=5, smaller_batch="set maxSurge: {weight}"))
    ).message
    assert "Its first batch is 5 of 10 pods, more than the first step's 10%" in found
    assert found.endswith("set maxSurge: 10%")


def test_no_batch_is_too_large_for_no_pods() -> None:
    """Scaled to 0 there is nothing to warn of."""
    assert "batch" not in first(world=rollout(0, 0, abilities=Abilities(first_batch=3))).message


def test_a_rollout_nobody_watched_is_unjudged() -> None:
    """Never promoted."""
    found = first(Begin(STABLE, unjudged=True))
    assert (found.action, found.state.phase, found.state.ending.ended_at) == (
        Action.CLOSE,
        Phase.UNJUDGED,
        at(70),
    )


def test_what_someone_put_back_after_its_undo_is_held_and_named() -> None:
    """One escalation that names the field manager, no second undo; even where it was fast."""
    begin = Begin(STABLE, undone=BAD, reapplied=True, unjudged=True)
    found = first(begin, rollout(1, changed_by="argocd-controller"))
    assert (found.action, found.reason, found.escalate) == (Action.HOLD, "RestoredAfterUndo", True)
    assert found.message.startswith("argocd-controller applied revision 2 (api:new) again")
    assert found.state.hold is not None
    assert found.state.hold.sticky


def test_what_was_put_back_by_an_unknown_hand_is_held_as_well() -> None:
    """Where managedFields tell nothing."""
    assert first(Begin(STABLE, undone=BAD, reapplied=True)).message.startswith("someone applied")


@pytest.mark.parametrize(
    ("choice", "action"),
    [(OnKnownBad.JUDGE, Action.START), (OnKnownBad.HOLD, Action.HOLD), (OnKnownBad.UNDO, Action.UNDO)],
)
def test_a_known_bad_revision_is_treated_as_the_policy_says(choice: OnKnownBad, action: Action) -> None:
    """`onKnownBad`: judged again, held, or undone at sight."""
    found = first(Begin(STABLE, undone=BAD), policy=with_undo(CANARY, on_known_bad=choice))
    assert found.action is action
    if choice is OnKnownBad.UNDO:
        assert isinstance(found.change, Restore)
    if choice is not OnKnownBad.JUDGE:
        assert "was undone before (CrashLoop)" in found.message


def test_a_known_bad_revision_that_nobody_watched_is_unjudged() -> None:
    """Long after its undo, what is fully out is not taken back unseen."""
    policy = with_undo(CANARY, on_known_bad=OnKnownBad.UNDO)
    assert first(Begin(STABLE, undone=BAD, unjudged=True), policy=policy).action is Action.CLOSE


def test_the_name_is_the_same_whoever_makes_it() -> None:
    """It is the lock: same workload, template and attempt, same name; any other, another."""
    name = record_name(rollout(1), 1)
    assert name == record_name(rollout(5), 1)
    assert len({name, record_name(rollout(1), 2), record_name(rollout(1, uid="uid-2"), 1)}) == 3


@given(st.text(st.sampled_from("abc.-"), min_size=1, max_size=253), st.integers(1, 10**6))
def test_the_name_fits_kubernetes(name: str, attempt: int) -> None:
    """At most 253 characters, and no separator before the suffix, whatever the workload is called."""
    named = rollout(1, key=WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", f"a{name}"[:253]))
    made = record_name(named, attempt)
    assert len(made) <= 253
    assert re.fullmatch(r".*[a-z0-9]-[0-9a-f]{10}(-\d+)?", made)


# Ends.


def ended(of: Record, **by: Any) -> Decision:
    """The end by a newer revision."""
    return superseded(of, Begin(STABLE, **by), at(90))


def test_a_newer_revision_supersedes() -> None:
    """Held or not, the rollout is over."""
    for ours in (in_state(Phase.BAKING), held("EvidenceMissing")):
        found = ended(ours)
        assert (found.action, found.state.phase, found.state.hold) == (
            Action.SUPERSEDE,
            Phase.SUPERSEDED,
            None,
        )
        assert found.state.ending.ended_at == at(90)


def test_a_newer_revision_ends_a_guard_and_leaves_the_promotion() -> None:
    """Promoted stays promoted."""
    found = ended(in_state(Phase.PROMOTED, promoted_at=at(10)))
    assert (found.action, found.state.phase, found.state.ending.ended_at) == (
        Action.CLOSE,
        Phase.PROMOTED,
        at(90),
    )


def test_a_rollout_superseded_during_its_undo_stays_known_as_bad() -> None:
    """Its template was taken back: undone, though nobody saw the target complete."""
    found = ended(undoing())
    assert (found.state.phase, found.state.reason) == (Phase.UNDONE, "Bad")
    assert found.message == "a newer revision was applied"


def test_an_undo_that_was_never_made_leaves_a_superseded_rollout() -> None:
    """The newer revision was faster than the patch."""
    assert ended(undoing(patched_at=None)).state.phase is Phase.SUPERSEDED


def test_a_template_put_back_during_the_undo_ends_it() -> None:
    """And that is what the record says."""
    assert ended(undoing(), reapplied=True).message == "someone applied it again before the undo was complete"


def by_hand(of: Record, world: Workload, mode: Mode = Mode.ENFORCE) -> Decision:
    """The end by a rollback by hand."""
    return rolled_back_by_hand(situation(of, world, mode=mode))


def test_a_rollback_by_hand_is_over_and_lifts_our_pause() -> None:
    """A pause of ours must not stand in the human's way."""
    found = by_hand(in_state(Phase.BAKING), paused(1, candidate=OLD, changed_by="kubectl-rollout"))
    assert (found.action, found.state.phase, found.change) == (Action.SUPERSEDE, Phase.SUPERSEDED, Release())
    assert found.message == "kubectl-rollout reverted to revision 1 (api:old)"


@pytest.mark.parametrize(
    ("world", "mode"),
    [
        (paused(1, by=""), Mode.ENFORCE),
        (paused(1), Mode.OBSERVE),
        (paused(1, labels={HOLD_LABEL: "true"}), Mode.ENFORCE),
    ],
)
def test_a_rollback_by_hand_lifts_no_pause_that_it_must_not(world: Workload, mode: Mode) -> None:
    """Not a human's, not in observe mode, not under the hold label."""
    assert by_hand(in_state(Phase.BAKING), world, mode).change is None


def test_a_rollback_by_hand_by_nobody_known_is_someones() -> None:
    """Where managedFields tell nothing."""
    assert by_hand(in_state(Phase.BAKING), rollout(1)).message.startswith("someone reverted")


def test_a_rollback_by_hand_during_an_undo_keeps_the_revision_known_as_bad() -> None:
    """The human chose another target; the candidate was undone all the same."""
    assert by_hand(undoing(target=RevisionRef("older")), rollout(1)).state.phase is Phase.UNDONE


def test_a_workload_that_is_gone_ends_its_rollout() -> None:
    """Failed, by nobody's fault."""
    found = workload_gone(replace(record(), state=held("x").state), at(90))
    assert (found.action, found.state.phase, found.state.ending.ended_at, found.state.hold) == (
        Action.CLOSE,
        Phase.FAILED,
        at(90),
        None,
    )


def test_a_pair_that_no_policy_makes_any_more_was_not_deleted() -> None:
    """The record says what is left, and what a person can do."""
    found = workload_gone(record(), at(90), disbanded=True)
    assert (found.reason, found.state.phase) == ("PolicyRemoved", Phase.FAILED)
    assert "requests go where they went" in found.message


def test_a_rollout_begins_after_all_before_it_though_the_clock_was_set_back() -> None:
    """The newest record is told by its beginning; another one that is older would be made again and again."""
    assert begins_at([record()], at(-3600)) > record().started_at
    assert begins_at([record()], at(5)) == at(5)


def test_a_rollout_whose_record_exists_is_begun_in_it() -> None:
    """What alerts wrote there meanwhile stays, and the write is one of the version that is there."""
    alert = AlertEntry("f-1", "Bad", AlertStatus.FIRING, {}, at(1), at(1))
    begun = replace(record(), uid="u", version="7", alerts=(alert,))
    made = new_record(Begin(None, begun=begun), rollout(2), CANARY, Mode.ENFORCE, at(9))
    assert (made.name, made.uid, made.version, made.started_at) == (begun.name, "u", "7", begun.started_at)
    assert made.alerts == (alert,)


def test_what_its_controller_has_not_taken_up_is_held_from_the_start() -> None:
    """The hold says since when; its record has a name that no other rollout of the same template gets."""
    nameless = replace(
        rollout(0), candidate=replace(NEW, digest="essence", hash=""), essence="essence", generation=7
    )
    made = new_record(FRESH, nameless, CANARY, Mode.ENFORCE, at(70))
    made = made.with_state(replace(made.state, waits=Waits(unseen_since=at(5))))
    found = first_decision(FRESH, situation(made, nameless, policy=CANARY))
    assert (found.action, found.reason, found.escalate) == (Action.HOLD, "ControllerDown", True)
    assert "has observed no change since 12:00:05 UTC: is it down?" in found.message
    assert made.name != record_name(replace(nameless, generation=8), 1)


def test_what_was_held_before_it_began_keeps_its_history_and_its_time() -> None:
    """The deadline counts from when its controller took it up."""
    waited = replace(
        held("ControllerDown", sticky=False),
        decisions=(entry(Action.HOLD, "ControllerDown", 0),),
        notice=NOTICE,
    )
    made = new_record(replace(FRESH, begun=waited), rollout(1), CANARY, Mode.ENFORCE, at(600))
    assert (made.decisions, made.notice, made.state.hold) == (waited.decisions, NOTICE, None)
    whole = CANARY.strategy.deadline
    assert situation(made, rollout(1), policy=CANARY).deadline == at(600) + whole
