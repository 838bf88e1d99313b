"""Weights of routes of every kind: what is read, what is changed, and that nothing else is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.storage.api_errors import ApiError
from clustersim.storage.patching import json_patch
from sentinel.adapters.kubernetes.traffic.registry import ROUTERS
from sentinel.adapters.kubernetes.traffic.weights import Backends, scale_of
from sentinel.domain.errors import InvalidObjectError
from tests.adapters.kubernetes.traffic.routes import (
    SPECS,
    WEB,
    WITH_RULES,
    backend_lists,
    moved,
    problem,
    route,
    ruled,
    weights,
)

KINDS = list(SPECS)
SHARES = st.one_of(st.sampled_from([0.0, 1.0]), st.integers(1, 999).map(lambda n: n / 1000))
WEIGHTS = st.integers(0, 1000)


def share(raw: dict[str, Any], backends: Backends = WEB, rule: str = "") -> float | None:
    return ROUTERS[raw["kind"]].routing(raw, backends, rule).share


def without_weights(raw: dict[str, Any]) -> dict[str, Any]:
    bare = deepcopy(raw)
    for backends in backend_lists(bare):
        for backend in backends:
            backend.pop("weight", None)
    return bare


@pytest.mark.parametrize("kind", KINDS)
@given(stable=WEIGHTS, canary=WEIGHTS, other=WEIGHTS, wanted=SHARES)
def test_the_share_is_met_and_nothing_else_changes(
    kind: str, stable: int, canary: int, other: int, wanted: float
) -> None:
    """Never both at 0, the other backend keeps its share, everything but weights is as it was, and once is enough."""
    if stable + canary == 0:
        stable = 1
    before = route(kind, ("web-stable", stable), ("other", other), ("web-canary", canary))
    after = moved(before, wanted)
    new_stable, new_other, new_canary = weights(after)
    pair = new_stable + new_canary
    assert pair > 0
    assert abs(new_canary / pair - wanted) <= 0.0005
    assert (new_canary == 0, new_stable == 0) == (wanted == 0, wanted == 1)
    assert new_other * (stable + canary) == other * pair
    assert without_weights(after) == without_weights(before)
    assert share(after) == new_canary / pair
    assert ROUTERS[kind].plan(after, WEB, "", wanted) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_total_of_the_two_stays_where_it_is_fine_enough(kind: str) -> None:
    """A third backend is not touched."""
    before = route(kind, ("web-stable", 900), ("other", 77), ("web-canary", 100))
    assert weights(moved(before, 0.2)) == [800, 77, 200]


@pytest.mark.parametrize("kind", KINDS)
def test_small_weights_grow_together(kind: str) -> None:
    """1 to 0 cannot become a tenth: all weights of the rule grow by one factor."""
    assert weights(moved(route(kind, ("web-stable", 1), ("other", 1), ("web-canary", 0)), 0.1)) == [
        90,
        100,
        10,
    ]


@pytest.mark.parametrize("kind", KINDS)
@given(stable=st.integers(1, 1000), other=WEIGHTS, shares=st.lists(SHARES, max_size=4))
def test_at_the_end_the_weights_are_what_people_wrote(
    kind: str, stable: int, other: int, shares: list[float]
) -> None:
    """Whatever they grew to in between, so that an apply from Git finds no difference."""
    raw = before = route(kind, ("web-stable", stable), ("other", other), ("web-canary", 0))
    scale = 0
    for wanted in [*shares, 0.0]:
        scale = scale_of(ROUTERS[kind].routing(raw, WEB, "").total, scale)
        raw = moved(raw, wanted, scale=scale)
    assert (raw, scale) == (before, scale_of(stable, stable))


def test_a_scale_that_people_changed_meanwhile_is_theirs() -> None:
    """Ours grew from 3 to 102, 1,002 or 10,002; without a scale known it is the total that is there."""
    assert [scale_of(total, 3) for total in (3, 102, 1002, 10002)] == [3, 3, 3, 3]
    assert (scale_of(100, 3), scale_of(6, 3), scale_of(1002, 0)) == (100, 6, 1002)
    raw = route("HTTPRoute", ("web-stable", 900), ("other", 7), ("web-canary", 102))
    assert weights(moved(raw, 0, scale=3)) == [1002, 7, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_route_that_changed_meanwhile_refuses_the_patch(kind: str) -> None:
    """Backends in another order, another weight, another object of the name: each refuses the patch as a whole."""
    before = route(
        kind, ("web-stable", 90), ("web-canary", 10), name="" if kind == "TraefikService" else "all"
    )
    patch = list(ROUTERS[kind].plan(before, WEB, "", 0.5))
    reordered, weighed, replaced = deepcopy(before), deepcopy(before), deepcopy(before)
    backend_lists(reordered)[0].reverse()
    backend_lists(weighed)[0][1]["weight"] = 11
    replaced["metadata"]["uid"] = "u-2"
    for other in (reordered, weighed, replaced):
        with pytest.raises(ApiError):
            json_patch(other, patch)


@pytest.mark.parametrize("kind", WITH_RULES)
def test_rules_in_another_order_refuse_the_patch(kind: str) -> None:
    """Though both rules have the same backends: a rule is told by its name."""
    both = [("web-stable", 90), ("web-canary", 10)]
    before = ruled(kind, ("beta", both), ("rest", both))
    patch = list(ROUTERS[kind].plan(before, WEB, "beta", 0.5))
    rules = before["spec"].get("rules") or before["spec"]["http"]
    rules.reverse()
    with pytest.raises(ApiError):
        json_patch(before, patch)


@pytest.mark.parametrize("kind", WITH_RULES)
@pytest.mark.parametrize("rule", ["beta", "1"])
def test_a_rule_is_chosen_by_name_or_position(kind: str, rule: str) -> None:
    """A rule that matches a header moves alone: so A/B tests are made."""
    both = [("web-stable", 100), ("web-canary", 0)]
    before = ruled(kind, ("rest", both), ("beta", both))
    after = moved(before, 1, rule=rule)
    assert (weights(after, 0), weights(after, 1)) == ([100, 0], [0, 100])
    assert share(after, rule=rule) == 1


BOTH = [("web-stable", 1), ("web-canary", 1)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([("shop", 1)], "does not send traffic to Service web-stable or Service web-canary: add both as"),
        (
            [("web-stable", 1), ("shop", 1)],
            "does not send traffic to Service web-canary: add it as a backend",
        ),
        ([*BOTH, ("web-canary", 1)], "names Service web-canary 2 times in rule"),
        (
            [("web-stable", 0), ("web-canary", 0)],
            "gives neither Service web-stable nor Service web-canary any",
        ),
    ],
)
def test_a_route_that_cannot_split_says_why(
    kind: str, found: list[tuple[str, int | None]], said: str
) -> None:
    """One sentence, the same whether it is read or to be changed; nothing is changed."""
    raw = route(kind, *found)
    assert problem(raw).startswith(f"{kind} shop/web {said}")
    assert share(raw) is None
    with pytest.raises(InvalidObjectError, match=said):
        moved(raw, 0.5)


@pytest.mark.parametrize("kind", WITH_RULES)
@pytest.mark.parametrize(
    ("rules", "rule", "said"),
    [
        ([("a", BOTH), ("", BOTH)], "", "names both Services in rule a, rule 1: choose one of them"),
        ([("a", BOTH)], "b", "has no rule b: it has rule a"),
        ([("a", BOTH[:1]), ("b", BOTH[1:])], "", "but never in one and the same rule"),
        ([("a", BOTH), ("b", BOTH[:1])], "b", "does not send traffic to Service web-canary in rule b"),
        ([], "", "does not send traffic to"),
    ],
)
def test_a_route_without_one_clear_rule_says_so(kind: str, rules: list[Any], rule: str, said: str) -> None:
    """Which rules there are is in the sentence."""
    assert said in problem(ruled(kind, *rules), rule=rule)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_object_is_a_route_that_cannot_split(kind: str) -> None:
    """Whatever an API server sends, reading never raises."""
    for raw in ({}, {"spec": None}, {"spec": {"rules": [3], "http": {}, "weighted": []}}):
        assert ROUTERS[kind].routing(raw, WEB, "").share is None


@pytest.mark.parametrize(
    ("kind", "absent"), [("HTTPRoute", 0.5), ("TraefikService", 0.5), ("VirtualService", 0.0)]
)
def test_a_missing_weight_counts_as_the_router_counts_it(kind: str, absent: float) -> None:
    """1 beside a weight of 1, but for Istio 0; a weight is written where none was."""
    raw = route(kind, ("web-stable", 1), ("web-canary", None))
    assert share(raw) == absent
    assert weights(moved(raw, 0.25)) == [75, 25]


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TraefikService"])
def test_services_of_another_namespace_are_named_with_it(kind: str) -> None:
    """The same names elsewhere, as a ReferenceGrant allows them, are not the pair's."""
    raw = route(kind, ("web-stable", 100), ("web-canary", 0))
    for backend in backend_lists(raw)[0]:
        backend["namespace"] = "other"
    assert (
        "does not send traffic to Service web-stable or Service web-canary, but to other/web-stable: add both"
        in problem(raw)
    )
    assert share(raw) is None
