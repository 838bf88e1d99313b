"""Which policy guards a workload, and which alerts a policy means."""

import fnmatch
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import (
    AlertMatcher,
    AlertRule,
    Match,
    MatchOperator,
    Operator,
    Requirement,
)
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.revision import Revision
from sentinel.engine.matching import (
    Ambiguous,
    Guarded,
    Unguarded,
    alert_matches,
    alert_rule_of,
    guard_of,
    matcher_holds,
    matches,
    mismatch,
    requirement_holds,
    specificity,
)

KEY = WorkloadKey(WorkloadKind.DEPLOYMENT, "prod-eu", "web")
LABELS = {"app": "web", "tier": "front"}
APP_IS_WEB = Requirement("app", Operator.IN, ("web",))
HAS_TIER = Requirement("tier", Operator.EXISTS)


def workload(labels: Mapping[str, str] = LABELS) -> Workload:
    """A Deployment in prod-eu."""
    return Workload(KEY, "uid", Revision("digest"), labels=labels)


def policy(name: str, match: Match) -> Policy:
    """A policy with nothing but its match."""
    return Policy(name, digest=name, match=match)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (Match(names=("web",)), Match(namespaces=("prod-eu",), selector=(APP_IS_WEB, HAS_TIER))),
        (Match(namespaces=("prod-eu",)), Match(selector=(APP_IS_WEB, HAS_TIER))),
        (Match(selector=(APP_IS_WEB, HAS_TIER)), Match(selector=(APP_IS_WEB,))),
        (Match(selector=(APP_IS_WEB,)), Match(namespaces=("prod-*",), names=("w*",))),
        (Match(namespaces=("prod-*",)), Match(namespaces=("*",))),
        (Match(namespaces=("*", "prod-*")), Match(namespaces=("p*",))),
        (Match(), Match(kinds=(WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFULSET))),
        (Match(), Match(kinds=())),
    ],
    ids=[
        "name",
        "namespace",
        "more requirements",
        "requirement before glob",
        "longer glob",
        "best glob",
        "kinds",
        "any",
    ],
)
def test_the_more_specific_policy_guards(more: Match, less: Match) -> None:
    """Of two matching policies the more specific guards, in whatever order they come."""
    first, second = policy("a", less), policy("b", more)

    assert guard_of([first, second], workload()) == Guarded(second)
    assert guard_of([second, first], workload()) == Guarded(second)


def test_a_tie_is_ambiguous() -> None:
    """Two equally specific policies are an error that names both."""
    first, second = policy("a", Match(selector=(APP_IS_WEB,))), policy("b", Match(selector=(HAS_TIER,)))

    guard = guard_of([second, first, policy("c", Match())], workload())

    assert guard == Ambiguous((first, second))
    assert "a, b match equally well" in str(guard)


def test_no_match_is_unguarded() -> None:
    """A workload that no policy matches is not guarded."""
    assert guard_of([policy("a", Match(names=("api",)))], workload()) == Unguarded()


@pytest.mark.parametrize(
    ("match", "why"),
    [
        (Match(kinds=(WorkloadKind.STATEFULSET,)), "its kinds are StatefulSet"),
        (Match(namespaces=("staging", "dev-*")), "its namespaces are staging, dev-*"),
        (Match(names=("api",)), "its names are api"),
        (Match(selector=(APP_IS_WEB, Requirement("x", Operator.IN, ("y",)))), "its selector requires x=y"),
        (
            Match(selector=(Requirement("app", Operator.NOT_IN, ("web", "z")),)),
            "its selector requires app notin (web,z)",
        ),
        (
            Match(selector=(Requirement("app", Operator.IN, ("y", "z")),)),
            "its selector requires app in (y,z)",
        ),
        (Match(selector=(Requirement("x", Operator.EXISTS),)), "its selector requires x"),
        (Match(selector=(Requirement("app", Operator.DOES_NOT_EXIST),)), "its selector requires !app"),
        (Match(namespaces=("prod-?u", "x"), names=("[vw]eb",), selector=(APP_IS_WEB,)), ""),
    ],
)
def test_it_says_why_a_policy_does_not_match(match: Match, why: str) -> None:
    """The first part that does not fit is named."""
    assert mismatch(match, KEY, LABELS) == why
    assert matches(match, KEY, LABELS) is not bool(why)


@pytest.mark.parametrize(
    ("operator", "values", "labels", "holds"),
    [
        (Operator.IN, ("a", "b"), {"k": "b"}, True),
        (Operator.IN, ("a", "b"), {"k": "c"}, False),
        (Operator.IN, ("",), {}, False),
        (Operator.NOT_IN, ("a",), {"k": "b"}, True),
        (Operator.NOT_IN, ("a",), {"k": "a"}, False),
        (Operator.NOT_IN, ("a",), {}, True),
        (Operator.EXISTS, (), {"k": ""}, True),
        (Operator.EXISTS, (), {}, False),
        (Operator.DOES_NOT_EXIST, (), {}, True),
        (Operator.DOES_NOT_EXIST, (), {"k": ""}, False),
    ],
)
def test_requirements_hold_as_in_kubernetes(
    operator: Operator, values: tuple[str, ...], labels: Mapping[str, str], holds: bool
) -> None:
    """An absent label satisfies NotIn and DoesNotExist only."""
    assert requirement_holds(Requirement("k", operator, values), labels) is holds


