"""Our brake on a rollout: how it is signed, and how to recognise that people lifted it."""

from datetime import datetime, timedelta

from sentinel.domain.policy.policy import Policy
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import RolloutState
from sentinel.domain.workload.facts import Mark, Workload
from sentinel.values import replace


def brake_mark(record: Record, policy: Policy, now: datetime) -> Mark:
    """Our signature for a brake put on now: it is meant to last until the rollout's deadline at the latest."""
    until = record.started_at + policy.strategy.deadline + timedelta(seconds=record.state.waits.stood)
    return Mark(record.name, max(until, now).replace(microsecond=0))


def note_pause(record: Record, workload: Workload) -> RolloutState:
    """The rollout's state with our pause noted where it is seen in force.

    A view from before we lifted it last says nothing, however late it comes.
    """
    if (
        workload.brake.on
        and _signed_for(record, workload)
        and workload.generation > record.state.brake.released_generation
        and workload.generation != record.state.brake.seen_generation
    ):
        brake = replace(record.state.brake, seen_generation=workload.generation)
        return replace(record.state, brake=brake)
    return record.state


def note_lifted(state: RolloutState, workload: Workload) -> RolloutState:
    """The state once we lift the pause."""
    brake = replace(state.brake, seen_generation=0, released_generation=workload.generation)
    return replace(state, brake=brake)


def lifted_by_human(record: Record, workload: Workload) -> bool:
    """Whether a pause of ours is gone that we did not lift: `kubectl rollout resume` leaves our mark behind, and a
    patch that removes the mark, too, is recognised because the pause was seen before."""
    gone = _signed_for(record, workload) or record.state.brake.seen_generation > 0
    return gone and not workload.brake.on and not record.state.brake.released_by_person


def _signed_for(record: Record, workload: Workload) -> bool:
    return workload.brake.mark is not None and workload.brake.mark.record == record.name
