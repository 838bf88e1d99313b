"""Canary steps by pausing: where a Deployment should stand, and the one change that brings it nearer."""

import math
from datetime import datetime, timedelta

from sentinel.domain.decision import Change, Pause, Resume
from sentinel.domain.policy import Mode, Policy
from sentinel.domain.record import Record
from sentinel.domain.workload import PauseMark, Workload, WorkloadKind


def steps_apply(policy: Policy, workload: Workload, mode: Mode) -> bool:
    """Whether this rollout is steered through canary steps: never in observe mode, nor under `Recreate`."""
    return (
        bool(policy.strategy.steps)
        and mode is Mode.ENFORCE
        and workload.key.kind is WorkloadKind.DEPLOYMENT
        and not workload.recreate
    )


def wanted_pods(weight: float, desired: int) -> int:
    """How many candidate pods a step's weight asks for: ⌈weight × replicas⌉, at least one.

    A hair is taken off first: 10 % of 30 is 3, though 0.1 × 30 in binary is a little more.
    """
    return max(1, math.ceil(weight * desired - 1e-9)) if desired > 0 else 0


def weight_reached(workload: Workload) -> float:
    """The share of the wanted pods that are of the candidate, at most 1."""
    return min(1.0, workload.updated / workload.desired) if workload.desired > 0 else 0.0


def step_reached(weight: float | None, workload: Workload) -> bool:
    """Whether the step's pods are there and ready; weight None is the whole workload."""
    if not workload.observed:
        return False
    if weight is None:
        return workload.rolled_out
    return workload.candidate.ready >= wanted_pods(weight, workload.desired)


def pause_mark(record: Record, policy: Policy, now: datetime) -> PauseMark:
    """Our signature for a pause made now: it is meant to last until the rollout's deadline at the latest."""
    until = record.started_at + policy.strategy.deadline + timedelta(seconds=record.state.waited)
    return PauseMark(record.name, max(until, now).replace(microsecond=0))


def steer(weight: float | None, workload: Workload, mark: PauseMark) -> Change | None:
    """The change that brings the workload towards the weight, None when it is there or on its way.

    Weight None lets everything go. A pause that is not ours is never lifted, and counts that the controller has not
    brought up to date are not acted upon.
    """
    ours = workload.paused and workload.pause_mark is not None
    if weight is None:
        return Resume() if ours else None
    if not workload.observed:
        return None
    wanted = wanted_pods(weight, workload.desired)
    if ours and workload.updated < wanted:
        return Resume()
    if not workload.paused and workload.updated >= wanted and not workload.rolled_out:
        return Pause(mark)
    return None
