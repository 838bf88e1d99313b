"""The part of a record that moves: where the rollout stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sentinel.domain.gate import GateResult
from sentinel.domain.workload.revision import Revision

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
    `unseen_since` is since when the workload's own controller has been seen not to have taken up what was written.
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
    unseen_since: datetime | None = None
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
