"""First crashes and the time that pods ran before them, from what the watch shows: what crashes as counts are made of.

A pod's status tells its latest end only. So that every first crash is seen there, a tick ends some seconds before now,
and a crash counts as the first where at most one more followed it within the tick.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sentinel.domain.evidence import Counts
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.pods import Container, Pod
from sentinel.domain.workload.revision import Revision
from sentinel.engine.pods.cluster_faults import cluster_fault
from sentinel.engine.pods.pod_faults import NOT_A_CRASH, end_of
from sentinel.engine.rules.crashes import CrashTick

TICK = timedelta(seconds=15)
"""A tick is at least so long, unless a crash ends it."""
SETTLES = timedelta(seconds=5)
"""Kubernetes cuts times to whole seconds, and a status takes a moment to arrive."""


def crash_tick(
    workload: Workload, baseline: Revision, since: datetime, now: datetime, warmup: timedelta
) -> CrashTick | None:
    """What befell both arms since the last tick; None where that is too short ago and nothing crashed.

    Pods take part from `warmup` after their creation on: a cold start is not evidence here.
    """
    until = now.replace(microsecond=0) - SETTLES
    if until <= since:
        return None
    suspects = workload.unsound_of(workload.candidate), workload.unsound_of(baseline)
    crashed, others = (
        [pod for pod in pods if _crashes_within(pod, since, until, warmup)] for pods in suspects
    )
    if until - since < TICK and not crashed and not others:
        return None
    ours, theirs = workload.pods_of(workload.candidate), workload.pods_of(baseline)
    unsound = {pod.name for pods in suspects for pod in pods}
    nodes = {pod.node for pod in ours if pod.node is not None}
    return CrashTick(
        since,
        until,
        Counts(_exposure(ours, unsound, since, until, warmup), len(crashed)),
        Counts(_exposure(theirs, unsound, since, until, warmup), len(others)),
        frozenset(pod.node for pod in crashed if pod.node is not None),
        len(nodes),
    )


def ripe_at(workload: Workload, baseline: Revision, since: datetime, warmup: timedelta) -> datetime | None:
    """When the next first crash that is known already can be taken in."""
    pods = (*workload.unsound_of(workload.candidate), *workload.unsound_of(baseline))
    ends = (at for pod in pods if (at := _first_crash(pod, since)) is not None and _counts(pod, at, warmup))
    first = min(ends, default=None)
    return first + SETTLES + timedelta(seconds=1) if first is not None else None


def _crashes_within(pod: Pod, since: datetime, until: datetime, warmup: timedelta) -> bool:
    at = _first_crash(pod, since)
    return at is not None and at <= until and _counts(pod, at, warmup)


def _counts(pod: Pod, at: datetime, warmup: timedelta) -> bool:
    return pod.created_at is not None and at > pod.created_at + warmup


def _first_crash(pod: Pod, since: datetime) -> datetime | None:
    """When the pod crashed for the first time, where that was after `since`."""
    if not _ended(pod):
        return None
    ends = [at for c in pod.containers if (at := _first_end(c, since)) is not None]
    return min(ends) if ends and cluster_fault(pod) is None else None


def _ended(pod: Pod) -> bool:
    """Whether a run of any of its containers is over that was not to end."""
    return any(end_of(each) is not None for each in pod.containers if not each.runs_once)


def _first_end(container: Container, since: datetime) -> datetime | None:
    end = end_of(container)
    if end is None or container.runs_once or end.reason in NOT_A_CRASH or end.finished_at is None:
        return None
    crashes = container.restarts + (container.running_since is None)
    if crashes == 2 and end.started_at is not None and end.started_at > since:
        return end.started_at  # a first restart comes at once
    return end.finished_at if crashes <= 1 and end.finished_at > since else None


def _exposure(
    pods: Sequence[Pod], unsound: Collection[str], since: datetime, until: datetime, warmup: timedelta
) -> int:
    """For how many seconds, summed over the pods, they ran in this time without having crashed before."""
    seconds, whole, warm = 0.0, (until - since).total_seconds(), since - warmup
    for pod in pods:
        if pod.created_at is None:
            continue
        if pod.created_at <= warm and pod.name not in unsound:  # as nearly all do
            seconds += whole
            continue
        ended = pod.name in unsound and _ended(pod)
        end = _first_crash(pod, since) if ended else until
        begin = max(since, pod.created_at + warmup)
        if end is not None:
            seconds += max(0.0, (min(end, until) - begin).total_seconds())
    return round(seconds)
