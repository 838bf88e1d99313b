"""The board: one row a rollout, for lists."""

from datetime import datetime

from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.words import standing
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One rollout in a list.

    `id` is the record's namespace and name. `step` counts from 1; of `steps` canary steps, None where the policy is not
    known. `weight` is the share reached, in [0, 1]. `live`: something may still happen to it. `firing` counts its
    alerts that fire. `keeper` is who deploys the workload and is held, empty where nobody is.
    """

    id: str
    kind: str
    namespace: str
    name: str
    standing: str
    live: bool
    in_flight: bool
    step: int
    steps: int | None
    weight: float
    revision: str
    images: tuple[str, ...]
    policy: str
    mode: str
    verdict: str
    reason: str
    message: str
    started_at: datetime
    ended_at: datetime | None
    held_since: datetime | None
    firing: int
    keeper: str

    def matches(self, words: tuple[str, ...]) -> bool:
        """Whether each of the words, in lower case, is in one of the row's texts."""
        texts = (self.id, self.kind, self.name, self.standing, self.policy, self.reason, self.revision)
        text = " ".join((*texts, *self.images)).lower()
        return all(word in text for word in words)


def row_of(record: Record, policy: Policy | None) -> BoardRow:
    """The row of a record; `policy` is the one that its rollout goes on under, where it is known."""
    state, hold = record.state, record.keeper_hold
    return BoardRow(
        id=record_id(record),
        kind=record.key.kind.value,
        namespace=record.key.namespace,
        name=record.key.name,
        standing=standing(record).value,
        live=record.live,
        in_flight=record.in_flight,
        step=state.progress.step + 1,
        steps=len(policy.strategy.steps) if policy is not None else None,
        weight=state.weight,
        revision=revision_name(record.candidate),
        images=record.candidate.images,
        policy=record.policy,
        mode=record.mode.value,
        verdict=state.verdict,
        reason=state.reason,
        message=state.message,
        started_at=record.started_at,
        ended_at=over_at(record),
        held_since=state.hold.since if state.hold is not None else None,
        firing=sum(alert.status is AlertStatus.FIRING for alert in record.alerts),
        keeper=str(hold.keeper) if hold is not None else "",
    )


def record_id(record: Record) -> str:
    """The record's namespace and name."""
    return f"{record.key.namespace}/{record.name}"


def revision_name(revision: RevisionRef) -> str:
    """A revision's number, or the beginning of its digest where it has none."""
    return str(revision.number) if revision.number else revision.digest[:8]


def over_at(record: Record) -> datetime | None:
    """When the candidate was promoted, or its rollout was over."""
    ending = record.state.ending
    return ending.promoted_at or ending.ended_at
