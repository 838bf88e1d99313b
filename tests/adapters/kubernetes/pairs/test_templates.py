"""Templates of a pair's members: the same revision, each with the labels of its member."""

from __future__ import annotations

from typing import Any

import pytest

from sentinel.adapters.kubernetes.workloads.pairs.driver import neutral_digest
from sentinel.adapters.kubernetes.workloads.pairs.shares import (
    ShareMark,
    parse_share_mark,
    pods_for,
    ratio,
)
from sentinel.adapters.kubernetes.workloads.pairs.templates import moved_template, selector_of
from sentinel.adapters.kubernetes.workloads.trim import parse_mark


def member(image: str = "web:1", **labels: str) -> dict[str, Any]:
    """A Deployment whose pods are spread, and selected by these labels."""
    spread = [{"maxSkew": 1, "labelSelector": {"matchLabels": {**labels}}}]
    spec = {"containers": [{"name": "main", "image": image}], "topologySpreadConstraints": spread}
    template = {"metadata": {"labels": {**labels, "tier": "front"}}, "spec": spec}
    return {"spec": {"selector": {"matchLabels": {**labels}}, "template": template}}


def test_members_with_the_same_template_have_one_revision() -> None:
    """Whatever their selectors ask for; another image is another revision."""
    stable, canary = member(app="web", track="stable"), member(app="web", track="canary")
    assert neutral_digest(stable) == neutral_digest(canary)
    assert neutral_digest(stable) != neutral_digest(member("web:2", app="web", track="stable"))


def test_a_template_moves_to_the_other_member_with_its_labels() -> None:
    """Also in its label selectors; what both share, and other labels, stay."""
    stable, canary = member(app="web", track="stable"), member("web:2", app="web", track="canary")
    moved = moved_template(canary["spec"]["template"], selector_of(canary), selector_of(stable))
    assert moved["metadata"]["labels"] == {"app": "web", "track": "stable", "tier": "front"}
    (spread,) = moved["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == {"app": "web", "track": "stable"}
    assert neutral_digest({"spec": {**stable["spec"], "template": moved}}) == neutral_digest(canary)


@pytest.mark.parametrize(
    ("share", "stable", "routed", "pods"),
    [(0.0, 10, True, 0), (0.05, 10, True, 1), (0.5, 7, True, 4), (0.25, 6, False, 2), (0.5, 6, False, 6)],
)
def test_pods_for_a_share(share: float, stable: int, routed: bool, pods: int) -> None:
    """With a route as many as carry it; without one as many as make it."""
    assert pods_for(share, stable, routed=routed) == pods
    if not routed:
        assert ratio(pods, stable) >= share


def test_a_mark_is_read_as_it_is_written() -> None:
    """Anything else is not ours."""
    mark = parse_mark("web-1,2026-01-01T00:00:00Z")
    assert mark is not None
    written = ShareMark(0.05, 1 / 3, 1, 4, mark)
    read = parse_share_mark(str(written))
    assert read is not None
    assert (read.before, read.pods, read.mark, read.scale) == (0.05, 4, mark, 0)
    assert read.share == pytest.approx(1 / 3)
    scaled = ShareMark(0.0, 0.5, 1, 4, mark, 3)
    assert parse_share_mark(str(scaled)) == scaled
    assert parse_share_mark("web-1,2026-01-01T00:00:00Z") is None
