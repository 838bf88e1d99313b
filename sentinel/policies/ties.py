"""Policies that tie: of workloads that two of them match equally well, neither guards any."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import PurePath

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import Match, Operator
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.revision import Revision
from sentinel.engine.matching import Ambiguous, guard_of
from sentinel.policies.mistakes import InputError

HINT = "make one of them more specific: a name, a namespace, or more labels in its selector"


def ties(policies: Sequence[Policy]) -> Iterator[tuple[Policy, InputError, bool]]:
    """Each policy that ties with one before it, why, and whether that can never be right.

    Found by trying workloads that both could mean: names, namespaces and labels as their matches write them.
    """
    ordered = sorted(policies, key=lambda policy: policy.name)
    for first, second in combinations(ordered, 2):
        if _same(first.match, second.match):
            # Folders may be the rules of different clusters, which are never in force together.
            yield second, _tie(first, "every workload that it matches"), _folder(first) == _folder(second)
            continue
        tied = next((w for w in _tried(first.match, second.match) if _tied(ordered, first, second, w)), None)
        if tied is not None:
            kind, namespace, name = tied.key.kind, tied.key.namespace, tied.key.name
            example = f"a {kind} {name} in the namespace {namespace}"
            labels = ",".join(f"{key}={value}" for key, value in sorted(tied.labels.items()))
            yield second, _tie(first, f"{example}, labelled {labels}" if labels else example), False


def _tie(first: Policy, what: str) -> InputError:
    return InputError(
        f"ties with the policy {first.name} ({first.source}) for {what}: neither guards it", HINT
    )


def _folder(policy: Policy) -> PurePath:
    return PurePath(policy.source).parent


def _tied(policies: Sequence[Policy], first: Policy, second: Policy, workload: Workload) -> bool:
    guard = guard_of(policies, workload)
    return isinstance(guard, Ambiguous) and first in guard.policies and second in guard.policies


def _same(first: Match, second: Match) -> bool:
    return all(
        set(getattr(first, part)) == set(getattr(second, part))
        for part in ("kinds", "namespaces", "names", "selector")
    )


def _tried(first: Match, second: Match) -> Iterator[Workload]:
    """Workloads that both may match."""
    labels = _labels(first, second)
    kinds = [kind for kind in first.kinds or tuple(WorkloadKind) if not second.kinds or kind in second.kinds]
    places = _examples(first.namespaces, second.namespaces, "default")
    for kind, namespace, name in product(kinds[:1], places, _examples(first.names, second.names, "app")):
        yield Workload(WorkloadKey(kind, namespace, name), "", Revision(""), labels=labels)


def _examples(first: tuple[str, ...], second: tuple[str, ...], otherwise: str) -> list[str]:
    """Names for the globs of either, and for a glob of the one and a glob of the other together."""
    alone = [glob.replace("*", otherwise).replace("?", "a") for glob in (*first, *second)]
    both = [_joined(one, other) for one, other in product(first, second)]
    return list(dict.fromkeys([*alone, *both, otherwise]))


def _joined(one: str, other: str) -> str:
    """A name for both `prod-*` and `*-api`."""
    head, tail = (one, other) if one.endswith("*") else (other, one)
    return (head.rstrip("*") + tail.lstrip("*")).replace("*", "").replace("?", "a")


def _labels(first: Match, second: Match) -> Mapping[str, str]:
    """Labels that both selectors ask for, where they can have them."""
    wanted: dict[str, list[str]] = {}
    for requirement in (*first.selector, *second.selector):
        if requirement.operator is Operator.EXISTS:
            wanted.setdefault(requirement.key, [""])
        elif requirement.operator is Operator.IN:
            before = wanted.get(requirement.key)
            common = [
                value for value in requirement.values if before in (None, [""]) or value in (before or ())
            ]
            wanted[requirement.key] = common or list(requirement.values)
    return {key: values[0] for key, values in wanted.items()}
