"""Records directly from the bytes of their JSON: as `codec.decode` reads them, whatever they hold."""

from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.custom.direct import decode_bytes
from sentinel.adapters.kubernetes.custom.record_objects import RecordSpec, object_of, record_of
from tests.adapters.kubernetes.test_record_objects import full
from tests.adapters.kubernetes.worlds import record

WHOLE: dict[str, Any] = orjson.loads(orjson.dumps(object_of(full())))
SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = SCALARS | st.sampled_from(
    ["", "Held", "done", "2026-01-02T03:04:05Z", "noon", [], {}, [{}], {"step": 0}]
)


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to each value inside of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inner for place in ((*path, key), *places_of(item, (*path, key)))]


PLACES = [place for place in places_of(WHOLE) if place[0] in ("spec", "status")]


def changed(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The whole object with another value in one place; it is left out there for Ellipsis."""
    other = orjson.loads(orjson.dumps(WHOLE))
    holder = other
    for key in place[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return other


def as_watched(raw: dict[str, Any]) -> dict[str, Any]:
    """The object as its watch reads it."""
    parts = {part: msgspec.Raw(orjson.dumps(raw[part])) for part in ("spec", "status") if part in raw}
    return {"metadata": raw["metadata"], **parts}


def read(raw: dict[str, Any]) -> str:
    """The record in full, or why it cannot be read."""
    try:
        return repr(record_of(raw))
    except ValueError as error:
        return str(error)


@given(st.sampled_from(PLACES), VALUES | st.just(...))
def test_both_read_the_same(place: tuple[Any, ...], value: Any) -> None:
    """Whatever stands in one place of a record, its watch reads the same record, or tells the same error."""
    raw = changed(place, value)
    assert read(as_watched(raw)) == read(raw)


def test_what_is_whole_is_read_directly() -> None:
    """A record as we write it needs no second reading."""
    spec = msgspec.Raw(orjson.dumps(object_of(record())["spec"]))
    assert decode_bytes(RecordSpec, spec) is not None


def test_documents_of_many_records_are_one_object() -> None:
    """Two records under one policy hold its document once."""
    one, other = (record_of(as_watched(WHOLE)) for _ in range(2))
    assert one.policy_document is other.policy_document
