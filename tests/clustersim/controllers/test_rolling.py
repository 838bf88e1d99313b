"""The arithmetic of rolling updates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.controllers.common.rolling import (
    RollingUpdateLimits,
    Slot,
    budget,
    new_size,
    old_sizes,
    proportional_sizes,
    scaled,
)

sizes = st.integers(0, 60)
limits = st.builds(
    budget,
    st.integers(0, 60),
    st.one_of(st.integers(0, 20), st.integers(0, 100).map("{}%".format)),
    st.one_of(st.integers(0, 20), st.integers(0, 100).map("{}%".format)),
)


@st.composite
def old_sets(draw: st.DrawFn) -> list[Slot]:
    pairs = draw(st.lists(st.tuples(sizes, sizes), max_size=4))
    return [
        Slot(f"old-{age}", replicas, min(available, replicas), age)
        for age, (replicas, available) in enumerate(pairs)
    ]


def test_percentages_round_up_for_surge_and_down_for_unavailable() -> None:
    """10 % of 14 is two pods more, but only one less."""
    assert scaled("10%", 14, round_up=True) == 2
    assert scaled("10%", 14, round_up=False) == 1


def test_text_that_is_no_percentage_is_refused() -> None:
    """The error names the value."""
    with pytest.raises(ValueError, match="ten"):
        scaled("ten", 10, round_up=True)


def test_a_rollout_that_could_not_move_may_lose_one_pod() -> None:
    """Surge and unavailable are never both zero."""
    assert budget(10, 0, "5%") == RollingUpdateLimits(10, 0, 1)


@pytest.mark.parametrize(
    ("surge", "unavailable", "first"),
    [("25%", "25%", 5), ("10%", 0, 2), (0, 1, 0)],
)
def test_the_first_batch_is_the_surge(surge: int | str, unavailable: int | str, first: int) -> None:
    """With 20 replicas running, the new ReplicaSet starts at the size of the surge."""
    assert new_size(budget(20, surge, unavailable), 20, 0) == first


@given(limits, sizes, sizes)
def test_the_new_set_never_grows_past_the_ceiling(bounds: RollingUpdateLimits, others: int, new: int) -> None:
    """Growing keeps everyone within replicas plus surge, and the new set within replicas."""
    size = new_size(bounds, others + new, new)
    assert size <= max(bounds.replicas, new)
    if size > new:
        assert others + size <= bounds.ceiling


@given(limits, sizes, sizes, old_sets())
def test_shrinking_old_sets_keeps_the_available_floor(
    bounds: RollingUpdateLimits, replicas: int, available: int, old: list[Slot]
) -> None:
    """No step takes an available pod away below the floor, nor grows an old set."""
    new = Slot("new", replicas, min(available, replicas), 99)
    after = old_sizes(bounds, new, old)
    before_available = new.available + sum(slot.available for slot in old)
    left = new.available + sum(min(slot.available, after.get(slot.name, slot.replicas)) for slot in old)
    assert left >= min(bounds.floor, before_available)
    assert all(0 <= after.get(slot.name, slot.replicas) <= slot.replicas for slot in old)


def test_unhealthy_old_pods_go_first() -> None:
    """Pods that are not available anyway are taken before available ones, even from a newer set."""
    healthy, broken = Slot("healthy", 8, 8, 0), Slot("broken", 4, 0, 1)
    assert old_sizes(RollingUpdateLimits(10, 3, 2), Slot("new", 1, 0, 2), [healthy, broken]) == {"broken": 0}


@given(limits, st.lists(st.integers(1, 30), min_size=2, max_size=5))
def test_scaling_in_the_middle_reaches_the_allowed_total(
    bounds: RollingUpdateLimits, replicas: list[int]
) -> None:
    """What is scaled in proportion adds up to replicas plus surge (to nothing for zero), none negative."""
    total = sum(replicas)
    active = [Slot(f"rs-{age}", size, size, age, total) for age, size in enumerate(replicas)]
    after = proportional_sizes(bounds, active, total)
    assert all(size >= 0 for size in after.values())
    assert sum(after.values()) == (bounds.ceiling if bounds.replicas else 0)


def test_scaling_while_paused_grows_the_old_set() -> None:
    """As recorded: 10 to 14 with a surge of 10 % makes 10+1 into 15+1."""
    active = [Slot("old", 10, 10, 0, 11), Slot("new", 1, 1, 1, 11)]
    assert proportional_sizes(budget(14, "10%", 0), active, 11) == {"old": 15, "new": 1}


@given(limits, st.integers(1, 40))
def test_repeated_steps_complete_the_rollout(bounds: RollingUpdateLimits, start: int) -> None:
    """When every new pod becomes available, alternating the two rules ends with the new set alone."""
    old, new = Slot("old", start, start, 0), Slot("new", 0, 0, 1)
    for _ in range(400):
        size = new_size(bounds, old.replicas + new.replicas, new.replicas)
        new = Slot("new", size, size, 1)
        left = old_sizes(bounds, new, [old]).get("old", old.replicas)
        old = Slot("old", left, left, 0)
    assert (new.replicas, old.replicas) == (bounds.replicas, 0)
