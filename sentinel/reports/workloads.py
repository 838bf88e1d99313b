"""Every guarded workload: by which policy, what that would find at its traffic, and its newest rollout."""

from collections.abc import Sequence

from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.reports.board import BoardRow, row_of
from sentinel.reports.detection import Sensitivity, sensitivity_of
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One workload in a list.

    `origin` is where its policy is written down, `unguarded` why none guards it. `finds` is what the policy would find,
    None where that is not known: `unknown` says why. `newest` is its newest rollout on record.
    """

    kind: str
    namespace: str
    name: str
    policy: str
    origin: str
    mode: str
    unguarded: str
    finds: Sensitivity | None
    unknown: str
    newest: BoardRow | None

    def matches(self, words: tuple[str, ...]) -> bool:
        """Whether each of the words, in lower case, is in one of the texts."""
        own = f"{self.kind} {self.namespace}/{self.name} {self.policy} {self.origin} {self.unguarded}".lower()
        return all(
            word in own or (self.newest is not None and self.newest.matches((word,))) for word in words
        )


def workload_row(
    key: WorkloadKey, policy: Policy | None, mode: str, unguarded: str, records: Sequence[Record]
) -> WorkloadRow:
    """The row of a workload; `records` are its rollouts, the newest first."""
    found = sensitivity_of(records, policy) if policy is not None else ""
    return WorkloadRow(
        kind=key.kind.value,
        namespace=key.namespace,
        name=key.name,
        policy=policy.name if policy is not None else "",
        origin=f"{policy.origin} {policy.source}".strip() if policy is not None else "",
        mode=mode,
        unguarded=unguarded,
        finds=found if isinstance(found, Sensitivity) else None,
        unknown=found if isinstance(found, str) else "",
        newest=row_of(records[0], policy) if records else None,
    )
