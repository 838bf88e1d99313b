"""Canary steps by stopping and releasing: where a workload should stand, and the one change that brings it nearer."""

import math
from dataclasses import replace
from datetime import datetime, timedelta

from sentinel.domain.decision import Change, Release, Stop
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import RolloutState
from sentinel.domain.workload.facts import Mark, Stepping, Workload


def steps_apply(policy: Policy, workload: Workload, mode: Mode) -> bool:
    """Whether this rollout is steered through canary steps: never in observe mode, nor where the workload cannot."""
    able = workload.abilities.stepping is Stepping.PAUSING
    return bool(policy.strategy.steps) and mode is Mode.ENFORCE and able


def wanted_pods(weight: float, desired: int) -> int:
    """How many candidate pods a step's weight asks for: ⌈weight × replicas⌉, at least one, none of no replicas.

    A hair is taken off first: 7 % of 100 is 7, though 0.07 × 100 in binary is a little more.
    """
    return max(1, math.ceil(weight * desired - 1e-9)) if desired > 0 else 0


def weight_reached(workload: Workload) -> float:
    """The share of the workload that is of the candidate, at most 1."""
    return workload.exposure.share


def step_reached(weight: float | None, workload: Workload) -> bool:
    """Whether the step's pods are there and ready; weight None is the whole workload.

    A step that the workload's own controller makes is reached where the controller waits.
    """
    if not workload.observed:
        return False
    if weight is None:
        return workload.rolled_out
    if workload.own_steps is not None:
        return workload.own_steps.waits and workload.exposure.ready >= workload.exposure.candidate
    return workload.exposure.ready >= wanted_pods(weight, workload.exposure.wanted)


def pause_mark(record: Record, policy: Policy, now: datetime) -> Mark:
    """Our signature for a pause made now: it is meant to last until the rollout's deadline at the latest."""
    until = record.started_at + policy.strategy.deadline + timedelta(seconds=record.state.waited)
    return Mark(record.name, max(until, now).replace(microsecond=0))


def steer(weight: float | None, workload: Workload, mark: Mark | None = None) -> Change | None:
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


def note_pause(record: Record, workload: Workload) -> RolloutState:
    """The rollout's state with our pause noted where it is seen in force.

    A view from before we lifted it last says nothing, however late it comes.
    """
    if (
        workload.brake.on
        and _signed_for(record, workload)
        and workload.generation > record.state.resumed_from
    ):
        return replace(record.state, pause_seen=workload.generation)
    return record.state


def note_lifted(state: RolloutState, workload: Workload) -> RolloutState:
    """The state once we lift the pause."""
    return replace(state, pause_seen=0, resumed_from=workload.generation)


def lifted_by_human(record: Record, workload: Workload) -> bool:
    """Whether a pause of ours is gone that we did not lift: `kubectl rollout resume` leaves our mark behind, and a
    patch that removes the mark, too, is recognised because the pause was seen before."""
    gone = _signed_for(record, workload) or record.state.pause_seen > 0
    return gone and not workload.brake.on and not record.state.released


def _signed_for(record: Record, workload: Workload) -> bool:
    return workload.brake.mark is not None and workload.brake.mark.record == record.name
