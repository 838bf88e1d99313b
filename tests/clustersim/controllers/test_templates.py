"""Pod templates and selectors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.controllers.common.revision_annotations import (
    REVISION,
    REVISION_HISTORY,
    for_new_replica_set,
)
from clustersim.controllers.common.selectors import selects
from clustersim.controllers.common.templates import HASH_LABEL, same_template, template_hash

labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"))


def template(image: str = "app:v1", **marked: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "a", **marked}}, "spec": {"containers": [{"image": image}]}}


def test_the_hash_label_makes_no_difference() -> None:
    """A ReplicaSet's template, which carries it, equals the Deployment's, which does not."""
    assert same_template(template(), template(**{HASH_LABEL: "5b9c"}))
    assert template_hash(template(), None) == template_hash(template(**{HASH_LABEL: "5b9c"}), None)


def test_another_image_is_another_template() -> None:
    """In equality and in hash."""
    assert not same_template(template(), template("app:v2"))
    assert template_hash(template(), None) != template_hash(template("app:v2"), None)


def test_a_collision_changes_the_hash() -> None:
    """So that the next try finds a free name."""
    assert template_hash(template(), 1) != template_hash(template(), None)


def test_the_hash_does_not_depend_on_the_order_of_fields() -> None:
    """Clients write fields in any order."""
    turned = {key: template()[key] for key in reversed(list(template()))}
    assert template_hash(turned, None) == template_hash(template(), None)


@given(labels)
def test_an_empty_selector_selects_nothing(found: dict[str, str]) -> None:
    """Rather than everything."""
    assert not selects({}, found)
    assert not selects(None, found)


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [
        ("In", ["x"], {"x": True, "y": False, None: False}),
        ("NotIn", ["x"], {"x": False, "y": True, None: True}),
        ("Exists", [], {"x": True, "y": True, None: False}),
        ("DoesNotExist", [], {"x": False, "y": False, None: True}),
    ],
)
def test_expressions_select(operator: str, values: list[str], matches: dict[str | None, bool]) -> None:
    """Each operator against a value, another value, and none."""
    selector = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    for value, expected in matches.items():
        assert selects(selector, {} if value is None else {"k": value}) is expected


def test_an_unknown_operator_is_named() -> None:
    """With the label that it is about."""
    with pytest.raises(ValueError, match=r"'Near' for label 'k'"):
        selects({"matchExpressions": [{"key": "k", "operator": "Near"}]}, {})


def test_the_history_of_revisions_stays_short() -> None:
    """The oldest are forgotten beyond 2,000 characters."""
    replica_set: dict[str, Any] = {"metadata": {"annotations": {REVISION: "1"}}}
    for number in range(2, 1500):
        marked = for_new_replica_set({"metadata": {}}, replica_set, number)
        replica_set = {"metadata": {"annotations": marked}}
    history = replica_set["metadata"]["annotations"][REVISION_HISTORY]
    assert len(history) <= 2000
    assert history.endswith(",1497,1498")
