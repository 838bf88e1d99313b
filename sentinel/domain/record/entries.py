"""What a record lists: its decisions with their outcomes, its alerts, its notice."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from sentinel.domain.alert import AlertStatus
from sentinel.domain.verdict import NO_CAUSE, DecisionCause, Number
from sentinel.values import dataclass, replace


class Action(StrEnum):
    """What is decided. `start` marks the first sight; the rest is done to the rollout or said to people.

    `wait` says that the cluster keeps the candidate's pods back, and `note` that something changed which the judgement
    does not see; nobody is called for them. `restart` has all pods started again with changed config. `release`
    ends a hold on who deploys the workload.
    """

    START = "start"
    ADVANCE = "advance"
    PROMOTE = "promote"
    HOLD = "hold"
    RESUME = "resume"
    WAIT = "wait"
    NOTE = "note"
    RESTART = "restart"
    UNDO = "undo"
    ESCALATE = "escalate"
    SUPERSEDE = "supersede"
    RESTORED = "restored"
    APPROVE = "approve"
    FORGIVE = "forgive"
    RELEASE = "release"
    CLOSE = "close"


class OutcomeKind(StrEnum):
    """The outcome of a decision. `observed`: the mode allowed no change; `refused`: by a guard or a precondition."""

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

    `numbers` are for people and may be cut; what other decisions depend on is the `cause`.
    `outcome` is None from the intent until the act is done: a restart finds it and completes it. `command` is the uid
    of the RolloutCommand that asked for it, `requested_by` who made that; both are empty where nobody was asked.
    `owed`: when it was made, a channel that remembers (Slack) was configured, so people must hear of it even if this
    process does not live to say it. `owed_to` are the names of further channels for which the same is true.
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
    owed_to: tuple[str, ...] = ()
    cause: DecisionCause = NO_CAUSE


@dataclass(frozen=True, slots=True)
class Owed:
    """Who must hear of each decision from now on: people in Slack, and those behind further channels, by name."""

    people: bool = False
    channels: tuple[str, ...] = ()

    def mark(self, entry: DecisionEntry) -> DecisionEntry:
        """The decision with that noted."""
        return replace(entry, owed=self.people, owed_to=self.channels)


NOBODY = Owed()


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
class NoticeRef:
    """Where the rollout's message stands (Slack's channel and time stamp), and the id of the last decision told.

    For further channels: the channel's name, and the message's own id where it has one.
    """

    channel: str
    ts: str
    told: str = ""
