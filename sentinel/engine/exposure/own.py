"""Steps that the workload's own controller makes: followed, and promoted where it waits."""

from datetime import datetime, timedelta

from sentinel.domain.decision import Promote
from sentinel.domain.record.state import RolloutState
from sentinel.domain.workload.facts import Workload
from sentinel.values import replace

STEPS_SKIPPED = "StepsSkipped"
"""The reason of an advance past all the steps that are left."""
UNSEEN_FOR = timedelta(minutes=1)
"""A controller that has not taken up for so long what was written is held to be down."""


def followed(state: RolloutState, workload: Workload, now: datetime) -> RolloutState:
    """The state at the step at which the workload's controller is: another one than before begins now."""
    own = workload.own_steps
    if own is None or own.stage == state.progress.step:
        return state
    return state.at_step(own.stage, now)


def promotion(workload: Workload, *, full: bool = False) -> Promote | None:
    """What has the workload's controller go on, None where it makes no steps or has none left.

    In full also where it does not wait; not again while it is being promoted in full already.
    """
    own = workload.own_steps
    if own is None or own.stage >= own.count or own.aborted or own.full:
        return None
    return Promote(full=full) if full or own.waits else None


def unseen(state: RolloutState, workload: Workload, now: datetime) -> RolloutState:
    """The state with since when the workload's own controller has not taken up what was written."""
    ignored = workload.own_steps is not None and not workload.observed
    since = (state.waits.unseen_since or now) if ignored else None
    if since == state.waits.unseen_since:
        return state
    return replace(state, waits=replace(state.waits, unseen_since=since))


def down_sentence(workload: Workload, since: datetime) -> str:
    """What people hear of a workload whose own controller is held to be down."""
    said = f"the controller of {workload.key} has observed no change since {since:%H:%M:%S} UTC: is it down?"
    if workload.nameless:
        said += f" {workload.candidate} begins when it is back"
    return said


def held_down_at(state: RolloutState) -> datetime | None:
    """When the workload's own controller is held to be down, None where it has taken up all that was written."""
    return state.waits.unseen_since + UNSEEN_FOR if state.waits.unseen_since is not None else None
