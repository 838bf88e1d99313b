"""What a reconcile asks of its driver: each effect is yielded, and its answer is sent back.

A driver that fails throws a ClusterError into the generator in place of the answer; see `reconcile`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from sentinel.domain.command import Command, CommandPhase
from sentinel.domain.decision import Change
from sentinel.domain.evidence import Missing
from sentinel.domain.gate import GateResult
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.record.entries import DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.keeper import KeeperHold
from sentinel.engine.evidence.looks import EndsWith, never
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile
from sentinel.values import dataclass


class SaveReason(StrEnum):
    """Why a record is saved: a decision's intent or outcome is entered, or the state is checkpointed."""

    INTENT = "intent"
    OUTCOME = "outcome"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Save:
    """Write the record, a new one if it has no version yet. Answered by the Record as written.

    `entry` is the decision that is entered or closed by it, None at a checkpoint. Fails with ConflictError when
    someone else wrote it since it was read.
    """

    record: Record
    stage: SaveReason
    entry: DecisionEntry | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """Make the change to the workload that was judged. Answered by a sentence on what was done."""

    workload: Workload
    change: Change


@dataclass(frozen=True, slots=True)
class HoldKeeper:
    """Put the hold on who deploys the workload in force, for the record of this name.

    Answered by a sentence once it was read back in force. Fails with ConflictError when what it would change is no
    longer as the hold has it, and with NotFoundError when what is to be held is gone.
    """

    key: WorkloadKey
    hold: KeeperHold
    record: str


@dataclass(frozen=True, slots=True)
class ReleaseKeeper:
    """Have the record of this name need the hold no longer; without any that does, what it changed is restored.

    Answered by a sentence; what is gone or was restored already is released.
    """

    key: WorkloadKey
    hold: KeeperHold
    record: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Look up afresh whether the candidate's pods that seem unready are so. No answer."""

    workload: Workload


@dataclass(frozen=True, slots=True)
class FollowConfig:
    """Have later snapshots show the content of what the candidate's template names, or no longer. No answer."""

    workload: Workload
    wanted: bool


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """Read the content of what the candidate's template names. Answered by a ConfigReading; `keep`: with data."""

    workload: Workload
    keep: bool


@dataclass(frozen=True, slots=True)
class Collected:
    """What came in since the last time: `measured` in the order of its times, `unmeasured` rules and why, what the
    hour before has taught by rule, how the stable's pods started last, how long each rule's counts take to settle
    and its ticks are, where the present step's gates stand (None: as the record says), and whether a rule can be
    measured up to the end of a bake (`ends_with`)."""

    measured: Sequence[Measured] = ()
    unmeasured: Mapping[str, Missing] = field(default_factory=dict)
    learnt: Mapping[str, Calibration] = field(default_factory=dict)
    started: Mapping[str, StartProfile] = field(default_factory=dict)
    settles: Mapping[str, timedelta] = field(default_factory=dict)
    ticks: Mapping[str, timedelta] = field(default_factory=dict)
    gates: tuple[GateResult, ...] | None = None
    ends_with: EndsWith = never


@dataclass(frozen=True, slots=True)
class Collect:
    """Hand over what was measured and answered since the last time. Answered by a Collected."""

    record: Record
    policy: Policy
    workload: Workload


@dataclass(frozen=True, slots=True)
class LookAround:
    """Look whether the stable was good before and whether the neighbours are. Answered by a Surroundings."""

    rule: ErrorRateRule | LatencyRule
    record: Record
    workload: Workload


@dataclass(frozen=True, slots=True)
class Measure:
    """Start the measurements that are due. Answered by when to ask for it again, None: the driver sees to it.

    `suspected` are the rules to look at again between two ticks, `calm` those whose harmless ticks may wait. Once the
    step's bake is over (`bake_ends`; None before it began), evidence up to there is waited for.
    """

    record: Record
    policy: Policy
    workload: Workload
    suspected: frozenset[str] = frozenset()
    bake_ends: datetime | None = None
    calm: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AskGates:
    """Have the gates asked that the record's state asks for, and no others. No answer."""

    record: Record
    policy: Policy
    mode: Mode


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Stop measuring a rollout and asking its gates; where its `policy` is known, Jobs that may run are deleted.

    In observe mode Jobs are left to end by themselves. No answer.
    """

    record: Record
    policy: Policy | None
    mode: Mode


@dataclass(frozen=True, slots=True)
class Reply:
    """Write the outcome of a command into it, for the person who asked. No answer."""

    command: Command
    phase: CommandPhase
    message: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Report the decisions of this record whose outcomes are known and that were not reported yet. No answer.

    `decided`: one of them was made by this very reconcile, on these `verdicts`.
    """

    record: Record
    workload: Workload | None
    decided: bool = False
    verdicts: tuple[RuleVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Show:
    """Bring what people see of the rollout up to date: the record moved without a decision. No answer."""

    record: Record


@dataclass(frozen=True, slots=True)
class Prune:
    """Keep of the workload's older records, newest first, as many as the settings say. No answer."""

    older: tuple[Record, ...]


Effect = (
    Save
    | Apply
    | HoldKeeper
    | ReleaseKeeper
    | Confirm
    | FollowConfig
    | ReadConfig
    | Collect
    | LookAround
    | Measure
    | AskGates
    | Dismiss
    | Reply
    | Report
    | Show
    | Prune
)
