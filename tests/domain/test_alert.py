"""Which alerts of a storm keep a place, and what is kept of the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.alert import MAX_FINGERPRINTS, AlertsBeyond, AlertStatus, counted_beyond, make_room

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """An alert."""

    fingerprint: str
    name: str = "Bad"
    status: AlertStatus = AlertStatus.FIRING
    starts_at: datetime = BEGAN


def told(number: int, **changes: object) -> Told:
    """The alert of this number."""
    return Told(f"f{number}", **changes)  # type: ignore[arg-type] - of the fields only


storms = st.lists(
    st.builds(
        Told,
        st.integers(0, 10_000).map(str),
        st.sampled_from(["Bad", "Slow", "Down"]),
        st.sampled_from(AlertStatus),
        st.integers(0, 50).map(lambda seconds: BEGAN + timedelta(seconds=seconds)),
    ),
    unique_by=lambda alert: alert.fingerprint,
    max_size=80,
)


@given(storms, st.integers(0, 20))
def test_each_alert_either_keeps_a_place_or_is_beyond(storm: list[Told], places: int) -> None:
    """None is lost, none is twice, and no place stays empty."""
    kept, dropped = make_room(storm, places)
    assert sorted((*kept, *dropped), key=storm.index) == storm
    assert len(kept) == min(places, len(storm))


@given(storms, st.integers(0, 20))
def test_what_has_no_place_the_second_time_is_what_had_none_the_first_time(
    storm: list[Told], places: int
) -> None:
    """A repeated storm changes nothing: neither who has a place, nor what is counted."""
    kept, dropped = make_room(storm, places)
    again, _ = make_room((*kept, *dropped), places)
    assert again == kept
    beyond = counted_beyond(None, dropped)
    assert counted_beyond(beyond, dropped) == beyond


@given(storms, st.integers(3, 20))
def test_no_name_is_crowded_out_by_another(storm: list[Told], places: int) -> None:
    """Of every name that fires one keeps a place, as long as there are as many places as names."""
    kept, _ = make_room(storm, places)
    firing = {alert.name for alert in storm if alert.status is AlertStatus.FIRING}
    assert firing <= {alert.name for alert in kept}


def test_what_is_resolved_goes_first() -> None:
    """It asks for nothing any more."""
    over = told(1, status=AlertStatus.RESOLVED, starts_at=BEGAN + timedelta(hours=1))
    kept, dropped = make_room([over, told(2), told(3)], 2)
    assert kept == (told(2), told(3))
    assert dropped == (over,)


def test_of_one_name_those_that_fired_last_stay() -> None:
    """They say most about the rollout."""
    storm = [told(number, starts_at=BEGAN + timedelta(seconds=number)) for number in range(5)]
    assert make_room(storm, 2)[0] == (storm[3], storm[4])


def test_what_is_beyond_is_counted_with_its_times_and_names() -> None:
    """That much is known of each."""
    late = told(2, name="Slow", starts_at=BEGAN + timedelta(seconds=9))
    assert counted_beyond(None, [told(1), late]) == AlertsBeyond(
        2, BEGAN, BEGAN + timedelta(seconds=9), ("Bad", "Slow"), ("f1", "f2")
    )


def test_past_the_fingerprints_only_later_ones_are_counted() -> None:
    """A repeat cannot be told from a new one then: the count is at least right."""
    many = [told(number) for number in range(MAX_FINGERPRINTS + 100)]
    beyond = counted_beyond(None, many)
    assert beyond is not None
    assert (beyond.count, len(beyond.fingerprints)) == (MAX_FINGERPRINTS + 100, MAX_FINGERPRINTS)
    assert counted_beyond(beyond, many) == beyond
    more = counted_beyond(beyond, [told(9_999, starts_at=BEGAN + timedelta(seconds=1))])
    assert more is not None
    assert more.count == beyond.count + 1
