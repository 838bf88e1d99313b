"""Waits between tries."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sentinel.backoff import Backoff


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_waits_grow_to_a_limit(seed: int, failures: int) -> None:
    """Each wait lies between half and all of what has doubled with every failure, and never over the limit."""
    whole = min(2.0 ** min(failures - 1, 10), 30.0)
    assert whole / 2 <= Backoff(random.Random(seed), first=1.0, last=30.0).after(failures) <= whole


def test_two_sentinels_do_not_wait_alike() -> None:
    """Jitter spreads the tries of those that failed together."""
    waits = {Backoff(random.Random(seed), first=1.0, last=30.0).after(3) for seed in range(20)}
    assert len(waits) == 20
