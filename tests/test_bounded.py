"""Memory with a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sentinel.bounded import BoundedDict


@given(st.integers(1, 5), st.lists(st.integers(0, 8), max_size=40))
def test_what_was_set_last_is_kept(size: int, keys: list[int]) -> None:
    """Of all keys exactly the newest stay, each with its newest value; setting one again makes it new."""
    bounded: BoundedDict[int, int] = BoundedDict(size)
    for number, key in enumerate(keys):
        bounded[key] = number
    last = {key: number for number, key in enumerate(keys)}
    newest = sorted(last.items(), key=lambda item: item[1])[-size:]
    assert list(bounded.items()) == newest


def test_many_at_once_stay_within_the_bound() -> None:
    """`update` and `setdefault` are held to the bound as well."""
    bounded: BoundedDict[int, None] = BoundedDict(3)
    bounded.update(dict.fromkeys(range(10)))
    bounded.setdefault(11, None)
    assert list(bounded) == [8, 9, 11]
