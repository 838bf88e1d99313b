"""States of tests that are kept as bytes: to whoever looks they are what they were."""

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.custom.codec import encode
from sentinel.adapters.kubernetes.custom.unread import Unread

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
STATES = st.dictionaries(
    st.text(max_size=3), st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=3
)


@given(STATES)
def test_it_is_equal_to_what_it_was(states: dict[str, dict[str, object]]) -> None:
    """Each part, all of them, what is written of it, and its text."""
    unread = Unread(orjson.dumps(states))
    assert {name: unread[name] for name in unread} == states == unread
    assert unread == Unread(orjson.dumps(states))
    assert (len(unread), encode(unread), repr(unread)) == (len(states), encode(states), repr(states))


def test_what_is_not_there_is_absent() -> None:
    """As with every mapping."""
    unread = Unread(b'{"errors": {"n": 1}}')
    assert unread.get("latency") is None
    assert "latency" not in unread
    assert unread != {"errors": {"n": 2}}


@pytest.mark.parametrize("whole", [b"[]", b'{"errors": 1}', b'{"errors": {}', b"null"])
def test_only_an_object_of_objects_is_kept(whole: bytes) -> None:
    """Anything else is refused when it is read, as the whole record then is."""
    with pytest.raises(msgspec.DecodeError):
        Unread(whole)
