"""What a person asks of the sentinel about one workload, as a separate object in the cluster."""

from datetime import datetime
from enum import StrEnum

from sentinel.domain.workload.facts import WorkloadKey
from sentinel.values import dataclass


class CommandAction(StrEnum):
    """What can be asked for."""

    APPROVE = "approve"
    HOLD = "hold"
    RESUME = "resume"
    UNDO = "undo"
    PROMOTE = "promote"
    FORGIVE = "forgive"


class CommandPhase(StrEnum):
    """Whether it was done."""

    PENDING = "Pending"
    DONE = "Done"
    REFUSED = "Refused"


class Refusal(StrEnum):
    """Refusals that a program may act on: it is not for the sentinel to touch; people may, with their own rights."""

    OBSERVES = "ObserveMode"
    NOT_GUARDED = "NotGuarded"


@dataclass(frozen=True, slots=True)
class Command:
    """One RolloutCommand. `uid` is what makes it happen once.

    `record` names the rollout that is meant, empty: the workload's newest. `step` counts from 1 and is for `approve`;
    `to_revision` is the controller's number, of the revision to go back to (`undo`) or to forget about (`forgive`).
    `refusal` is a Refusal's value, empty for any other answer. `version` is the resourceVersion for optimistic
    concurrency.
    """

    name: str
    key: WorkloadKey
    action: CommandAction
    requested_by: str
    created_at: datetime
    uid: str
    record: str = ""
    step: int | None = None
    to_revision: int | None = None
    reason: str = ""
    phase: CommandPhase = CommandPhase.PENDING
    message: str = ""
    refusal: str = ""
    answered_at: datetime | None = None
    version: str = ""

    def __str__(self) -> str:
        return f"{self.action} by {self.requested_by}"
