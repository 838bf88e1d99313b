"""The durable state and history of one rollout: a candidate revision replacing a stable one on one workload."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from sentinel.domain.alert import AlertStatus
from sentinel.domain.alertroom import AlertsBeyond, counted_beyond, make_room
from sentinel.domain.gate import GateResult
from sentinel.domain.policy import Mode
from sentinel.domain.verdict import Number
from sentinel.domain.workload import Revision, WorkloadKey

Json = Mapping[str, object]

MAX_DECISIONS = 50
MAX_ALERTS = 50


class Phase(StrEnum):
    """Where a rollout stands. `Promoted` may still be guarded; the phases after `Held` are final."""

    PROGRESSING = "Progressing"
    BAKING = "Baking"
    PROMOTED = "Promoted"
    UNDOING = "Undoing"
    HELD = "Held"
    UNDONE = "Undone"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"
    UNJUDGED = "Unjudged"


IN_FLIGHT = frozenset({Phase.PROGRESSING, Phase.BAKING, Phase.HELD, Phase.UNDOING})


class Action(StrEnum):
    """What is decided. `start` marks the first sight; the rest is done to the rollout or said to people.

    `wait` says that the cluster keeps the candidate's pods back; nobody is called for it.
    """

    START = "start"
    ADVANCE = "advance"
    PROMOTE = "promote"
    HOLD = "hold"
    RESUME = "resume"
    WAIT = "wait"
    UNDO = "undo"
    ESCALATE = "escalate"
    SUPERSEDE = "supersede"
    RESTORED = "restored"
    APPROVE = "approve"
    FORGIVE = "forgive"
    CLOSE = "close"


class OutcomeKind(StrEnum):
    """What became of a decision. `observed`: nothing was touched, by mode; `refused`: a guard or a precondition."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one decision."""

    kind: OutcomeKind
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DecisionEntry:
    """One decision as recorded. `id` makes it happen once; `revision` is the template digest that was judged.

    `outcome` is None from the intent until the act is done: a restart finds it and completes it. `command` is the uid
    of the RolloutCommand that asked for it, `requested_by` who made that; both are empty where nobody was asked.
    `owed`: when it was made, a channel that remembers (Slack) was configured, so people must hear of it even if this
    process does not live to say it.
    """

    id: str
    at: datetime
    action: Action
    reason: str
    message: str
    revision: str
    step: int
    rule: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    target: str = ""
    attempt: int = 1
    escalated: bool = False
    outcome: Outcome | None = None
    command: str = ""
    requested_by: str = ""
    owed: bool = False


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """One alert as recorded. `verdict` says what it came to, empty until the leader has looked at it.

    `storm` names, in order, the workloads that the same notification struck, where there were three or more.
    """

    fingerprint: str
    name: str
    status: AlertStatus
    labels: Mapping[str, str]
    starts_at: datetime
    received_at: datetime
    summary: str = ""
    pending_for: float | None = None
    truncated: int = 0
    storm: tuple[str, ...] = ()
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class RevisionRef:
    """What a record keeps of a revision."""

    digest: str
    hash: str = ""
    number: int = 0
    images: tuple[str, ...] = ()
    change_cause: str = ""
    order: int = 0

    @classmethod
    def of(cls, revision: Revision) -> "RevisionRef":
        """The reference to a revision seen in the cluster."""
        return cls(
            revision.digest,
            revision.hash,
            revision.number,
            revision.images,
            revision.change_cause,
            revision.order,
        )

    def __str__(self) -> str:
        number = f"revision {self.number}" if self.number else f"revision {self.digest[:8]}"
        return f"{number} ({', '.join(self.images)})" if self.images else number


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing moves: a `sticky` hold ends by a human or a newer revision only, others when the cause is gone.

    `gone_since` is since when the cause has not been seen: it must stay away for a while. `observed`: nothing was
    touched for it, in observe mode or while frozen.
    """

    reason: str
    since: datetime
    message: str
    sticky: bool = True
    gone_since: datetime | None = None
    observed: bool = False


@dataclass(frozen=True, slots=True)
class UndoState:
    """An undo under way or done. `fault_at` is when the evidence that led to it began, where that is known.

    `target_seen` says that the watch has shown the target's template after the patch: only then a template that is
    the candidate's is news, not an old view.
    """

    target: RevisionRef
    decided_at: datetime
    fault_at: datetime | None = None
    patched_at: datetime | None = None
    target_seen: bool = False
    restored_at: datetime | None = None
    overdue_told: bool = False


@dataclass(frozen=True, slots=True)
class RolloutState:
    """The part of a record that moves.

    `step` counts from 0; the number of canary steps itself means 100 %. `reached_at` is when the step's weight
    was reached and its pods were ready: its bake counts from there. `weight` is the share really reached.
    `baked` is how many seconds of this step's bake went before the workload was scaled to zero.
    `waited` is for how many seconds the deadline's clock stood still, `stopped_since` since when it does now (held,
    waiting for an approval, scaled to zero), and `waiting_since` since when an approval is awaited;
    `missing_since` is since when nothing but missing evidence keeps the step from passing.
    `pause_seen` is the workload's generation at which our pause was last seen in force, 0 where none should be, and
    `resumed_from` the one at which we last lifted it. `released`: a human lifted it, and none is made again.
    `gates_since` is when the step's gates were first asked, `gates` where each of them stands.
    `analysis` holds each rule's state as plain JSON values, `measured_until` up to when each rule's evidence has
    been taken in. `forgiven_at` is when a human had an undone revision no longer remembered as bad.
    """

    phase: Phase
    step: int = 0
    step_since: datetime | None = None
    reached_at: datetime | None = None
    baked: float = 0.0
    weight: float = 0.0
    hold: Hold | None = None
    waited: float = 0.0
    stopped_since: datetime | None = None
    waiting_since: datetime | None = None
    missing_since: datetime | None = None
    gates_since: datetime | None = None
    gates: tuple[GateResult, ...] = ()
    pause_seen: int = 0
    resumed_from: int = 0
    released: bool = False
    promoted_at: datetime | None = None
    ended_at: datetime | None = None
    undo: UndoState | None = None
    verdict: str = ""
    reason: str = ""
    message: str = ""
    analysis: Mapping[str, Json] = field(default_factory=dict)
    measured_until: Mapping[str, datetime] = field(default_factory=dict)
    saved_at: datetime | None = None
    forgiven_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticeRef:
    """Where the rollout's message stands (Slack's channel and time stamp), and the id of the last decision told."""

    channel: str
    ts: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One rollout. `stable` is the revision that was fully available when it began, None on a first deployment.

    `trigger` is who changed the template, as far as the API tells. `attempt` counts how often this same revision
    was rolled out on this workload. `version` is the resourceVersion for optimistic concurrency, empty when new.
    `policy_set` is the digest of all the rule files that were in force when it began.
    `approvals` are the steps that humans approved, from 1, and `resumed_at` is when one last ended a hold.
    """

    name: str
    key: WorkloadKey
    workload_uid: str
    candidate: RevisionRef
    stable: RevisionRef | None
    policy: str
    policy_digest: str
    started_at: datetime
    state: RolloutState
    mode: Mode = Mode.ENFORCE
    attempt: int = 1
    trigger: str = ""
    policy_document: Json = field(default_factory=dict)
    policy_set: str = ""
    decisions: tuple[DecisionEntry, ...] = ()
    alerts: tuple[AlertEntry, ...] = ()
    alerts_beyond: AlertsBeyond | None = None
    notice: NoticeRef | None = None
    approvals: frozenset[int] = frozenset()
    resumed_at: datetime | None = None
    uid: str = ""
    version: str = ""

    @property
    def in_flight(self) -> bool:
        """Whether the rollout is still to be decided or undone."""
        return self.state.phase in IN_FLIGHT

    @property
    def guarded(self) -> bool:
        """Whether the candidate was promoted and alerts and crashes still undo it."""
        return self.state.phase is Phase.PROMOTED and self.state.ended_at is None

    @property
    def live(self) -> bool:
        """Whether anything may still happen to the rollout."""
        return self.in_flight or self.guarded

    @property
    def pending(self) -> DecisionEntry | None:
        """The decision that was entered and whose outcome is not known: to be completed first."""
        return next((entry for entry in self.decisions if entry.outcome is None), None)

    def decisions_after(self, decision_id: str) -> tuple[DecisionEntry, ...]:
        """The decisions after the one of this id; all where it is not kept, since the newest are."""
        ids = [entry.id for entry in self.decisions]
        return self.decisions[ids.index(decision_id) + 1 :] if decision_id in ids else self.decisions

    def decided(self, decision_id: str) -> DecisionEntry | None:
        """The entry of this decision, where it was made already."""
        return next((entry for entry in self.decisions if entry.id == decision_id), None)

    def named(self, revision: Revision) -> "Record":
        """The record with its candidate as the controller names it by now, where this is its candidate."""
        known = revision.hash and revision.digest == self.candidate.digest
        return replace(self, candidate=RevisionRef.of(revision)) if known else self

    def with_state(self, state: RolloutState) -> "Record":
        """The record with another state."""
        return replace(self, state=state)

    def with_decision(self, entry: DecisionEntry) -> "Record":
        """The record with this decision entered or, by its id, replaced; the newest are kept."""
        kept = [e for e in self.decisions if e.id != entry.id]
        return replace(self, decisions=tuple([*kept, entry][-MAX_DECISIONS:]))

    def with_alerts(self, alerts: tuple[AlertEntry, ...]) -> "Record":
        """The record with these alerts, as many as have a place; what is beyond is counted."""
        return self.with_room_for(alerts, MAX_ALERTS)

    def with_room_for(self, alerts: tuple[AlertEntry, ...], places: int) -> "Record":
        """The record with these alerts in this many places; what is beyond is counted."""
        kept, dropped = make_room(alerts, places)
        return replace(self, alerts=kept, alerts_beyond=counted_beyond(self.alerts_beyond, dropped))
