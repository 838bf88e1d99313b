"""Durations, latencies and shares."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.quantities import format_duration, parse_duration, parse_seconds, parse_share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1h30m", 5400),
        ("2m", 120),
        ("7d", 604_800),
        ("1w", 604_800),
        ("1.5h", 5400),
        ("0s", 0),
        (0, 0),
    ],
)
def test_durations_add_up(text: object, seconds: float) -> None:
    """Numbers with units, larger ones first, are added."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "1", "1x", "1h 30m", "30m1h", "1m1m", "-1s", "1e3s", "999999999d", True, None, 5]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    """Anything else is refused with a hint."""
    with pytest.raises(InputError) as error:
        parse_duration(text)
    assert error.value.hint


@given(st.integers(min_value=0, max_value=366 * 86_400_000))
def test_a_duration_survives_being_written(milliseconds: int) -> None:
    """What is formatted parses to the same duration."""
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1.0), ("250ms", 0.25), ("1.5s", 1.5), ("1m", 60.0)])
def test_latencies_are_seconds(text: str, seconds: float) -> None:
    """A latency becomes seconds."""
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0s", 1, 0.5, 0, "1", [], True])
def test_a_latency_needs_a_unit_and_is_more_than_zero(text: object) -> None:
    """Bare numbers would be ambiguous, zero impossible."""
    with pytest.raises(InputError):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("value", "share"), [("5%", 0.05), (0.05, 0.05), ("0.05", 0.05), ("100%", 1.0), ("0.1%", 0.001), (0, 0.0)]
)
def test_shares_are_percentages_or_fractions(value: object, share: float) -> None:
    """Both notations give the same share."""
    assert parse_share(value) == share


@pytest.mark.parametrize("value", [1, "1", "101%", 5, "-1%", -0.1, "five", "5 percent", True, None, [5]])
def test_what_is_no_share_is_refused(value: object) -> None:
    """Ambiguous, impossible and foreign values are refused with a hint."""
    with pytest.raises(InputError) as error:
        parse_share(value)
    assert error.value.hint
