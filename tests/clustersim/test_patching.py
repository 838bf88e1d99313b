"""The patch formats."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.storage.api_errors import ApiError
from clustersim.storage.patching import json_patch, merge_patch, strategic_merge_patch

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~/", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), TREES, max_size=4)


def names(obj: dict[str, Any], field: str = "containers") -> list[str]:
    return [item["name"] for item in obj[field]]


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "b": {"c": 1}}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2], "b": {"c": 1}}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2], "b": {"c": 1}}),
        ([{"op": "replace", "path": "/b/new", "value": 1}], {"a": [1, 2], "b": {"c": 1, "new": 1}}),
        ([{"op": "move", "from": "/b/c", "path": "/d"}], {"a": [1, 2], "b": {}, "d": 1}),
        ([{"op": "copy", "from": "/b", "path": "/d"}], {"a": [1, 2], "b": {"c": 1}, "d": {"c": 1}}),
        ([{"op": "test", "path": "/absent", "value": None}], {"a": [1, 2], "b": {"c": 1}}),
    ],
)
def test_json_patch_operations(patch: list[dict[str, Any]], result: dict[str, Any]) -> None:
    """Each operation does what RFC 6902 says, with the leniencies of the real server."""
    assert json_patch({"a": [1, 2], "b": {"c": 1}}, patch) == result


@pytest.mark.parametrize(
    "step",
    [
        {"op": "test", "path": "/flag", "value": 1},
        {"op": "remove", "path": "/absent"},
        {"op": "add", "path": "/absent/deep", "value": 1},
        {"op": "replace", "path": "/list/7", "value": 1},
        {"op": "paint", "path": "/flag"},
        {"op": "add", "path": "flag", "value": 1},
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused_whole(step: dict[str, Any]) -> None:
    """422, and the steps before the bad one leave no trace."""
    obj: dict[str, Any] = {"flag": True, "list": []}
    with pytest.raises(ApiError) as refused:
        json_patch(obj, [{"op": "add", "path": "/list/-", "value": 1}, step])
    assert refused.value.code == 422
    assert obj == {"flag": True, "list": []}


@given(OBJECTS, OBJECTS)
def test_a_json_patch_can_turn_any_object_into_any_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Tests on the old values pass, removing and adding every field gives the new object."""

    def pointer(key: str) -> str:
        return "/" + key.replace("~", "~0").replace("/", "~1")

    patch = [{"op": "test", "path": pointer(k), "value": v} for k, v in old.items()]
    patch += [{"op": "remove", "path": pointer(k)} for k in old]
    patch += [{"op": "add", "path": pointer(k), "value": v} for k, v in new.items()]
    assert json_patch(old, patch) == new


@given(OBJECTS, OBJECTS)
def test_merge_patches_repeat_without_effect(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """Applying a merge patch twice is applying it once."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


def test_a_merge_patch_removes_what_is_null() -> None:
    """Null removes, maps merge, lists are replaced."""
    target = {"a": {"b": 1, "c": 2}, "d": [1, 2]}
    assert merge_patch(target, {"a": {"b": None}, "d": [3]}) == {"a": {"c": 2}, "d": [3]}


def test_containers_merge_by_name_and_keep_their_order() -> None:
    """A patched container keeps its place and its other fields, a new one comes last."""
    target = {"containers": [{"name": "a", "image": "1", "tty": True}, {"name": "b"}]}
    patch = {"containers": [{"name": "c"}, {"name": "a", "image": "2"}]}
    merged = strategic_merge_patch(target, patch)
    assert names(merged) == ["a", "b", "c"]
    assert merged["containers"][0] == {"name": "a", "image": "2", "tty": True}


def test_the_order_of_elements_can_be_set() -> None:
    """$setElementOrder puts the named ones in order; others stay where they stood among them."""
    target = {"containers": [{"name": "a"}, {"name": "other"}, {"name": "b"}]}
    patch = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b"}]}
    assert sorted(names(strategic_merge_patch(target, patch))) == ["a", "b", "other"]
    assert [n for n in names(strategic_merge_patch(target, patch)) if n != "other"] == ["b", "a"]


def test_directives_delete_and_replace() -> None:
    """$patch: delete takes an item out, $patch: replace puts the rest of the list in its place."""
    target = {"containers": [{"name": "a"}, {"name": "b"}]}
    deleted = strategic_merge_patch(target, {"containers": [{"name": "a", "$patch": "delete"}]})
    assert names(deleted) == ["b"]
    replaced = strategic_merge_patch(target, {"containers": [{"$patch": "replace"}, {"name": "z"}]})
    assert names(replaced) == ["z"]


def test_a_map_can_be_replaced_and_keys_retained() -> None:
    """$patch: replace empties a map first, $retainKeys drops what it does not name."""
    target = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    retained = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    replaced = {"strategy": {"$patch": "replace", "type": "Recreate"}}
    for patch in (retained, replaced):
        assert strategic_merge_patch(target, patch) == {"strategy": {"type": "Recreate"}}


def test_finalizers_merge_as_a_set() -> None:
    """New ones are added, $deleteFromPrimitiveList takes some away."""
    target = {"finalizers": ["a", "b"]}
    patch = {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}
    assert strategic_merge_patch(target, patch) == {"finalizers": ["b", "c"]}


def test_an_item_without_its_key_is_refused() -> None:
    """A container without a name is an error of the server's, as in the real one."""
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        strategic_merge_patch({"containers": []}, {"containers": [{"image": "x"}]})
