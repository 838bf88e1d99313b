"""Canary steps by stopping and releasing: the controller goes on by itself until it is stopped again."""

from sentinel.domain.decision import Change, Release, Stop
from sentinel.domain.workload.facts import Mark, Workload
from sentinel.engine.exposure.weights import wanted_pods


def steer(weight: float | None, workload: Workload, mark: Mark | None) -> Change | None:
    """The change that brings the workload towards the weight, None when it is there or on its way.

    Weight None releases everything, and removes our mark if someone lifted the pause and left the mark. A pause that
    is not ours is never lifted, and outdated counts of the controller are not acted on.
    """
    signed = workload.brake.mark is not None
    if weight is None:
        return Release() if signed else None
    if not workload.observed:
        return None
    wanted = wanted_pods(weight, workload.exposure.wanted)
    if workload.brake.on and signed and workload.exposure.candidate < wanted:
        return Release()
    if (
        mark is not None
        and not workload.brake.on
        and workload.exposure.candidate >= wanted
        and not workload.rolled_out
    ):
        return Stop(mark)
    return None
