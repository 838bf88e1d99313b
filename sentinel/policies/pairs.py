"""Pairs that cannot be: members that two policies claim, or that one policy claims and another guards by name."""

import fnmatch
from collections import defaultdict
from collections.abc import Iterator, Sequence

from sentinel.domain.policy.policy import Policy
from sentinel.domain.workload.kinds import MEMBER_KIND
from sentinel.domain.workload.pairing import Pairing
from sentinel.policies.mistakes import InputError, Path

_STRATEGY: Path = ("spec", "strategy")
Claim = tuple[Policy, Path, InputError]
"""A policy that claims what another one pairs, where it does, and why that cannot be."""


def claims(policies: Sequence[Policy]) -> Iterator[Claim]:
    """Each claim among these policies, each of which is compared with those that name the same."""
    before = ClaimIndex()
    for policy in policies:
        yield from before.claims(policy)
        before.add(policy)


class ClaimIndex:
    """Policies by what they pair, and by what they guard by name, so that a thousand are compared at once."""

    def __init__(self) -> None:
        self._pairs: defaultdict[str, list[Policy]] = defaultdict(list)
        self._guards: defaultdict[str, list[Policy]] = defaultdict(list)

    def add(self, policy: Policy) -> None:
        """Remember it for the policies after it."""
        if policy.strategy.pairing is not None:
            for claimed in _claimed(policy.strategy.pairing):
                self._pairs[claimed].append(policy)
        if MEMBER_KIND in policy.match.kinds:
            for name in policy.match.names:
                self._guards[name].append(policy)

    def claims(self, policy: Policy) -> Iterator[Claim]:
        """Each claim between it and those before it."""
        pairing = policy.strategy.pairing
        if pairing is not None:
            for other in _once(self._pairs, _claimed(pairing)):
                yield from _shared(policy, other)
            for other in _once(self._guards, pairing.members):
                yield from _guarded(other, policy, pairing)
        if MEMBER_KIND in policy.match.kinds:
            for other in _once(self._pairs, policy.match.names):
                if other.strategy.pairing is not None:
                    yield from _guarded(policy, other, other.strategy.pairing)


def _once(index: defaultdict[str, list[Policy]], names: Sequence[str]) -> list[Policy]:
    """The policies under these names, each once, in the order in which they were added."""
    return list({id(found): found for name in names for found in index.get(name, ())}.values())


def _claimed(pairing: Pairing) -> tuple[str, ...]:
    """What only one pair can have: its members, and its own name among those of its kind (no member has a slash)."""
    return (*pairing.members, f"{pairing.kind}/{pairing.name}")


def _shared(first: Policy, second: Policy) -> Iterator[Claim]:
    """Of two pairs that share something, the claim of the one whose policy comes later by its name."""
    other, policy = sorted((first, second), key=lambda each: each.name)
    theirs, pairing = other.strategy.pairing, policy.strategy.pairing
    if theirs is None or pairing is None or policy.name == other.name:
        return
    shared = sorted(set(_claimed(pairing)) & set(_claimed(theirs)))
    if shared and _meet(pairing.namespaces, theirs.namespaces):
        named = next((each for each in shared if "/" not in each), f"Service {pairing.name}")
        why = f"{named} is a member of the pair of the policy {other.name} ({other.source}) already"
        yield policy, _STRATEGY, InputError(why, "a Deployment can be in one pair alone", key=True)


def _guarded(policy: Policy, other: Policy, pairing: Pairing) -> Iterator[Claim]:
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
