"""What the engine wants done: one decision of one reconcile, and the one change to the workload that makes it real."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from sentinel.domain.record.config import ConfigReturn
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import RevisionRef, RolloutState
from sentinel.domain.verdict import NO_CAUSE, DecisionCause, Number, RuleVerdict
from sentinel.domain.workload.facts import Mark
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the rollout where it is, signed as ours."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class Release:
    """Let the rollout go on; only a brake of ours is ever released."""


@dataclass(frozen=True, slots=True)
class SetPartition:
    """Let this many pods be of the candidate and no more, signed as ours."""

    pods: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """Send this share of the requests, in [0, 1), to the candidate, signed as ours."""

    share: float
    mark: Mark


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make this revision, the candidate, what serves: by its template, or by sending it all requests."""

    revision: RevisionRef


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Look at what we wrote before we were cut off: it is taken back where somebody changed what it relied on."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Bring this revision's pods up where they stand by, so that they can take over."""

    revision: RevisionRef


@dataclass(frozen=True, slots=True)
class Restore:
    """Put the target revision's template back, and release our own brake in the same patch; `config` before that."""

    target: RevisionRef
    config: tuple[ConfigReturn, ...] = ()


@dataclass(frozen=True, slots=True)
class RemovePod:
    """Delete this very pod, which is broken and keeps the others from being replaced."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Promote:
    """Have a workload that makes its own steps go on from where it waits; `full`: past all steps that are left."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """Have all pods started again with this config, by its digest: a rollout of the same template."""

    config: str


Change = (
    Stop
    | Release
    | SetPartition
    | SetTraffic
    | LookAgain
    | Prepare
    | Adopt
    | Restore
    | RemovePod
    | Promote
    | Restart
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. `action` None means: nothing new to say, carry on with `state` and look again at `requeue_at`.

    `change` may come without an action: steering towards a weight that was decided before is not a new decision.
    `numbers` are for people; what other decisions depend on is the `cause`. `command` is the uid of what a human
    asked for, and `requested_by` says who it was.
    """

    state: RolloutState
    requeue_at: datetime | None
    action: Action | None = None
    reason: str = ""
    message: str = ""
    rule: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    change: Change | None = None
    escalate: bool = False
    verdicts: tuple[RuleVerdict, ...] = ()
    cause: DecisionCause = NO_CAUSE
    command: str = ""
    requested_by: str = ""
