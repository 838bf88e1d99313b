"""What a workload is doing, from the snapshot and the records alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.policy.policy import UndoPolicy
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.rollout.lifecycle import Begin, Continue, Idle, RolledBack, Sighting, recognise
from tests.engine.builders import entry, held, in_state, rollout, undoing, undone_to
from tests.engine.snapshots import NEW, OLD, at, order_of, record, revision

NEXT = revision("next", number=3)
UNDO = UndoPolicy()


def see(
    world: Workload, *records: Record, settled: str | None = None, now: float = 120, undo: UndoPolicy = UNDO
) -> Sighting:
    """What is recognised."""
    return recognise(world, records, settled, undo, at(now))


def begin(world: Workload, *records: Record, settled: str | None = None, now: float = 120) -> Begin:
    """A rollout that is recognised as new."""
    found = see(world, *records, settled=settled, now=now)
    assert isinstance(found, Begin)
    return found


def of(world: Workload, digest: str) -> Workload:
    """The workload with this revision in its spec."""
    known = {r.digest: r for r in (world.candidate, *world.others, NEXT)}
    others = tuple(r for r in known.values() if r.digest not in (digest, "next"))
    return replace(world, candidate=known[digest], others=others)


def test_a_workload_without_records_begins_a_rollout() -> None:
    """The first revision that is seen is a rollout from what serves."""
    found = begin(rollout(2))
    assert (found.stable, found.attempt, found.closes) == (RevisionRef.of(rollout(2).others[0]), 1, None)


def test_a_first_deployment_has_no_stable() -> None:
    """Where nothing served before, there is nothing to compare with or to go back to."""
    assert begin(rollout(2, others=())).stable is None


def test_what_was_over_before_anyone_looked_is_unjudged() -> None:
    """A revision that is fully out at first sight was rolled out unwatched."""
    assert begin(rollout(10)).unjudged


def test_what_this_process_saw_at_rest_before_is_judged_though_fast() -> None:
    """A rollout that is over within one event was watched all the same."""
    assert not begin(rollout(10), settled="old").unjudged


def test_the_same_revision_goes_on() -> None:
    """A record in flight for the template in the spec continues."""
    ours = in_state(Phase.BAKING)
    assert see(rollout(2), ours) == Continue(ours)


def test_a_promoted_revision_is_guarded() -> None:
    """Within its guard window a promoted rollout continues."""
    ours = in_state(Phase.PROMOTED, promoted_at=at(60))
    assert see(rollout(10), ours) == Continue(ours)


@pytest.mark.parametrize("phase", [Phase.PROMOTED, Phase.UNJUDGED])
def test_after_the_guard_nothing_is_done(phase: Phase) -> None:
    """A rollout that is over leaves its workload idle."""
    assert see(rollout(10), in_state(phase, ended_at=at(60))) == Idle()


def test_a_newer_revision_ends_the_rollout_before_it() -> None:
    """A template changed in the middle, paused or not, begins a rollout that closes the one before."""
    ours = in_state(Phase.BAKING)
    found = begin(of(rollout(2), "next"), ours)
    assert (found.closes, found.attempt) == (ours, 1)


def test_a_rollout_cut_short_leaves_its_stable_to_the_next() -> None:
    """What had not reached every pod is no stable, however many pods it has."""
    found = begin(of(rollout(8), "next"), in_state(Phase.BAKING), settled="old")
    assert found.stable == RevisionRef.of(rollout(8).others[0])


def test_a_candidate_that_had_taken_over_in_full_is_the_next_ones_stable() -> None:
    """A revision that was fully available when the next began is what that is compared with."""
    found = begin(of(rollout(10), "next"), in_state(Phase.BAKING), settled="new")
    assert found.stable is not None
    assert found.stable.digest == "new"


def test_a_held_candidate_is_no_stable_though_fully_out() -> None:
    """What was held at 100 % was never called good."""
    found = begin(of(rollout(10), "next"), held("EnvironmentOutage"), settled="new")
    assert found.stable is not None
    assert found.stable.digest == "old"


def test_a_held_first_deployment_leaves_what_serves() -> None:
    """Without a recorded stable, what serves counts."""
    ours = replace(held("EvidenceMissing"), stable=None)
    found = begin(of(rollout(10), "next"), ours, settled="new")
    assert found.stable is not None
    assert found.stable.digest == "new"


def test_a_revision_that_comes_in_the_middle_of_an_undo_builds_on_the_target() -> None:
    """Not the bad revision, whose pods still serve, but what is being restored is its stable."""
    found = begin(of(rollout(10), "next"), undoing(), settled="new")
    assert found.stable is not None
    assert found.stable.digest == "old"


def test_a_restart_finds_the_stable_by_what_serves() -> None:
    """Of several other revisions the one with the most available pods."""
    extra = replace(revision("older", number=0), available=1)
    world = rollout(2)
    found = begin(replace(world, others=(extra, *world.others)))
    assert found.stable is not None
    assert found.stable.digest == "old"


def test_the_records_tell_the_stable_when_nothing_serves() -> None:
    """Scaled to 0, the promoted revision before is still known."""
    world = replace(of(rollout(0, 0), "next"), others=())
    found = begin(world, in_state(Phase.PROMOTED, ended_at=at(60)))
    assert found.stable == record().candidate


def test_the_records_tell_the_target_of_the_undo_before() -> None:
    """After an undo, the next rollout's stable is what was restored."""
    world = replace(of(rollout(0, 0), "next"), others=())
    ended = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(90)), ended_at=at(90))
    assert begin(world, ended).stable == RevisionRef.of(OLD)


