"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest

from clustersim.storage.api_errors import ApiError
from clustersim.storage.resources import CONFIGMAPS, EVENTS, PODS
from clustersim.storage.selectors import (
    matches_label_selector,
    parse_fields,
    parse_labels,
    printed_label_selector,
    single_name,
)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("a=1", True),
        ("a==1", True),
        ("a!=1", False),
        ("b!=1", True),
        ("a in (1, 2)", True),
        ("a notin (1,2)", False),
        ("b notin (1)", True),
        ("a", True),
        ("!a", False),
        ("!b,a in (1),a!=2", True),
        ("example.dev/x=y", False),
    ],
)
def test_label_selectors_choose(text: str, chosen: bool) -> None:
    """Every operator, alone and together, on an object labelled a=1."""
    assert parse_labels(text)({"metadata": {"labels": {"a": "1"}}}) is chosen


@pytest.mark.parametrize("text", ["a=1,,b=2", "a in 1", "=x", "a in (1"])
def test_malformed_label_selectors_are_refused(text: str) -> None:
    """400."""
    with pytest.raises(ApiError) as refused:
        parse_labels(text)
    assert refused.value.code == 400


def test_pods_are_chosen_by_node_and_phase() -> None:
    """An absent field counts as empty."""
    pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Pending"}}
    assert parse_fields(PODS, "spec.nodeName=,status.phase!=Running")(pod)
    assert not parse_fields(PODS, "spec.nodeName=n")(pod)


def test_events_are_chosen_by_what_they_are_about() -> None:
    """involvedObject fields, as kubectl describe asks."""
    event = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}}
    assert parse_fields(EVENTS, "involvedObject.name=p,involvedObject.kind=Pod")(event)


def test_fields_that_cannot_be_selected_by_are_named() -> None:
    """400 with the field and what would be right."""
    with pytest.raises(ApiError, match=r'"data\.a" is not a known field selector: only "metadata\.name"'):
        parse_fields(CONFIGMAPS, "data.a=1")


def test_a_pinned_name_is_found() -> None:
    """metadata.name= pins a name, != does not."""
    assert single_name("status.phase=Running,metadata.name=p") == "p"
    assert single_name("metadata.name!=p") == ""


def test_selectors_of_objects() -> None:
    """matchLabels and every operator of matchExpressions, and their text form."""
    selector = {
        "matchLabels": {"a": "1"},
        "matchExpressions": [
            {"key": "b", "operator": "In", "values": ["2", "1"]},
            {"key": "c", "operator": "NotIn", "values": ["3"]},
            {"key": "b", "operator": "Exists"},
            {"key": "d", "operator": "DoesNotExist"},
        ],
    }
    assert matches_label_selector(selector, {"a": "1", "b": "2"})
    assert not matches_label_selector(selector, {"a": "1", "b": "2", "d": "x"})
    assert not matches_label_selector(None, {"a": "1"})
    assert printed_label_selector(selector) == "a=1,b in (1,2),c notin (3),b,!d"
