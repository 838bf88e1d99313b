"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel.ratelimit import MAX_CLIENTS, TokenBuckets


@given(st.lists(st.floats(0, 2), min_size=1, max_size=200), st.floats(0.5, 50), st.integers(1, 20))
def test_never_more_than_burst_and_rate_pass(gaps: list[float], rate: float, burst: int) -> None:
    """In any time at most the burst and the rate's share of it pass."""
    buckets, now, passed = TokenBuckets(rate, burst), 0.0, 0
    for gap in gaps:
        now += gap
        passed += buckets.take("one", now) == 0
    assert passed <= burst + rate * now + 1e-6


@given(st.floats(0.5, 50), st.integers(1, 20))
def test_after_the_wait_that_was_named_the_next_one_passes(rate: float, burst: int) -> None:
    """Whoever comes again when it was told passes."""
    buckets = TokenBuckets(rate, burst)
    while not (wait := buckets.take("one", 0.0)):
        pass
    assert buckets.take("one", wait + 1e-6) == 0


def test_clients_do_not_cost_one_another() -> None:
    """One client's flood leaves the others their own."""
    buckets = TokenBuckets(1, 1)
    assert [buckets.take("loud", 0.0) > 0 for _ in range(3)] == [False, True, True]
    assert buckets.take("quiet", 0.0) == 0


def test_the_number_of_clients_remembered_is_bounded() -> None:
    """However many addresses come, so many are kept."""
    buckets = TokenBuckets(1, 1)
    for n in range(3 * MAX_CLIENTS):
        buckets.take(str(n), 0.0)
    assert len(buckets) == MAX_CLIENTS
