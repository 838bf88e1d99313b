"""Set and in force are two facts: what the kinds of routes tell of it, and which backends are meant."""

from __future__ import annotations

from typing import Any

import pytest

from sentinel.adapters.kubernetes.traffic.registry import ROUTERS
from sentinel.adapters.kubernetes.traffic.router import Routing
from sentinel.adapters.kubernetes.traffic.weights import Backends
from tests.adapters.kubernetes.traffic.routes import WEB, moved, problem, route, weights

BOTH = (("web-stable", 90), ("web-canary", 10))


def condition(kind: str, status: str = "True", seen: int = 2, **more: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": kind, "observedGeneration": seen, **more}


def answer(*conditions: dict[str, Any], name: str = "public", **parent: Any) -> dict[str, Any]:
    return {"parentRef": {"name": name, **parent}, "controllerName": "x", "conditions": list(conditions)}


def routing(*answers: dict[str, Any], parents: list[dict[str, Any]] | None = None) -> Routing:
    """Of an HTTPRoute of generation 2."""
    raw = route("HTTPRoute", *BOTH)
    raw["metadata"]["generation"] = 2
    raw["spec"]["parentRefs"] = [{"name": "public"}] if parents is None else parents
    raw["status"] = {"parents": list(answers)}
    return ROUTERS["HTTPRoute"].routing(raw, WEB, "")


ACCEPTED, RESOLVED = condition("Accepted"), condition("ResolvedRefs")


def test_a_route_that_every_parent_accepts_is_in_force() -> None:
    """Defaults of the reference are the same parent as what is written out."""
    written = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "shop"}
    found = routing(
        answer(ACCEPTED, RESOLVED, **written),
        answer(ACCEPTED, name="mesh", kind="Service", group=""),
        parents=[{"name": "public"}, {"name": "mesh", "kind": "Service", "group": ""}],
    )
    assert (found.share, found.in_force, found.problem) == (0.1, True, "")


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [answer(condition("Accepted", seen=1), RESOLVED)],
        [answer(condition("Accepted", "False", seen=1))],
        [answer(condition("Accepted", "Unknown"))],
        [answer(ACCEPTED, sectionName="https")],
        [answer()],
    ],
)
def test_until_every_parent_has_taken_it_in_it_is_not_in_force(answers: list[dict[str, Any]]) -> None:
    """Nothing is wrong with it then; what the parent said of an older generation counts for nothing."""
    found = routing(*answers)
    assert (found.share, found.in_force, found.problem) == (0.1, False, "")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            [answer(condition("Accepted", "False", reason="NotAllowedByListeners"))],
            "Gateway public does not accept it (NotAllowedByListeners)",
        ),
        (
            [
                answer(
                    ACCEPTED,
                    condition("ResolvedRefs", "False", reason="BackendNotFound", message="no web-canary"),
                )
            ],
            "Gateway public does not find all its backends (BackendNotFound: no web-canary)",
        ),
        (
            [answer({"type": "Accepted", "status": "True"})],
            "does not say which generation of it was accepted",
        ),
    ],
)
def test_a_parent_that_refuses_it_is_named(answers: list[dict[str, Any]], said: str) -> None:
    """With its reason, and its message where it has one."""
    found = routing(*answers)
    assert (found.share, found.in_force) == (0.1, False)
    assert found.problem.startswith("HTTPRoute shop/web is not in force: ")
    assert found.problem.endswith(said)


def test_a_route_without_parents_is_never_in_force() -> None:
    """No gateway acts on it."""
    assert (
        routing(parents=[]).problem == "HTTPRoute shop/web has no parentRefs, so that no gateway acts on it"
    )


@pytest.mark.parametrize(
    ("status", "in_force"),
    [
        ({}, True),
        ({"observedGeneration": "1"}, False),
        ({"observedGeneration": "2"}, True),
        ({"observedGeneration": 2}, True),
    ],
)
def test_a_virtual_service_is_in_force_unless_its_status_is_behind(
    status: dict[str, Any], in_force: bool
) -> None:
    """By default istiod writes no status; its generations come as text."""
    raw = route("VirtualService", *BOTH)
    raw["metadata"]["generation"], raw["status"] = 2, status
    assert ROUTERS["VirtualService"].routing(raw, WEB, "").in_force is in_force


def test_a_virtual_service_in_which_istio_finds_errors_says_so() -> None:
    """By the code of each message."""
    raw = route("VirtualService", *BOTH)
    raw["status"] = {"validationMessages": [{"level": "ERROR", "type": {"code": "IST0101"}}]}
    assert problem(raw) == "VirtualService shop/web is not in force: Istio finds errors in it (IST0101)"


@pytest.mark.parametrize("host", ["web-canary", "web-canary.shop", "web-canary.shop.svc.cluster.local"])
def test_a_host_may_be_short_or_whole(host: str) -> None:
    """In the route and in the policy."""
    raw = route("VirtualService", ("web-stable.shop.svc", 90), (host, 10))
    for name in ("web-canary", "web-canary.shop.svc.cluster.local"):
        assert weights(moved(raw, 0.5, Backends("web-stable", name))) == [50, 50]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("HTTPRoute", {"namespace": "bank"}),
        ("HTTPRoute", {"kind": "ServiceImport", "group": "multicluster.x-k8s.io"}),
        ("TraefikService", {"namespace": "bank"}),
        ("TraefikService", {"kind": "TraefikService"}),
        ("VirtualService", {"destination": {"host": "web-canary.bank.svc.cluster.local"}}),
    ],
)
def test_a_backend_of_the_name_that_is_another_one_does_not_count(kind: str, change: dict[str, Any]) -> None:
    """In another namespace, or no Service."""
    raw = route(kind, *BOTH)
    spec = raw["spec"]
    rules = spec.get("rules") or spec.get("http") or [spec.get("weighted")]
    found = rules[0].get("backendRefs") or rules[0].get("route") or rules[0].get("services")
    found[1].update(change)
    assert "does not send traffic to Service web-canary" in problem(raw)


def test_subsets_of_one_host_are_two_backends() -> None:
    """As a DestinationRule names them."""
    raw = route("VirtualService", ("web", 100), ("web", 0))
    for entry, subset in zip(raw["spec"]["http"][0]["route"], ("v1", "v2"), strict=True):
        entry["destination"]["subset"] = subset
    backends = Backends("web", "web", "v1", "v2")
    assert weights(moved(raw, 0.3, backends)) == [70, 30]
    assert "subset v3 of web" in problem(raw, Backends("web", "web", "v1", "v3"))


def test_a_traefik_service_has_no_rules_to_choose() -> None:
    """A rule in the policy is a mistake."""
    assert problem(route("TraefikService", *BOTH), rule="beta").endswith(
        "has no rules: take the rule beta out of the policy"
    )
