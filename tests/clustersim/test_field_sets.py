"""Sets of fields."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clustersim.storage.field_sets import (
    FieldSetChange,
    FieldShape,
    intersection,
    paths,
    printed,
    subtract,
    union,
)

VALUES = st.recursive(
    st.integers(0, 2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
CUSTOM = FieldShape(custom=True, without_dot=frozenset())


def fields(obj: dict[str, Any]) -> dict[str, Any]:
    return FieldSetChange({}, obj, shape=CUSTOM).changed


@given(OBJECTS, OBJECTS)
def test_a_union_has_the_members_of_both(left: dict[str, Any], right: dict[str, Any]) -> None:
    """Every path of either set, and no other."""
    both = set(paths(union(fields(left), fields(right))))
    assert both == set(paths(fields(left))) | set(paths(fields(right)))


@given(OBJECTS, OBJECTS)
def test_what_is_subtracted_is_shared_no_more(left: dict[str, Any], right: dict[str, Any]) -> None:
    """After subtracting, the two sets have no leaf in common."""
    rest = subtract(fields(left), fields(right))
    shared = set(intersection(rest, fields(right)))
    assert not {path for path in shared if path in _leaves(rest) and path in _leaves(fields(right))}


def _leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not tree:
        return {path}
    return {leaf for step, node in tree.items() if step != "." for leaf in _leaves(node, (*path, step))}


@given(OBJECTS)
def test_equal_objects_differ_in_nothing(obj: dict[str, Any]) -> None:
    """Neither changed nor removed fields."""
    same = FieldSetChange(obj, obj, shape=CUSTOM)
    assert (same.changed, same.removed) == ({}, {})


def test_list_items_are_told_apart_by_their_keys() -> None:
    """A change of one container's image is that field of that container."""
    old = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    new = {"containers": [{"name": "b", "image": "2"}, {"name": "a", "image": "1"}]}
    changed = FieldSetChange(old, new, shape=FieldShape()).changed
    assert [printed(path) for path in paths(changed)] == ['.containers[name="b"].image']
