"""A switch is in the record before it is made, also when it is made later than it was decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.decision import Adopt
from sentinel.domain.policy.strategy import Step
from sentinel.domain.record.entries import Action, DecisionEntry, Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import (
    Abilities,
    Brake,
    Exposure,
    Mark,
    Standby,
    Stepping,
    TrafficShare,
    Workload,
)
from sentinel.engine.rollout.decision import decide
from tests.engine.builders import CANARY, FAIL, MINUTE, PENDING, entry, in_state, situation, with_strategy
from tests.engine.snapshots import KEY, NEW, OLD, at

PREVIEWED = with_strategy(CANARY, steps=(Step(0.0, bake=MINUTE),))
ABOUT_TO = Adopt(RevisionRef.of(NEW))


def standing_by(**standby: int) -> Workload:
    """Four pods of OLD serve, and as many of NEW stand by."""
    return Workload(
        KEY,
        "u",
        NEW,
        others=(OLD,),
        exposure=Exposure(
            wanted=4,
            candidate=4,
            ready=4,
            available=4,
            traffic=TrafficShare(0.0),
            standby=Standby(**{"digest": "new", "beside": "old", "pods": 4, "ready": 4, **standby}),  # type: ignore[arg-type]
        ),
        abilities=Abilities(Stepping.SWITCHING, stops=False),
    )


def came_to(kind: OutcomeKind, seconds: float) -> DecisionEntry:
    """The step's decision, which ended so."""
    return entry(
        Action.ADVANCE, "StepPassed", seconds, outcome=Outcome(kind, at(seconds), "the server refused it")
    )


def past_the_preview(*decisions: DecisionEntry) -> Record:
    """A rollout whose last step, all requests at once, has begun."""
    return replace(in_state(step=1), decisions=decisions)


def test_a_switch_that_became_possible_later_is_decided() -> None:
    """When the step was decided a pod was not ready, so that decision ended with nothing to do."""
    of = past_the_preview(came_to(OutcomeKind.DONE, 60))
    waits = decide(situation(of, standing_by(ready=3), PENDING, policy=PREVIEWED))
    assert (waits.action, waits.change) == (None, None)
    found = decide(situation(of, standing_by(), PENDING, policy=PREVIEWED))
    assert (found.action, found.reason, found.change) == (Action.ADVANCE, "TakesOver", ABOUT_TO)
    assert found.message == "the step before has passed, next is all requests at once"


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.REFUSED])
def test_a_switch_that_came_to_nothing_is_decided_again_after_a_while(kind: OutcomeKind) -> None:
    """And the decision says why it is made again."""
    of = past_the_preview(came_to(kind, 60))
    waits = decide(situation(of, standing_by(), PENDING, policy=PREVIEWED, now=70))
    assert (waits.action, waits.change, waits.requeue_at) == (None, None, at(75))
    found = decide(situation(of, standing_by(), PENDING, policy=PREVIEWED, now=75))
    assert (found.action, found.change) == (Action.ADVANCE, ABOUT_TO)
    assert found.message.endswith("tried again after: the server refused it")


@pytest.mark.parametrize(("failures", "wait"), [(1, 15), (2, 30), (3, 60), (5, 240), (6, 300), (40, 300)])
def test_it_is_tried_ever_less_often(failures: int, wait: float) -> None:
    """The wait doubles, up to five minutes; what succeeded before does not count."""
    failed = (came_to(OutcomeKind.FAILED, 60 + one / 100) for one in range(failures))
    of = past_the_preview(came_to(OutcomeKind.DONE, 50), *failed)
    last = 60 + (failures - 1) / 100
    before = decide(situation(of, standing_by(), PENDING, policy=PREVIEWED, now=last + wait - 1))
    after = decide(situation(of, standing_by(), PENDING, policy=PREVIEWED, now=last + wait))
    assert (before.action, after.action) == (None, Action.ADVANCE)


def test_a_candidate_that_turns_bad_meanwhile_does_not_take_over() -> None:
    """What is proven since goes first."""
    found = decide(
        situation(
            past_the_preview(came_to(OutcomeKind.FAILED, 10)), standing_by(), FAIL, policy=PREVIEWED, now=75
        )
    )
    assert found.action is Action.UNDO


def test_the_end_of_our_own_pause_is_no_decision() -> None:
    """The stable has the candidate's template: it only goes on rolling it out."""
    mark = Mark("api-new", at(3600))
    shares = TrafficShare(0.5, asked=0.5, adopted=True, mark=mark)
    adopted = replace(
        standing_by(),
        exposure=Exposure(wanted=4, candidate=4, ready=4, available=4, traffic=shares),
        brake=Brake(on=True, mark=mark),
        abilities=Abilities(Stepping.TRAFFIC),
    )
    found = decide(situation(past_the_preview(), adopted, PENDING, policy=PREVIEWED))
    assert (found.action, found.change) == (None, ABOUT_TO)
