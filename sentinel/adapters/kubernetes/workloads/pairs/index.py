"""Which workloads are members of which pair, as the policies say."""

from collections.abc import Iterable, Iterator

from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import MEMBER_KIND
from sentinel.domain.workload.pairing import Pairing


class PairIndex:
    """Finds the pair of a member, and the pairing of a pair."""

    def __init__(self, pairings: Iterable[Pairing] = ()) -> None:
        self.pairings = tuple(pairings)
        self._of_member: dict[str, list[Pairing]] = {}
        for pairing in self.pairings:
            for name in pairing.members:
                self._of_member.setdefault(name, []).append(pairing)

    def pair_of(self, key: WorkloadKey) -> WorkloadKey:
        """The pair that a workload is a member of, or the workload itself."""
        candidates = self._of_member.get(key.name, ()) if key.kind is MEMBER_KIND else ()
        for pairing in candidates:
            if pairing.covers(key.namespace):
                return WorkloadKey(pairing.kind, key.namespace, pairing.name)
        return key

    def inside(self, namespace: str) -> Iterator[tuple[WorkloadKey, Pairing]]:
        """The pairs that may be in a namespace."""
        for pairing in self.pairings:
            if pairing.covers(namespace):
                yield WorkloadKey(pairing.kind, namespace, pairing.name), pairing

    def pairing_of(self, key: WorkloadKey) -> Pairing | None:
        """How the pair of this key is made, None where no policy makes one."""
        made = (one for one in self.pairings if one.makes(key.kind, key.namespace, key.name))
        return next(made, None)
