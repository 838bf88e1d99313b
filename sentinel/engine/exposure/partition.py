"""Canary steps by a partition: it says how many pods may be of the candidate, and the controller goes that far."""

from sentinel.domain.decision import Change, Release, SetPartition
from sentinel.domain.workload.facts import Mark, Workload
from sentinel.engine.exposure.weights import wanted_pods


def steer(weight: float | None, workload: Workload, mark: Mark | None) -> Change | None:
    """The change that lets as many pods be of the candidate as the weight asks for, None where they may already.

    Weight None lets everything go. A partition that is not ours is never moved, and none is set behind what is reached:
    a pod of the candidate that restarts there would come back as an old one.
    """
    brake, size = workload.brake, workload.exposure.wanted
    if weight is None:
        return Release() if brake.mark is not None else None
    if mark is None or brake.foreign or workload.rolled_out:
        return None
    wanted = max(wanted_pods(weight, size), min(workload.exposure.candidate, size))
    lets = brake.lets if brake.on and brake.lets is not None else size
    if wanted == lets:
        return None
    return Release() if wanted == size else SetPartition(wanted, mark)
