"""Canary steps by a partition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.decision import Change, Release, SetPartition, Stop
from sentinel.domain.workload.facts import Brake, Mark, Stepping, Workload
from sentinel.engine.exposure.steering import first_stop, steer
from sentinel.engine.exposure.weights import wanted_pods
from sentinel.engine.rollout.holding import damage_limiting_pause
from tests.engine.builders import CANARY, rollout, situation
from tests.engine.snapshots import at, record

MARK = Mark("api-new", at(3600))


def partitioned(updated: int, lets: int | None, desired: int = 10, **changes: Any) -> Workload:
    """A workload that steps by a partition of ours that lets so many pods be new; None: there is no partition."""
    world = rollout(updated, desired, **changes)
    on = lets is not None
    brake = Brake(on, MARK if on else None, desired if lets is None else lets, "partition")
    return replace(world, brake=brake, abilities=replace(world.abilities, stepping=Stepping.PARTITION))


@pytest.mark.parametrize(
    ("updated", "lets", "weight", "expected"),
    [
        (0, None, 0.1, SetPartition(1, MARK)),
        (1, 1, 0.1, None),
        (1, 1, 0.5, SetPartition(5, MARK)),
        (3, None, 0.1, SetPartition(3, MARK)),
        (4, 6, 0.1, SetPartition(4, MARK)),
        (5, 5, 1.0, Release()),
        (5, 5, None, Release()),
        (5, None, None, None),
    ],
)
def test_the_partition_follows_the_weight(
    updated: int, lets: int | None, weight: float | None, expected: Change | None
) -> None:
    """It lets as many pods be new as the step asks for, never fewer than are; at 100 % there is none."""
    assert steer(weight, partitioned(updated, lets), MARK) == expected


def test_a_partition_of_anothers_is_never_moved() -> None:
    """Whoever set it stages the rollout by hand."""
    world = replace(partitioned(2, 2), brake=Brake(True, None, 2, "partition"))
    assert steer(0.5, world, MARK) is None
    assert steer(None, world, MARK) is None
    assert first_stop(0.1, world, MARK) is None


def test_the_first_stop_is_the_first_step() -> None:
    """What a pause would stop at whatever runs, a partition stops at the weight asked for."""
    assert first_stop(0.2, partitioned(0, None), MARK) == SetPartition(2, MARK)


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0.01, 1.0))
def test_steering_comes_to_rest(desired: int, updated: int, lets: int, weight: float) -> None:
    """What was steered is in force, and the weight asked for may be reached."""
    world = partitioned(min(updated, desired), min(lets, desired), desired)
    found = steer(weight, world, MARK)
    after = min(lets, desired)
    if isinstance(found, SetPartition):
        after = found.pods
        assert steer(weight, partitioned(min(updated, desired), after, desired), MARK) is None
    elif isinstance(found, Release):
        after = desired
    assert world.rolled_out or after >= wanted_pods(weight, desired)


def test_a_hold_stops_where_the_rollout_is() -> None:
    """A partition that lets more pods come than there are is no stop yet."""
    going = situation(record(), partitioned(2, 5), policy=CANARY)
    assert isinstance(damage_limiting_pause(going), Stop)
    stopped = situation(record(), partitioned(5, 5), policy=CANARY)
    assert damage_limiting_pause(stopped) is None