def test_the_records_tell_the_stable_of_a_superseded_rollout() -> None:
    """After a crash between closing one rollout and beginning the next."""
    world = replace(of(rollout(0, 0), "next"), others=())
    assert begin(world, in_state(Phase.SUPERSEDED, ended_at=at(90))).stable == RevisionRef.of(OLD)


def test_the_candidate_is_never_its_own_stable() -> None:
    """A rollout back to what the records call the stable has none but what serves."""
    world = replace(rollout(0, 0), candidate=OLD, others=())
    assert begin(world, in_state(Phase.SUPERSEDED, reason="NewerRevision", ended_at=at(9))).stable is None


def test_a_rollback_by_hand_ends_the_rollout() -> None:
    """The stable template in the spec again is no new rollout."""
    ours = in_state(Phase.BAKING)
    assert see(of(rollout(2), "old"), ours) == RolledBack(ours)


def test_a_rollback_by_hand_within_the_guard_ends_the_guard() -> None:
    """A promoted revision that a human takes back is rolled back."""
    ours = in_state(Phase.PROMOTED, promoted_at=at(60))
    assert see(of(rollout(10), "old"), ours) == RolledBack(ours)


def test_after_a_rollback_by_hand_nothing_is_done() -> None:
    """The restored stable is no candidate."""
    ended = in_state(Phase.SUPERSEDED, reason="RolledBackByHand", ended_at=at(60))
    assert see(of(rollout(2), "old"), ended) == Idle()


def test_an_interrupted_rollback_is_finished() -> None:
    """While the outcome of its decision is open, our pause may still stand: decided once more."""
    ended = in_state(Phase.SUPERSEDED, reason="RolledBackByHand", ended_at=at(60))
    ended = ended.with_decision(entry(Action.SUPERSEDE, "RolledBackByHand", outcome=None))
    assert see(of(rollout(2), "old"), ended) == RolledBack(ended)


@pytest.mark.parametrize("phase", [Phase.PROMOTED, Phase.UNJUDGED])
def test_the_old_template_long_after_is_a_rollout_of_its_own(phase: Phase) -> None:
    """Once the rollout is over, going back to what it replaced is a release like any other."""
    found = begin(of(rollout(10), "old"), in_state(phase, ended_at=at(60)), settled="new")
    assert found.stable is not None
    assert found.stable.digest == "new"


