"""The durable state and history of one rollout: a candidate revision replacing a stable one on one workload."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from sentinel.domain.alert import AlertsBeyond, counted_beyond, make_room
from sentinel.domain.gate import GateResult
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, AlertEntry, DecisionEntry, NoticeRef
from sentinel.domain.record.state import IN_FLIGHT, Json, Phase, RevisionRef, RolloutState
from sentinel.domain.revert import RevertRef
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.keeper import KeeperHold
from sentinel.domain.workload.revision import Revision
from sentinel.values import dataclass, replace

MAX_DECISIONS = 50


MAX_ALERTS = 50


@dataclass(frozen=True, slots=True)
class Record:
    """One rollout. `stable` is the revision that was fully available when it began, None on a first deployment.

    `trigger` is who changed the template, as far as the API tells. `attempt` counts how often this same revision
    was rolled out on this workload. `version` is the resourceVersion for optimistic concurrency, empty when new.
    `policy_set` is the digest of all the rule files that were in force when it began.
    `config_kept` is the data of ConfigMaps, of a record that is about to be created; only the adapter reads it.
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
    notices: Mapping[str, NoticeRef] = field(default_factory=dict)
    revert: RevertRef | None = None
    approvals: frozenset[int] = frozenset()
    resumed_at: datetime | None = None
    config_kept: str = ""
    uid: str = ""
    version: str = ""

    @property
    def in_flight(self) -> bool:
        """Whether the rollout is still to be decided or undone."""
        return self.state.phase in IN_FLIGHT

    @property
    def guarded(self) -> bool:
        """Whether the candidate was promoted and alerts and crashes still undo it."""
        return self.state.phase is Phase.PROMOTED and self.state.ending.ended_at is None

    @property
    def live(self) -> bool:
        """Whether anything may still happen to the rollout."""
        return self.in_flight or self.guarded

    @property
    def full_name(self) -> str:
        """Its namespace and its name."""
        return f"{self.key.namespace}/{self.name}"

    @property
    def policy_object(self) -> str:
        """The object that its policy is, by kind and name; empty where it is of a rule file."""
        metadata = self.policy_document.get("metadata")
        of_a_namespace = isinstance(metadata, Mapping) and "namespace" in metadata
        kind = self.policy_document.get("kind")
        return f"{kind} {self.policy}" if of_a_namespace or kind == "ClusterRolloutPolicy" else ""

    @property
    def began_at(self) -> datetime:
        """When pods of the candidate could come: later than `started_at` where its controller was down."""
        first = self.decisions[0] if self.decisions else None
        if first is None or first.action is Action.START:
            return self.started_at
        return next((e.at for e in self.decisions if e.action is Action.START), self.started_at)

    @property
    def keeper_hold(self) -> KeeperHold | None:
        """Our hold on who deploys the workload, where one is in force or about to be; it outlives the rollout."""
        hold = self.state.keeper_hold
        return hold if hold is not None and hold.lasts else None

    @property
    def pending(self) -> DecisionEntry | None:
        """The decision that was entered and whose outcome is not known: to be completed first."""
        return next((entry for entry in self.decisions if entry.outcome is None), None)

    @property
    def pending_release(self) -> DecisionEntry | None:
        """The release of a hold on who deploys the workload, begun and not known to be done."""
        pending = self.pending
        return pending if pending is not None and pending.action is Action.RELEASE else None

    def decisions_after(self, decision_id: str) -> tuple[DecisionEntry, ...]:
        """The decisions after the one of this id; all where it is not kept, since the newest are."""
        ids = [entry.id for entry in self.decisions]
        return self.decisions[ids.index(decision_id) + 1 :] if decision_id in ids else self.decisions

    def decided(self, decision_id: str) -> DecisionEntry | None:
        """The entry of this decision, where it was made already."""
        return next((entry for entry in self.decisions if entry.id == decision_id), None)

    def named(self, revision: Revision) -> "Record":
        """The record with its candidate as the controller names it by now, where this is its candidate."""
        if not revision.hash or revision.digest != self.candidate.digest:
            return self
        named = RevisionRef.of(revision)
        return replace(self, candidate=named) if named != self.candidate else self

    def with_state(self, state: RolloutState) -> "Record":
        """The record with another state."""
        return replace(self, state=state) if state is not self.state else self

    def with_gates(self, results: tuple[GateResult, ...]) -> "Record":
        """The record with these results of the present step's gates."""
        if results == self.state.gating.results:
            return self
        return self.with_state(replace(self.state, gating=replace(self.state.gating, results=results)))

    def with_decision(self, entry: DecisionEntry) -> "Record":
        """The record with this decision entered or, by its id, replaced; the newest are kept."""
        kept = [e for e in self.decisions if e.id != entry.id]
        return replace(self, decisions=tuple([*kept, entry][-MAX_DECISIONS:]))

    def with_alerts(self, alerts: tuple[AlertEntry, ...]) -> "Record":
        """The record with these alerts, as many as have a place; what is beyond is counted."""
        return self.with_room_for(alerts, MAX_ALERTS)

    def with_room_for(self, alerts: tuple[AlertEntry, ...], places: int) -> "Record":
        """The record with these alerts in this many places; what is beyond is counted."""
        if not alerts and not self.alerts:
            return self
        kept, dropped = make_room(alerts, places)
        return replace(self, alerts=kept, alerts_beyond=counted_beyond(self.alerts_beyond, dropped))
