"""Figures as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from sentinel.domain.figures import about, age, amount, duration, moment, percent, seconds, to_one


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 policies"), (1, "1 policy"), (2, "2 policies"), (1234, "1,234 policies")]
)
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    """One is singular, everything else is plural."""
    assert amount(count, "policy", "policies") == text


def test_a_regular_plural_needs_no_second_form() -> None:
    """Without a plural of its own the noun takes an s."""
    assert [amount(1, "pod"), amount(3, "pod")] == ["1 pod", "3 pods"]


def test_shares_have_three_digits() -> None:
    """Zeros that say nothing are left out."""
    assert [percent(share) for share in (0, 0.005, 0.05, 0.1234, 1)] == ["0%", "0.5%", "5%", "12.3%", "100%"]


def test_short_times_are_shown_in_their_unit() -> None:
    """Under a second in milliseconds."""
    assert [seconds(value) for value in (0, 0.09, 0.25, 1, 1.5)] == ["0 s", "90 ms", "250 ms", "1 s", "1.5 s"]


def test_lengths_of_time_have_two_units_at_most() -> None:
    """The finer unit is left out where it is zero."""
    lengths = [duration(timedelta(seconds=s)) for s in (0.85, 12.5, 60, 61, 3900, 7200, 200000, -40, -90)]
    assert lengths == [
        *("850 ms", "12.5 s", "1 min", "1 min 1 s", "1 h 5 min", "2 h", "2 d 7 h", "-40 s", "-1 min 30 s"),
    ]


def test_ages_are_as_kubectl_shows_them() -> None:
    """Two units at most, the coarser the older."""
    ages = [age(timedelta(seconds=s)) for s in (-1, 5, 119, 600, 11520, 200000)]
    assert ages == ["0s", "5s", "119s", "10m", "3h12m", "2d7h"]


def test_an_estimate_says_that_it_is_one() -> None:
    """Rounded to the unit that it is good for, and never nothing."""
    estimates = [about(timedelta(seconds=s)) for s in (0.2, 80, 100, 7300)]
    assert estimates == ["about 1 s", "about 80 s", "about 2 min", "about 2 h"]


def test_evidence_is_shown_as_odds() -> None:
    """Two digits below ten, whole numbers above, and no digits where more would say nothing."""
    assert [to_one(value) for value in (0.052, 3.14159, 1119.2, 2e6)] == [
        *("0.052:1", "3.1:1", "1,119:1", "over 1,000,000:1"),
    ]


def test_a_moment_names_its_zone() -> None:
    """Nobody has to guess whose clock it is."""
    assert moment(datetime(2026, 3, 1, 2, 5, 9, tzinfo=UTC)) == "2026-03-01 02:05:09 UTC"
