"""The part of a record that moves: where the rollout stands."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from sentinel.domain.gate import GateResult
from sentinel.domain.record.config import ConfigReturn, ConfigState
from sentinel.domain.record.course import Course
from sentinel.domain.workload.keeper import KeeperHold
from sentinel.domain.workload.revision import ChangeOrigin, Revision
from sentinel.values import dataclass, replace

Json = Mapping[str, object]


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


@dataclass(frozen=True, slots=True)
class RevisionRef:
    """What a record keeps of a revision."""

    digest: str
    hash: str = ""
    number: int = 0
    images: tuple[str, ...] = ()
    change_cause: str = ""
    order: int = 0
    origin: ChangeOrigin | None = None

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
            revision.origin,
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
    the candidate's is news, not an old view. `config` are the ConfigMaps that go back with it.
    """

    target: RevisionRef
    decided_at: datetime
    fault_at: datetime | None = None
    patched_at: datetime | None = None
    target_seen: bool = False
    restored_at: datetime | None = None
    overdue_told: bool = False
    config: tuple[ConfigReturn, ...] = ()


@dataclass(frozen=True, slots=True)
class StepProgress:
    """The canary step that the rollout is at.

    `step` counts from 0; the number of canary steps itself means 100 %. `reached_at` is when the step's weight was
    reached and its pods were ready: its bake counts from there. `baked` is how many seconds of the bake went before
    the workload was scaled to zero.
    """

    step: int = 0
    began_at: datetime | None = None
    reached_at: datetime | None = None
    baked: float = 0.0


@dataclass(frozen=True, slots=True)
class Waits:
    """What the rollout waits for, and for how long the deadline's clock stood still.

    `stood` is in seconds; `stopped_since` is since when the clock stands still now: held, waiting for an approval, or
    scaled to zero. `approval_since` is since when an approval is awaited, `missing_since` since when nothing but
    missing evidence keeps the step from passing, `unseen_since` since when the workload's own controller has been seen
    not to have taken up what was written.
    """

    stood: float = 0.0
    stopped_since: datetime | None = None
    approval_since: datetime | None = None
    missing_since: datetime | None = None
    unseen_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class GateState:
    """Since when the gates of the present step are asked, None while they are not, and where each of them stands."""

    asked_since: datetime | None = None
    results: tuple[GateResult, ...] = ()


@dataclass(frozen=True, slots=True)
class BrakeState:
    """What is known about our brake, by the workload's generation.

    `seen_generation` is the one at which the brake was last seen on, 0 where it should be off, and
    `released_generation` the one at which we last released it. `released_by_person`: it is not put on again.
    """

    seen_generation: int = 0
    released_generation: int = 0
    released_by_person: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """When the candidate was promoted, when the rollout and its guard window were over, and when a person had an
    undone candidate no longer remembered as bad."""

    promoted_at: datetime | None = None
    ended_at: datetime | None = None
    forgiven_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RolloutState:
    """The part of a record that moves.

    `weight` is the share really reached. `verdict`, `reason` and `message` say why the rollout stands where it does.
    `analysis` holds each rule's state as plain JSON values, `measured_until` up to when each rule's evidence has
    been taken in. `course` is what each rule has shown over time, for people alone.
    """

    phase: Phase
    progress: StepProgress = StepProgress()
    weight: float = 0.0
    hold: Hold | None = None
    waits: Waits = Waits()
    gating: GateState = GateState()
    brake: BrakeState = BrakeState()
    undo: UndoState | None = None
    keeper_hold: KeeperHold | None = None
    ending: Ending = Ending()
    config: ConfigState = field(default_factory=ConfigState)
    verdict: str = ""
    reason: str = ""
    message: str = ""
    analysis: Mapping[str, Json] = field(default_factory=dict)
    measured_until: Mapping[str, datetime] = field(default_factory=dict)
    course: Mapping[str, Course] = field(default_factory=dict)
    saved_at: datetime | None = None

    def at_step(self, step: int, now: datetime) -> "RolloutState":
        """The state at the beginning of a step, at which no approval is awaited."""
        return replace(self.approval_over(), progress=StepProgress(step, now))

    def step_to_reach(self) -> "RolloutState":
        """The state with the present step to be reached again, and all of its bake ahead."""
        return replace(self, progress=replace(self.progress, reached_at=None, baked=0.0))

    def approval_over(self) -> "RolloutState":
        """The state in which no approval is awaited."""
        return replace(self, waits=replace(self.waits, approval_since=None))

    def ended(self, at: datetime) -> "RolloutState":
        """The state of a rollout that is over."""
        return replace(self, ending=replace(self.ending, ended_at=at))
