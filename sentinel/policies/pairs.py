"""Pairs that cannot be: members that two policies claim, or that one policy claims and another guards by name."""

import fnmatch
from collections.abc import Iterator, Sequence
from itertools import permutations

from sentinel.domain.policy.policy import Policy
from sentinel.domain.workload.kinds import MEMBER_KIND
from sentinel.domain.workload.pairing import Pairing
from sentinel.policies.mistakes import InputError, Path

_STRATEGY: Path = ("spec", "strategy")


def claims(policies: Sequence[Policy]) -> Iterator[tuple[Policy, Path, InputError]]:
    """Each policy that claims what another one pairs, where it does, and why that cannot be."""
    pairs = [(policy, policy.strategy.pairing) for policy in policies if policy.strategy.pairing is not None]
    for (policy, pairing), (other, theirs) in permutations(pairs, 2):
        same = (
            {f"Service {pairing.name}"}
            if pairing.kind is theirs.kind and pairing.name == theirs.name
            else set()
        )
        shared = sorted({*(set(pairing.members) & set(theirs.members)), *same})
        if shared and policy.name > other.name and _meet(pairing.namespaces, theirs.namespaces):
            why = f"{shared[0]} is a member of the pair of the policy {other.name} ({other.source}) already"
            yield policy, _STRATEGY, InputError(why, "a Deployment can be in one pair alone", key=True)
    for policy in policies:
        for other, pairing in pairs:
            yield from _guarded(policy, other, pairing)


def _guarded(policy: Policy, other: Policy, pairing: Pairing) -> Iterator[tuple[Policy, Path, InputError]]:
    """A name in another policy's match that means a member: the pair is the workload."""
    if policy is other or MEMBER_KIND not in policy.match.kinds:
        return
    named = [name for name in policy.match.names if name in pairing.members]
    if named and _meet(policy.match.namespaces, pairing.namespaces):
        why = (
            f"{named[0]} is a member of the pair of the policy {other.name} ({other.source}), which guards it"
        )
        yield policy, ("spec", "match", "names"), InputError(why, "remove it from names", key=True)


def _meet(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether globs of namespaces may mean the same one."""
    if not first or not second:
        return True
    return any(
        fnmatch.fnmatchcase(one, other) or fnmatch.fnmatchcase(other, one)
        for one in first
        for other in second
    )
