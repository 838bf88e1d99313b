"""Start profiles: what is kept of how pods start, and that no more than its share is won against one."""

import json
import random
from math import exp, inf, log

from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import ERRORS_OVER, Counts, Histogram, PodStart, as_histogram
from sentinel.engine.statistics.e_process import RATIOS
from sentinel.engine.statistics.starts import (
    AGES,
    MOST_BOUNDS,
    StartProfile,
    Starts,
    YoungTick,
    age_of,
    ages_touched,
)


def start(
    pod: str = "a", since: float = 0, until: float = 5, counts: tuple[int, int] = (100, 2), cold: bool = True
) -> PodStart:
    """What one pod did in a tick."""
    return PodStart(pod, since, until, as_histogram(Counts(*counts)), cold)


def profile_of(errors: int, requests: int = 100, pods: int = 10) -> StartProfile:
    """Pods that all did the same in their first five seconds."""
    starts = [start(f"pod-{n}", counts=(requests, errors)) for n in range(pods)]
    return StartProfile().after(starts)


def test_a_profile_keeps_counts_by_age_and_how_many_pods_were_seen() -> None:
    """A tick is shared out by how long it was at each age, a pod counts in its first tick, what is old not at all."""
    ticks = [start(until=4), start(since=4, until=19), start(since=90, until=105)]
    profile = StartProfile().after(ticks)
    assert profile.pods == 1
    assert [each.total for each in profile.ages] == [107, 33, 33, 27, 0, 0, 0, 0]


@given(
    since=st.floats(0, 89),
    length=st.floats(0.1, 120),
    counts=st.tuples(st.integers(0, 500), st.integers(0, 500)),
)
def test_nothing_of_a_tick_is_lost_or_counted_twice(
    since: float, length: float, counts: tuple[int, int]
) -> None:
    """Shared out over the ages, requests and errors are as many as before; no part is negative."""
    good, failed = counts
    tick = start(since=since, until=since + length, counts=(good + failed, failed))
    ages = [each for each in StartProfile().after([tick]).ages if each.bounds]
    assert sum(ages, Histogram()).counts == (good, failed)
    assert all(count >= 0 for each in ages for count in each.counts)


def test_a_tick_reaches_into_every_age_between_its_ends() -> None:
    """From 4 to 19 seconds are four ages; it counts for the third."""
    assert list(ages_touched(start(since=4, until=19))) == [0, 1, 2, 3]
    assert age_of(start(since=4, until=19)) == 2
    assert list(ages_touched(start(since=5, until=10))) == [1]
    assert list(ages_touched(start(since=60, until=90))) == [len(AGES) - 1]


def test_a_tick_that_begins_young_counts_as_young() -> None:
    """One that reaches beyond the last age is still compared with how the stable's pods started."""
    assert age_of(start(since=85, until=115)) == len(AGES) - 1
    assert age_of(start(since=90, until=105)) is None


def test_pods_that_differ_are_allowed_to_differ() -> None:
    """Where one of ten pods fails much more, one more like it is no worse; where all are alike, it is."""
    alike = profile_of(10)
    apart = StartProfile().after([start(f"pod-{n}", counts=(100, 40 if n == 3 else 4)) for n in range(10)])
    assert alike.allowance < 2
    assert apart.allowance > 10
    assert 2 < profile_of(0).allowance < 3


def test_of_few_pods_the_difference_is_taken_to_be_larger() -> None:
    """Four pods of which each second fails twice as much show less than sixteen."""

    def mixed(pods: int) -> float:
        starts = [start(f"pod-{n}", counts=(1000, 50 + 50 * (n % 2))) for n in range(pods)]
        return StartProfile().after(starts).allowance

    assert mixed(4) > mixed(16) > 1.5


def test_a_profile_of_few_pods_is_thin() -> None:
    """Two pods do not show how much pods differ."""
    assert profile_of(2, pods=2).thin
    assert not profile_of(2, pods=3).thin


def test_a_profile_survives_json_and_stays_small() -> None:
    """Saved and loaded it is the same, also of a histogram with many buckets, in under 2 KiB."""
    bounds = (*(0.001 * 1.5**n for n in range(30)), inf)
    seen = Histogram(bounds, tuple(1000 + n for n in range(31)))
    starts = [PodStart(f"p{n}", 3.0 * n, 3.0 * n + 5, seen, cold=True) for n in range(40)]
    profile = StartProfile(0.25).after(starts)
    text = json.dumps(profile.as_json())
    assert StartProfile.from_json(json.loads(text)) == profile
    assert len(profile.bounds) <= MOST_BOUNDS
    assert len(text) < 2048
    assert StartProfile.from_json({"pods": 3}) == StartProfile()