def matcher(label: str, operator: MatchOperator, value: str) -> AlertMatcher:
    """A matcher with its regular expression, as the rule files' loader makes them."""
    return AlertMatcher(label, operator, value, lambda text: re.fullmatch(value, text) is not None)


@pytest.mark.parametrize(
    ("operator", "value", "labels", "holds"),
    [
        (MatchOperator.EQUAL, "x", {"l": "x"}, True),
        (MatchOperator.EQUAL, "", {}, True),
        (MatchOperator.NOT_EQUAL, "x", {}, True),
        (MatchOperator.NOT_EQUAL, "x", {"l": "x"}, False),
        (MatchOperator.REGEX, "a|b", {"l": "b"}, True),
        (MatchOperator.REGEX, "a|b", {"l": "ab"}, False),
        (MatchOperator.REGEX, ".+", {}, False),
        (MatchOperator.REGEX, "a", {"l": "a\n"}, False),
        (MatchOperator.NOT_REGEX, "a.*", {"l": "ba"}, True),
        (MatchOperator.NOT_REGEX, "a.*", {"l": "ab"}, False),
    ],
)
def test_matchers_hold_as_in_alertmanager(
    operator: MatchOperator, value: str, labels: Mapping[str, str], holds: bool
) -> None:
    """A missing label is empty, and a regular expression covers the whole value."""
    assert matcher_holds(matcher("l", operator, value), labels) is holds


def test_a_matcher_without_its_regular_expression_is_a_mistake_of_ours() -> None:
    """It neither holds nor does not."""
    with pytest.raises(ValueError, match="no regular expression"):
        matcher_holds(AlertMatcher("l", MatchOperator.REGEX, "a"), {})


def test_the_first_alert_rule_that_matches_counts() -> None:
    """All matchers of a rule must hold; the order of the rules decides."""
    page = AlertRule(
        (
            AlertMatcher("severity", MatchOperator.EQUAL, "page"),
            AlertMatcher("app", MatchOperator.EQUAL, "web"),
        )
    )
    rest = AlertRule((matcher("severity", MatchOperator.REGEX, ".+"),))
    guarded = Policy("p", "d", alerts=(page, rest))

    assert alert_rule_of(guarded, {"severity": "page", "app": "web"}) is page
    assert alert_rule_of(guarded, {"severity": "page", "app": "api"}) is rest
    assert alert_rule_of(guarded, {}) is None


names = st.sampled_from(["web", "api", "w*", "*", "[aw]*", "a??"])
spaces = st.sampled_from(["prod-eu", "prod-us", "prod-*", "*", "staging"])
requirements = st.builds(
    Requirement,
    st.sampled_from(["app", "tier", "x"]),
    st.sampled_from(Operator),
    st.lists(st.sampled_from(["web", "front", "y"]), min_size=1, max_size=2).map(tuple),
)
found_matches = st.builds(
    Match,
    st.lists(st.sampled_from(WorkloadKind), max_size=3, unique=True).map(tuple),
    st.lists(spaces, max_size=2).map(tuple),
    st.lists(names, max_size=2).map(tuple),
    st.lists(requirements, max_size=2).map(tuple),
)


@given(st.lists(found_matches, max_size=6), st.randoms(use_true_random=False))
def test_the_guard_is_the_one_best_match_in_any_order(found: list[Match], shuffle) -> None:  # type: ignore[no-untyped-def]
    """Whoever guards matches, nobody matches more specifically, and order plays no part."""
    policies = [policy(f"p{index}", match) for index, match in enumerate(found)]
    guard = guard_of(policies, workload())
    shuffled = list(policies)
    shuffle.shuffle(shuffled)

    assert guard_of(shuffled, workload()) == guard
    matching = [p for p in policies if matches(p.match, KEY, LABELS)]
    best = max((specificity(p.match, KEY) for p in matching), default=None)
    winners = [p for p in matching if specificity(p.match, KEY) == best]
    expected = (
        Unguarded()
        if not winners
        else Guarded(winners[0])
        if len(winners) == 1
        else Ambiguous(tuple(winners))
    )
    assert guard == expected


@given(found_matches)
def test_an_added_requirement_never_widens_a_match(match: Match) -> None:
    """More requirements match no more workloads, and are more specific where they still match."""
    narrower = Match(match.kinds, match.namespaces, match.names, (*match.selector, HAS_TIER))

    if matches(narrower, KEY, LABELS):
        assert matches(match, KEY, LABELS)
        assert specificity(narrower, KEY) > specificity(match, KEY)


@given(st.lists(names, min_size=1, max_size=3))
def test_any_one_glob_is_enough(patterns: list[str]) -> None:
    """Names match when one of the globs does."""
    expected = any(fnmatch.fnmatchcase(KEY.name, pattern) for pattern in patterns)

    assert matches(Match(names=tuple(patterns)), KEY, LABELS) is expected


@given(
    st.lists(st.sampled_from(list(MatchOperator)), max_size=3),
    st.dictionaries(st.sampled_from("ab"), st.text(max_size=3)),
)
def test_an_added_matcher_never_widens_an_alert_rule(
    operators: list[MatchOperator], labels: dict[str, str]
) -> None:
    """All matchers must hold, so that more of them match no more alerts."""
    matchers = [matcher("a", operator, "x*") for operator in operators]
    added = [*matchers, AlertMatcher("b", MatchOperator.NOT_EQUAL, "")]

    assert alert_matches(added, labels) <= alert_matches(matchers, labels)
