"""Why one policy guards a workload and the others do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import Match, Operator, Requirement
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.engine.choosing import choose
from sentinel.engine.matching import Ambiguous, Guarded, Unguarded
from tests.engine.snapshots import workload

API = replace(workload(), labels={"app": "api", "tier": "web"})


def policy(name: str, **match: object) -> Policy:
    """A policy that matches this."""
    return Policy(name, name, match=Match(**match))  # type: ignore[arg-type]


def label(key: str, value: str) -> Requirement:
    """A label that is asked for."""
    return Requirement(key, Operator.IN, (value,))


@pytest.mark.parametrize(
    ("winner", "loser", "why"),
    [
        ({"names": ("api",)}, {"names": ("a*",)}, "names the workload"),
        ({"namespaces": ("shop",)}, {"selector": (label("app", "api"),)}, "names the namespace"),
        (
            {"selector": (label("app", "api"), label("tier", "web"))},
            {"selector": (label("app", "api"),)},
            "labels",
        ),
        ({"namespaces": ("sho*",)}, {"namespaces": ("*",)}, "narrower globs"),
        ({}, {"kinds": (WorkloadKind.DEPLOYMENT, WorkloadKind.DAEMONSET)}, "fewer kinds"),
    ],
)
def test_the_less_specific_policy_is_told_by_what_it_lost(
    winner: dict[str, object], loser: dict[str, object], why: str
) -> None:
    """Of two that match, the loser is told in which part the other is more specific."""
    choice = choose([policy("loser", **loser), policy("winner", **winner)], API)

    assert isinstance(choice.guard, Guarded)
    assert choice.guard.policy.name == "winner"
    ((_, told),) = choice.others
    assert told.startswith("it matches too, but winner")
    assert why in told


def test_a_policy_that_does_not_match_says_what_it_asks_for() -> None:
    """Where nothing guards, each policy says why not."""
    choice = choose([policy("prod", namespaces=("production",))], API)

    assert choice.guard == Unguarded()
    assert choice.others[0][1] == "its namespaces are production"


def test_a_tie_names_the_rivals() -> None:
    """Of two that match equally neither guards, and each names the other."""
    choice = choose([policy("a"), policy("b"), policy("narrow", names=("web",))], API)

    assert isinstance(choice.guard, Ambiguous)
    told = {other.name: why for other, why in choice.others}
    assert "as well as b" in told["a"]
    assert "as well as a" in told["b"]
    assert told["narrow"] == "its names are web"