def test_the_target_of_a_running_undo_continues_it() -> None:
    """The restored template in the spec is the undo at work."""
    ours = undoing()
    assert see(of(rollout(2), "old"), ours) == Continue(ours)


def test_the_target_of_a_finished_undo_is_idle() -> None:
    """What we restored ourselves is never judged as a candidate."""
    ended = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(90)), ended_at=at(90))
    assert see(of(rollout(2), "old"), ended) == Idle()


def test_an_undo_not_yet_visible_goes_on() -> None:
    """The watch may show the bad template for a moment after the patch: that is nobody's doing."""
    ours = undoing()
    assert see(rollout(2), ours) == Continue(ours)


def test_the_undone_template_that_comes_back_after_the_target_was_seen_is_someones_doing() -> None:
    """Only once the watch has shown the target is the candidate's template news."""
    ours = undoing(target_seen=True)
    found = begin(rollout(2), ours)
    assert (found.closes, found.undone, found.reapplied, found.attempt) == (ours, ours, True, 2)


def test_the_stable_put_back_while_the_undo_leads_elsewhere_is_a_rollback() -> None:
    """Where the stable was no fit target, a human may still choose it."""
    ours = undoing(target=RevisionRef("older"))
    assert see(of(rollout(2), "old"), ours) == RolledBack(ours)


def test_the_stable_applied_after_an_undo_to_another_revision_is_a_rollout() -> None:
    """Only the undo's own target needs no judging."""
    ended = in_state(Phase.UNDONE, undo=undone_to(RevisionRef("older"), restored_at=at(90)), ended_at=at(90))
    assert begin(of(rollout(2), "old"), ended).closes is None


@pytest.mark.parametrize(("seconds", "reapplied"), [(600, True), (601, False)])
def test_an_undone_revision_that_comes_back_within_ten_minutes_was_restored(
    seconds: float, reapplied: bool
) -> None:
    """Later it is a known bad revision that is released again."""
    ended = in_state(Phase.UNDONE, undo=undone_to(restored_at=at(90)), ended_at=at(90))
    found = begin(rollout(2), ended, now=90 + seconds)
    assert (found.undone, found.reapplied) == (ended, reapplied)


def test_an_undone_revision_is_forgotten_after_a_day() -> None:
    """What was bad yesterday is judged like any other."""
    ended = in_state(Phase.UNDONE, undo=undone_to(), ended_at=at(90))
    assert begin(rollout(2), ended, now=60 + 86401).undone is None


def test_a_promotion_since_clears_a_revision() -> None:
    """A revision undone once and promoted later is not known to be bad."""
    undone = in_state(Phase.UNDONE, undo=undone_to(), ended_at=at(90))
    promoted = in_state(Phase.SUPERSEDED, promoted_at=at(200), ended_at=at(300))
    assert begin(rollout(2), promoted, undone, now=400).undone is None


def test_a_rollout_between_does_not_clear_a_revision() -> None:
    """What was undone and then only begun again is still known."""
    undone = in_state(Phase.UNDONE, undo=undone_to(), ended_at=at(90))
    begun = in_state(Phase.SUPERSEDED, ended_at=at(300))
    assert begin(rollout(2), begun, undone, now=400).undone == undone


def test_an_undo_without_details_counts_from_the_rollouts_begin() -> None:
    """A record that lost the undo's times is dated by its own."""
    ended = in_state(Phase.UNDONE, ended_at=at(90))
    assert begin(rollout(2), ended, now=601).undone == ended


def test_a_superseded_revision_begins_anew_with_the_next_attempt() -> None:
    """Applied again, it is a rollout with its own record."""
    ended = replace(in_state(Phase.SUPERSEDED, ended_at=at(60)), attempt=2)
    assert begin(rollout(2), ended).attempt == 3


