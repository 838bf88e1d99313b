"""The model of a workload whose own controller makes the steps."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.decision import Promote, Restore
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.own_steps import OwnStep
from sentinel.engine.replay.modelled_steps import ABORTED, ModelledSteps, closest
from sentinel.engine.replay.modelled_workload import WorkloadShape
from tests.engine.snapshots import at

WAIT = OwnStep(pauses=True)
STEPS = (
    OwnStep(0.2),
    WAIT,
    OwnStep(0.5),
    OwnStep(pauses=True, duration=timedelta(minutes=1)),
    OwnStep(0.8),
    WAIT,
)


def world(**changes: Any) -> ModelledSteps:
    """A Rollout of ten pods with these steps, of which two may surge and two be missing."""
    known = {"own_steps": STEPS, "max_surge": 2, "max_unavailable": 2, **changes}
    return ModelledSteps(WorkloadShape(at(0), **known))


def seen(made: ModelledSteps, seconds: float) -> tuple[int, int, bool]:
    """How many pods of the candidate and of others there are then, and whether it waits to be promoted."""
    shown = made.at(at(seconds))
    assert shown.own_steps is not None
    return shown.exposure.candidate, shown.exposure.old, shown.own_steps.waits


def test_it_waits_at_a_pause_without_a_duration_until_it_is_promoted() -> None:
    """And goes through a timed pause by itself."""
    made = world()
    assert seen(made, 600) == (2, 8, True)
    made.apply(Promote(), at(600))
    assert seen(made, 620) == (5, 5, False)
    assert seen(made, 700) == (8, 2, True)
    made.apply(Promote(), at(700))
    assert made.at(at(720)).rolled_out
    assert made.at(at(720)).own_steps.stage == made.at(at(720)).own_steps.count  # type: ignore[union-attr]


def test_people_promote_and_abort_it() -> None:
    """Aborted, all its pods are of the stable again, though the template is still the candidate's."""
    made = world(promotes=(at(60),), aborts=(at(100),))
    assert seen(made, 99) == (5, 5, False)
    shown = made.at(at(200))
    assert (shown.exposure.candidate, shown.exposure.old, shown.rolled_out) == (0, 10, False)
    assert shown.own_steps is not None
    assert shown.own_steps.aborted == ABORTED


def test_promoted_in_full_it_skips_what_is_left() -> None:
    """Also where it does not wait."""
    made = world()
    made.apply(Promote(full=True), at(1))
    assert made.at(at(60)).rolled_out


def test_an_undo_in_flight_goes_back_at_once_and_one_after_the_promotion_through_the_steps() -> None:
    """Unless they are skipped."""
    made = world()
    stable = RevisionRef.of(made.at(at(60)).others[0])
    made.apply(Restore(stable), at(60))
    assert made.at(at(80)).rolled_out
    done = world()
    done.apply(Promote(full=True), at(0))
    done.at(at(60))
    done.apply(Restore(stable), at(60))
    assert seen(done, 100) == (2, 8, True)
    done.apply(Promote(full=True), at(100))
    assert done.at(at(120)).rolled_out


def test_a_first_deployment_makes_no_steps() -> None:
    """There is nothing to stay beside."""
    assert world(stable=None).at(at(30)).rolled_out


@pytest.mark.parametrize(
    ("size", "weight", "surge", "expected"),
    [
        (10, 10, True, (1, 9)),
        (10, 20, False, (2, 8)),
        (1, 10, True, (1, 1)),
        (4, 10, True, (1, 4)),
        (5, 10, True, (1, 5)),
        (3, 50, False, (2, 1)),
        (1, 50, False, (1, 0)),
        (10, 0, True, (0, 10)),
        (10, 100, True, (10, 0)),
        (2, 99, False, (1, 1)),
    ],
)
def test_a_weight_comes_to_as_many_pods_as_argo_makes(
    size: int, weight: int, surge: bool, expected: tuple[int, int]
) -> None:
    """As `approximateWeightedCanaryStableReplicaCounts` of argo-rollouts 9f8d111 answered."""
    assert closest(size, Fraction(weight, 100), surge=surge) == expected


@settings(max_examples=60, deadline=None)
@given(
    replicas=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    weights=st.lists(st.integers(0, 100), max_size=4),
)
def test_it_keeps_its_limits_and_comes_to_an_end(
    replicas: int, surge: int, unavailable: int, weights: list[int]
) -> None:
    """Never more pods than maxSurge allows, nor fewer available than maxUnavailable."""
    surge = surge or int(unavailable == 0)
    steps = tuple(OwnStep(weight / 100) for weight in weights)
    made = world(
        own_steps=steps, replicas=replicas, max_surge=surge, max_unavailable=min(unavailable, replicas)
    )
    for second in range(300):
        shown = made.at(at(second))
        assert shown.exposure.candidate + shown.exposure.old <= replicas + surge
        assert shown.exposure.available >= replicas - min(unavailable, replicas)
    assert made.at(at(300)).rolled_out