def gains_of(ticks: list[list[PodStart]], profile: StartProfile) -> list[float]:
    """Log gains over these ticks together, per alternative."""
    starts = Starts(StartProfile(), profile)
    whole = [0.0] * len(RATIOS)
    for tick in ticks:
        gains = YoungTick.of(tick, starts).gains(ERRORS_OVER, RATIOS, 1.0)
        assert gains is not None
        whole = [a + b for a, b in zip(whole, gains, strict=True)]
        starts = starts.after(tick)
    return whole


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 8)), min_size=1, max_size=5), st.integers(0, 1000)
)
def test_what_is_won_depends_on_what_was_counted_and_not_on_how_it_was_cut(
    parts: list[tuple[int, int]], errors: int
) -> None:
    """Counts at one age in one tick, in several, in any order, of one pod or of many: the same evidence."""
    profile = profile_of(errors // 10)
    counts = [(n + e, e) for n, e in parts]
    whole = (sum(n for n, _ in counts), sum(e for _, e in counts))
    once = gains_of([[start("new", counts=whole)]], profile)
    cut = gains_of([[start("new", counts=each)] for each in counts], profile)
    turned = gains_of([[start("new", counts=each)] for each in reversed(counts)], profile)
    pods = gains_of([[start(f"new-{n}", counts=each) for n, each in enumerate(counts)]], profile)
    for other in (cut, turned, pods):
        assert all(abs(a - b) < 1e-6 for a, b in zip(once, other, strict=True))


def test_the_expected_wealth_is_at_most_one_where_the_start_is_no_worse() -> None:
    """Over draws of the profile and of the candidate at the same rate, with a stop at the first look that wins."""
    rng = random.Random(7)
    rates = (0.002, 0.02, 0.1)
    for rate in rates:
        wealth = []
        for _ in range(400):
            errors = sum(rng.random() < rate for _ in range(600))
            profile = StartProfile().after(
                [start(f"p{n}", counts=(200, errors // 3 + (n < errors % 3))) for n in range(3)]
            )
            log_e, starts = 0.0, Starts(StartProfile(), profile)
            for _ in range(8):
                failed = sum(rng.random() < rate for _ in range(25))
                tick = [start("new", counts=(25, failed))]
                gains = YoungTick.of(tick, starts).gains(ERRORS_OVER, RATIOS, 1.0)
                assert gains is not None
                log_e += gains[1]
                starts = starts.after(tick)
                if log_e > log(3):
                    break
            wealth.append(exp(log_e))
        assert sum(wealth) / len(wealth) <= 1.0


def test_ages_that_the_profile_does_not_know_are_left_out() -> None:
    """Only the first five seconds are known, so later ticks, and ticks that reach past them, are not judged."""
    starts = Starts(StartProfile(), profile_of(2))
    tick = [start("new"), start("new", since=3, until=12), start("new", since=20, until=25)]
    assert YoungTick.of(tick, starts).outside.total == 100
    assert YoungTick.of(tick, None) == YoungTick()


def test_only_the_limit_is_compared() -> None:
    """How much pods differ is known at the limit; farther out a pod a little slower has many times the mean."""
    bounds = (0.1, 0.25, 1.0, inf)
    slow = Histogram(bounds, (0, 100, 50, 50))
    profile = StartProfile(0.25).after(
        [PodStart(f"pod-{n}", 0, 5, Histogram(bounds, (100, 50, 30, 20)), True) for n in range(10)]
    )
    tick = YoungTick.of([PodStart("new", 0, 5, slow, True)], Starts(StartProfile(0.25), profile))
    assert tick.gains(0.25, (2.0,), 1.0) is not None
    assert tick.gains(1.0, (2.0,), 1.0) is None


def test_a_bound_that_the_profile_lacks_is_not_judged() -> None:
    """Nothing is known of latencies over a bound that the profile has no count for."""
    starts = Starts(StartProfile(), profile_of(2))
    assert YoungTick.of([start("new")], starts).gains(0.5, RATIOS, 1.0) is None
