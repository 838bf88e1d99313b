"""`sentinel report`: what observe mode would have done, and how it turned out."""

from sentinel.app.commands.rollouts.reporting import Aftermath, was_observed, would_be
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RolloutState
from sentinel.engine.rollout.lifecycle import ROLLED_BACK
from tests.app.commands.records import NEW, after, entry, record
from tests.support.states import state_of

WOULD = entry(
    Action.UNDO, 60, "Worse", "would undo", rule="errors", outcome=Outcome(OutcomeKind.OBSERVED, after(60))
)


def observed(state: RolloutState) -> Record:
    """A rollout that observe mode would have undone."""
    return record(mode=Mode.OBSERVE, decisions=(WOULD,), state=state)


def turn(one: Record, *others: Record) -> tuple[Aftermath, str]:
    """How it turned out, two hours later."""
    (found,) = would_be(one, (one, *others), after(7260))
    return found.turn, found.told


def test_people_who_went_back_themselves_agreed() -> None:
    """The best evidence there is that the decision was right, with how much sooner it came."""
    ended = state_of(Phase.SUPERSEDED, reason=ROLLED_BACK, ended_at=after(960))
    assert turn(observed(ended)) == (Aftermath.AGREED, "rolled back by people 15m later")


def test_a_newer_release_may_have_mended_it() -> None:
    """Which one, and when."""
    ended = state_of(Phase.SUPERSEDED, reason="NewerRevision", ended_at=after(360))
    newer = record(started_at=after(360), candidate=NEW, uid="n")
    assert turn(observed(ended), newer) == (Aftermath.REPLACED, "replaced by revision 2 (web:2) 5m later")


def test_what_still_stands_may_have_been_a_false_alarm() -> None:
    """Nobody has touched it since."""
    assert turn(observed(RolloutState(Phase.HELD))) == (Aftermath.STANDS, "still running 2h0m later")


def test_what_a_freeze_kept_from_being_done_is_reported_too() -> None:
    """The rollout began under enforce, and nobody touched it when it turned bad."""
    assert was_observed(record(decisions=(WOULD,)))
    assert was_observed(record(mode=Mode.OBSERVE))
    assert not was_observed(record())


def test_an_undo_that_was_made_is_not_reported() -> None:
    """Only what observe mode kept from being done."""
    done = record(decisions=(entry(Action.UNDO, 60, "Worse", "undone", rule="errors"),))
    assert list(would_be(done, (done,), after(100))) == []
