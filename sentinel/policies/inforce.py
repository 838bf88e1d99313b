"""The policies in force: those of the rule files, and over them those of objects. Files come first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sentinel.domain.policy.policy import Origin, Policy
from sentinel.policies.load import DEFAULTS, Options, PolicySet, judged, policy_set
from sentinel.policies.mistakes import InputError, Remark
from sentinel.policies.pairs import ClaimIndex
from sentinel.policies.source import FilePolicySource
from sentinel.values import dataclass

Key = tuple[str, str]
"""The namespace of an object, empty for the whole cluster, and its name."""
Former = tuple[int, Mapping[str, Any]]
"""A generation of an object, and its document."""


@dataclass(frozen=True, slots=True)
class ObjectStanding:
    """Where one generation of an object stands.

    `policy` is what is in force of it, and `former` the earlier generation that this is of, if so. `mistakes` are what
    is wrong with the present one; `conflict`: it is valid, and meets another policy.
    """

    uid: str
    generation: int
    policy: Policy | None
    mistakes: tuple[Remark, ...] = ()
    former: Former | None = None
    conflict: bool = False


class PoliciesInForce:
    """Implements `ports.PolicySource`. One object that is wrong stays as it was, and disturbs no other."""

    def __init__(self, files: FilePolicySource, options: Options = DEFAULTS) -> None:
        self._files = files
        self._options = options
        self._parsed: dict[Key, ObjectStanding] = {}
        self._standings: dict[Key, ObjectStanding] = {}
        self._of: PolicySet | None = None
        self._all = files.policies()

    def policies(self) -> tuple[Policy, ...]:
        """All policies in force."""
        if self._of is not self._files.current:
            self._combine()
        return self._all

    def restore(self, document: Mapping[str, object]) -> Policy:
        """The policy that a rollout began with. Raises ConfigurationError when it no longer loads."""
        return self._files.restore(document)

    def standings(self) -> Mapping[Key, ObjectStanding]:
        """Where each object stands."""
        self.policies()
        return self._standings

    def knows(self, key: Key, uid: str, generation: int) -> bool:
        """Whether this generation was taken over."""
        known = self._parsed.get(key)
        return known is not None and (known.uid, known.generation) == (uid, generation)

    def take(
        self, key: Key, uid: str, generation: int, document: Mapping[str, Any], former: Former | None = None
    ) -> bool:
        """Take a generation of an object over; whether it was new. Where it is wrong the last good one stays.

        `former` is the last good one where this process has not seen it.
        """
        if self.knows(key, uid, generation):
            return False
        known = self._parsed.get(key)
        found = self._judged(key, document)
        if isinstance(found, Policy):
            self._parsed[key] = ObjectStanding(uid, generation, found)
        else:
            kept = self._last_good(key, known if known is not None and known.uid == uid else None, former)
            self._parsed[key] = replace(kept, uid=uid, generation=generation, mistakes=tuple(found))
        self._of = None
        return True

    def review(self, key: Key, document: Mapping[str, Any]) -> Policy | Sequence[Remark]:
        """What an object would be in force as beside all others, or everything that is wrong with it."""
        found = self._judged(key, document)
        if not isinstance(found, Policy):
            return found
        others = [policy for policy in self.policies() if policy.source != found.source]
        met = _met(found, {policy.name: policy for policy in others}, _index_of(others))
        return [met] if met is not None else found

    def drop(self, key: Key) -> bool:
        """An object is gone; whether it was known. Rollouts that began under it go on under it."""
        self._of = None
        return self._parsed.pop(key, None) is not None

    def _judged(self, key: Key, document: Mapping[str, Any]) -> Policy | Sequence[Remark]:
        source = f"{document['kind']} {'/'.join(filter(None, key))}"
        return judged(document, self._options, source, Origin.OBJECT)

    def _last_good(self, key: Key, known: ObjectStanding | None, former: Former | None) -> ObjectStanding:
        if known is not None and known.policy is not None:
            return replace(known, former=known.former or (known.generation, known.policy.document))
        policy = self._judged(key, former[1]) if former is not None else None
        if isinstance(policy, Policy):
            return ObjectStanding("", 0, policy, former=former)
        return ObjectStanding("", 0, None)

    def _combine(self) -> None:
        current = self._files.current
        taken = list(current.policies)
        named = {policy.name: policy for policy in taken}
        pairs = _index_of(taken)
        self._standings = {}
        for key, standing in sorted(self._parsed.items()):
            self._standings[key] = standing
            if standing.policy is None:
                continue
            met = _met(standing.policy, named, pairs)
            if met is None:
                taken.append(standing.policy)
                named[standing.policy.name] = standing.policy
                pairs.add(standing.policy)
            else:
                self._standings[key] = replace(standing, policy=None, mistakes=(met,), conflict=True)
        self._of = current
        self._all = policy_set(taken).policies if self._parsed else current.policies


def _met(policy: Policy, named: Mapping[str, Policy], pairs: ClaimIndex) -> Remark | None:
    """What keeps an object's policy from being in force beside those that are; None where nothing does."""
    same = named.get(policy.name)
    if same is not None:
        why = f"the policy in {same.source} has this name, and rule files come before objects"
        return ("metadata", "name"), InputError(why, "rename one")
    for found, path, mistake in pairs.claims(policy):
        if found is policy:
            return path, mistake
        why = f"its pair meets the policy {found.name} ({found.source})"
        return ("spec", "strategy"), InputError(why, "a Deployment can be in one pair alone", key=True)
    return None


def _index_of(policies: Iterable[Policy]) -> ClaimIndex:
    index = ClaimIndex()
    for policy in policies:
        index.add(policy)
    return index
