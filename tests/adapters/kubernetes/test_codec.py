"""Dataclasses as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.custom.codec import camel, decode, encode
from sentinel.domain.verdict import Number


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    some_name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Outer:
    inner: Inner
    colour: Colour
    share: float
    count: int = 0
    maybe: float | None = None
    items: tuple[Inner, ...] = ()
    steps: frozenset[int] = frozenset()
    times: Mapping[str, datetime] = field(default_factory=dict)
    numbers: Mapping[str, Number] = field(default_factory=dict)
    document: Mapping[str, object] = field(default_factory=dict)


TIMES = st.datetimes(timezones=st.just(UTC))
INNERS = st.builds(Inner, st.text(max_size=5), TIMES)
OUTERS = st.builds(
    Outer,
    INNERS,
    st.just(Colour.RED),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-1000, 1000),
    st.none() | st.floats(0, 1),
    st.lists(INNERS, max_size=2).map(tuple),
    st.frozensets(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), TIMES, max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(-9, 9) | st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.lists(st.integers(-9, 9)), max_size=2),
)


@given(OUTERS)
def test_what_is_written_is_read(value: Outer) -> None:
    """Every value survives being written as JSON and read again."""
    assert decode(Outer, orjson.loads(orjson.dumps(encode(value)))) == value


def test_names_are_camel_case() -> None:
    """Fields stand in JSON as Kubernetes writes names."""
    assert camel("policy_digest_text") == "policyDigestText"
    assert encode(Inner("x", datetime(2026, 1, 1, tzinfo=UTC))) == {
        "someName": "x",
        "at": "2026-01-01T00:00:00.000000Z",
    }


def test_empty_fields_are_left_out() -> None:
    """What is empty and has a default takes no room; zeros and what has no default are written."""
    value = Outer(Inner("", datetime(2026, 1, 1, tzinfo=UTC)), Colour.RED, 0.0)
    assert set(encode(value)) == {"inner", "colour", "share", "count"}
    assert encode(value)["inner"]["someName"] == ""


def test_a_whole_number_is_a_float_where_one_is_meant() -> None:
    """The API server writes 1.0 as 1: it is read as a float all the same."""
    raw = {"inner": {"someName": "", "at": "2026-01-01T00:00:00Z"}, "colour": "red", "share": 1}
    assert isinstance(decode(Outer, raw).share, float)


@pytest.mark.parametrize(("number", "written"), [(float("inf"), "inf"), (float("nan"), "nan")])
def test_what_json_cannot_say_becomes_text(number: float, written: str) -> None:
    """Infinities and NaN are written as text."""
    assert encode({"p": number}) == {"p": written}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"inner": None}, "lacks inner"),
        ({"inner": 7}, "Inner has the wrong type"),
        ({"inner": {"someName": "x", "at": "noon"}}, "at is not a time: 'noon'"),
        ({"colour": "blue"}, "'blue' is not a valid Colour"),
        ({"count": "7"}, "count has the wrong type"),
        ({"count": True}, "count has the wrong type"),
        ({"items": {}}, "items has the wrong type"),
        ({"times": []}, "times has the wrong type"),
        ({"numbers": {"p": []}}, "numbers has the wrong type"),
    ],
)
def test_what_cannot_be_read_is_named(changed: dict[str, object], complaint: str) -> None:
    """A field that is missing or of the wrong kind is named."""
    raw = {"inner": {"someName": "", "at": "2026-01-01T00:00:00Z"}, "colour": "red", "share": 0.5, **changed}
    with pytest.raises(ValueError, match=complaint):
        decode(Outer, raw)


def test_unknown_fields_are_ignored() -> None:
    """What a newer version wrote beside does not hinder reading."""
    assert decode(Inner, {"someName": "x", "at": "2026-01-01T00:00:00Z", "new": 1}).some_name == "x"
