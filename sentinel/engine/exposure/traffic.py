"""Canary steps by a share of the requests: pods of both revisions run side by side, and a router splits what comes.

The share that counts is the one in force, as it was read back. One that somebody else set is never moved.
"""

from sentinel.domain.decision import Adopt, Change, Release, SetTraffic
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Mark, TrafficShare, Workload

_SAME = 1e-6


def steer(weight: float | None, workload: Workload, mark: Mark | None) -> Change | None:
    """The change that brings the candidate's share towards the weight, None where that was asked for already.

    Weight None has the stable take the candidate's template, while the canary goes on with the share that it has.
    Where the stable has it, what we stopped of its rolling update goes on, or our mark is removed.
    """
    traffic, adopt = workload.exposure.traffic, Adopt(RevisionRef.of(workload.candidate))
    if traffic is None or workload.brake.foreign:
        return None
    if _lost(traffic):
        return Release()
    if weight is None and traffic.adopted:
        return adopt if workload.brake.mark is not None else None
    if mark is None:
        return None
    if weight is None:
        return adopt
    return None if abs(traffic.asked - weight) < _SAME else SetTraffic(weight, mark)


def reached(weight: float, workload: Workload) -> bool:
    """Whether the share is in force, and every pod of the candidate ready for it."""
    traffic, exposure = workload.exposure.traffic, workload.exposure
    asked = traffic is not None and traffic.settled and traffic.asked >= weight - _SAME
    return asked and exposure.ready >= exposure.candidate > 0


def withdrawn(workload: Workload, mark: Mark) -> Change | None:
    """The change that takes all requests from the candidate; None where none are asked for, or nobody splits them."""
    traffic = workload.exposure.traffic
    return SetTraffic(0.0, mark) if traffic is not None and traffic.asked > 0 else None


def flowing(workload: Workload) -> bool:
    """Whether the candidate may still get requests though none are asked for."""
    traffic = workload.exposure.traffic
    return traffic is not None and not traffic.settled


def left_over(workload: Workload) -> Change | None:
    """What gives back all that we asked for, once the rollout is over; None where nothing of it is left."""
    traffic = workload.exposure.traffic
    ours = traffic is not None and (_lost(traffic) or (traffic.mark or workload.brake.mark) is not None)
    return Release() if ours and not workload.brake.foreign else None


def dormant(workload: Workload) -> bool:
    """Whether the candidate has neither pods nor requests, though it is not what serves."""
    traffic = workload.exposure.traffic
    return (
        traffic is not None and not traffic.adopted and workload.exposure.candidate == 0 and not traffic.asked
    )


def _lost(traffic: TrafficShare) -> bool:
    """Whether requests still go to a canary that was deleted, with our mark, after the stable had its template."""
    return traffic.adopted and traffic.mark is None and traffic.asked > 0
