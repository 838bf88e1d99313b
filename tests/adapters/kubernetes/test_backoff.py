"""Waits between tries."""

import random

from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.watch.backoff import Backoff


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_waits_grow_to_a_limit(seed: int, tries: int) -> None:
    """Each wait lies between half and all of its doubled predecessor, and never over the limit."""
    backoff = Backoff(random.Random(seed), first=1.0, last=30.0)
    for attempt in range(tries):
        whole = min(2.0**attempt, 30.0)
        assert whole / 2 <= backoff.next() <= whole


def test_a_reset_begins_anew() -> None:
    """After a reset the first wait is short again."""
    backoff = Backoff(random.Random(1), first=1.0, last=30.0)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1.0


def test_two_sentinels_do_not_wait_alike() -> None:
    """Jitter spreads the tries of those that failed together."""
    waits = {Backoff(random.Random(seed)).next() for seed in range(20)}
    assert len(waits) == 20
