"""Which policy guards a workload, and which alerts a policy means: globs, label selectors, Alertmanager matchers.

Of all policies that match a workload the most specific guards it. Specificity is compared part by part, the first
difference decides:

1. a name written out before any other
2. a namespace written out before any other
3. more requirements in the label selector before fewer
4. more literal characters in the name and namespace globs that match, before fewer (`prod-*` before `*`)
5. fewer kinds before more

Of policies that are equal in all parts one of a rule file comes before objects. Any other tie is an error: nothing is
guarded by chance.
"""

import fnmatch
from collections.abc import Iterable, Mapping

from sentinel.domain.policy.policy import Origin, Policy
from sentinel.domain.policy.selection import (
    AlertMatcher,
    AlertRule,
    Match,
    MatchOperator,
    Operator,
    Requirement,
)
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.values import dataclass

Specificity = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Guarded:
    """One policy guards the workload."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several policies match equally well, by name in order: an error, and none of them guards."""

    policies: tuple[Policy, ...]

    def __str__(self) -> str:
        names = ", ".join(policy.name for policy in self.policies)
        return f"policies {names} match equally well; make one of them more specific (name, namespace or selector)"


@dataclass(frozen=True, slots=True)
class Unguarded:
    """No policy matches."""


Guard = Guarded | Ambiguous | Unguarded


def guard_of(policies: Iterable[Policy], workload: Workload) -> Guard:
    """Which policy guards a workload; the order of the policies does not matter."""
    matching = [policy for policy in policies if matches(policy.match, workload.key, workload.labels)]
    if len(matching) < 2:
        return Guarded(matching[0]) if matching else Unguarded()
    best = max(specificity(policy.match, workload.key) for policy in matching)
    tied = sorted(
        (policy for policy in matching if specificity(policy.match, workload.key) == best),
        key=lambda policy: policy.name,
    )
    winners = [policy for policy in tied if policy.origin is Origin.FILE] or tied
    return Guarded(winners[0]) if len(winners) == 1 else Ambiguous(tuple(winners))


def mismatch(match: Match, key: WorkloadKey, labels: Mapping[str, str]) -> str:
    """Why a policy does not guard a workload, as the end of a sentence; empty where it does."""
    if match.kinds and key.kind not in match.kinds:
        return f"its kinds are {', '.join(match.kinds)}"
    if not covers_namespace(match, key.namespace):
        return f"its namespaces are {', '.join(match.namespaces)}"
    if not _any_glob(match.names, key.name):
        return f"its names are {', '.join(match.names)}"
    failed = next((r for r in match.selector if not requirement_holds(r, labels)), None)
    return f"its selector requires {describe_requirement(failed)}" if failed else ""


def matches(match: Match, key: WorkloadKey, labels: Mapping[str, str]) -> bool:
    """Whether a policy's `match` covers a workload; an empty part covers everything."""
    return not mismatch(match, key, labels)


def covers_namespace(match: Match, namespace: str) -> bool:
    """Whether a policy may guard anything in a namespace."""
    return _any_glob(match.namespaces, namespace)


def specificity(match: Match, key: WorkloadKey) -> Specificity:
    """How specifically a match that covers this workload names it; more is greater."""
    return (
        int(key.name in match.names),
        int(key.namespace in match.namespaces),
        len(match.selector),
        _literal_characters(match.names, key.name) + _literal_characters(match.namespaces, key.namespace),
        -len(match.kinds) if match.kinds else -1000,
    )


def requirement_holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """A label selector's requirement as Kubernetes evaluates it: `NotIn` holds where the label is absent."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case Operator.IN:
            return value is not None and value in requirement.values
        case Operator.NOT_IN:
            return value is None or value not in requirement.values
        case Operator.EXISTS:
            return value is not None
        case _:
            return value is None


def describe_requirement(requirement: Requirement) -> str:
    """A requirement in the notation of `kubectl --selector`."""
    values = ",".join(requirement.values)
    match requirement.operator:
        case Operator.IN:
            one = len(requirement.values) == 1
            return f"{requirement.key}={values}" if one else f"{requirement.key} in ({values})"
        case Operator.NOT_IN:
            return f"{requirement.key} notin ({values})"
        case Operator.EXISTS:
            return requirement.key
        case _:
            return f"!{requirement.key}"


def alert_rule_of(policy: Policy, labels: Mapping[str, str]) -> AlertRule | None:
    """The first of a policy's alert rules that means an alert with these labels."""
    return next((rule for rule in policy.alerts if alert_matches(rule.match, labels)), None)


def alert_matches(matchers: Iterable[AlertMatcher], labels: Mapping[str, str]) -> bool:
    """Whether all matchers hold for an alert's labels, as Alertmanager evaluates them."""
    return all(matcher_holds(matcher, labels) for matcher in matchers)


def matcher_holds(matcher: AlertMatcher, labels: Mapping[str, str]) -> bool:
    """One matcher: a missing label is empty, regular expressions are anchored at both ends."""
    value = labels.get(matcher.label, "")
    match matcher.operator:
        case MatchOperator.EQUAL:
            return value == matcher.value
        case MatchOperator.NOT_EQUAL:
            return value != matcher.value
        case MatchOperator.REGEX:
            return _fits(matcher, value)
        case _:
            return not _fits(matcher, value)


def _fits(matcher: AlertMatcher, value: str) -> bool:
    if matcher.regex is None:
        raise ValueError(f"the matcher of {matcher.label} has no regular expression to match by")
    return matcher.regex(value)


def _any_glob(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def _literal_characters(patterns: tuple[str, ...], text: str) -> int:
    fitting = [pattern for pattern in patterns if fnmatch.fnmatchcase(text, pattern)]
    return max((sum(char not in "*?[]!" for char in pattern) for pattern in fitting), default=0)