def ordered(candidate: int, target: int) -> Workload:
    """NEW is in the spec; this is the order of it and of OLD."""
    made = rollout(2)
    old = replace(made.others[0], order=order_of(target))
    return replace(made, candidate=replace(made.candidate, order=order_of(candidate)), others=(old,))


def test_an_undone_template_that_came_back_unseen_is_told_by_the_order_of_the_revisions() -> None:
    """The target was rolled out after the decision and the candidate after it: nobody undoes that again."""
    ours = undoing(target_seen=False)
    found = begin(ordered(4, 3), ours)
    assert (found.undone, found.reapplied, found.closes) == (ours, True, ours)


def test_an_old_view_of_the_deployment_is_not_a_template_that_came_back() -> None:
    """The ReplicaSet's watch may be ahead: the target is newer than the candidate, whose Deployment is yet to come."""
    ours = undoing(target_seen=False)
    assert see(ordered(2, 3), ours) == Continue(ours)


def test_a_record_without_its_first_decision_begins_again_under_its_name() -> None:
    """Made, and then the process died: what was to be decided first is decided now, by what was there before it."""
    before = undone_record()
    empty = replace(record(attempt=2), started_at=at(100), state=RolloutState(Phase.PROGRESSING))
    found = begin(rollout(2), empty, before)
    assert (found.begun, found.attempt, found.undone, found.reapplied) == (empty, 2, before, True)


def undone_record() -> Record:
    """NEW, undone a minute ago."""
    return in_state(Phase.UNDONE, undo=undone_to(), ended_at=at(65))


@pytest.mark.parametrize(
    ("recorded", "created", "anew"),
    [(2, 30, True), (2, None, True), (0, 30, True), (0, -30, False), (4, -30, False)],
    ids=["both tell", "the order tells", "its age tells", "nothing came between", "it was never replaced"],
)
def test_a_record_without_a_decision_is_not_carried_on_across_another_revision(
    recorded: int, created: float | None, anew: bool
) -> None:
    """What came in for the other revision meanwhile, alerts above all, must not be held against this one."""
    now = replace(NEW, order=4)
    other = replace(NEXT, created_at=at(created) if created is not None else None)
    world = replace(rollout(1), candidate=now, others=(OLD, other))
    made = record(RevisionRef.of(replace(NEW, order=recorded)), state=RolloutState(Phase.PROGRESSING))
    found = begin(world, made)
    assert (found.begun is None, found.closes == made, found.attempt) == (anew, anew, 2 if anew else 1)


AWAITED = revision("essence", hash="", number=0, images=("api:next",), order=0)
"""The revision in the spec, which its controller has not taken up."""
NAMED = revision("next", number=3)


def taken_up(candidate: Revision) -> Workload:
    """The workload after its controller is back: of the template that it has this is the revision."""
    return rollout(0, candidate=candidate, others=(NEW, OLD), essence="essence")


def waits_for_controller() -> Record:
    """The record of what the controller had not taken up."""
    return replace(held("ControllerDown", sticky=False), candidate=RevisionRef.of(AWAITED))


def test_a_rollout_held_before_it_began_begins_once_its_controller_has_named_it() -> None:
    """In the same record, from the revision that served when the template was written."""
    latest = waits_for_controller()
    found = begin(taken_up(NAMED), latest, in_state(Phase.SUPERSEDED, ended_at=at(50)))
    assert (found.begun, found.closes, found.stable) == (latest, None, RevisionRef.of(OLD))


def test_another_template_written_meanwhile_is_another_rollout() -> None:
    """The one that was held never begins."""
    latest = waits_for_controller()
    found = begin(replace(taken_up(NAMED), essence="another"), latest)
    assert (found.begun, found.closes) == (None, latest)


def test_a_template_put_back_while_the_controller_was_down_ends_it() -> None:
    """Nothing of it ever ran."""
    latest = waits_for_controller()
    assert see(replace(taken_up(OLD), essence="old template"), latest) == RolledBack(latest)
