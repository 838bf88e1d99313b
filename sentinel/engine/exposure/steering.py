"""Where a workload should stand, and the one change that brings it nearer, by the way in which it can be moved."""

from sentinel.domain.decision import Change, LookAgain, Stop
from sentinel.domain.workload.facts import Mark, Stepping, Workload
from sentinel.engine.exposure import partition, pausing, switching, traffic


def steer(weight: float | None, workload: Workload, mark: Mark | None = None) -> Change | None:
    """The change that brings the workload towards the weight, None when it is there or on its way.

    Weight None lets everything go. Without a mark nothing is stopped.
    """
    if workload.abilities.stepping is Stepping.PARTITION:
        return partition.steer(weight, workload, mark)
    if workload.abilities.stepping is Stepping.TRAFFIC:
        return traffic.steer(weight, workload, mark)
    if workload.abilities.stepping is Stepping.SWITCHING:
        return switching.steer(weight, workload) if mark is not None else None
    return pausing.steer(weight, workload, mark)


def left_over(workload: Workload) -> Change | None:
    """What gives back all that was asked for, once the rollout is over; None where nothing of it is left."""
    if workload.abilities.stepping is Stepping.SWITCHING:
        return switching.left_over(workload)
    return traffic.left_over(workload)


def unconfirmed(workload: Workload) -> Change | None:
    """What looks at a write of ours again; None where none is left of which a process was cut off before it could."""
    standby = workload.exposure.standby
    if standby is None or workload.abilities.stepping is not Stepping.SWITCHING:
        return None
    return LookAgain() if standby.unconfirmed else None


def dormant(workload: Workload) -> bool:
    """Whether the candidate does not serve, and nobody seems to want that now."""
    if workload.abilities.stepping is Stepping.SWITCHING:
        return switching.stands_by(workload)
    return traffic.dormant(workload)


def first_stop(weight: float, workload: Workload, mark: Mark) -> Change | None:
    """The change that stops a rollout in steps as soon as it is seen; what of it already runs is its first batch."""
    if workload.brake.on:
        return None
    if workload.abilities.stepping in (Stepping.PARTITION, Stepping.TRAFFIC, Stepping.SWITCHING):
        return steer(weight, workload, mark)
    return Stop(mark)
