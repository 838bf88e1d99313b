"""How far a rollout is to come, and how far it has: weights as pods, or as a share of the requests."""

import math

from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.workload.facts import Stepping, Workload
from sentinel.engine.exposure import switching, traffic


def steps_apply(policy: Policy, workload: Workload, mode: Mode) -> bool:
    """Whether this rollout is steered through canary steps: never in observe mode, nor where the workload cannot."""
    able = workload.abilities.stepping not in (Stepping.NONE, Stepping.OWN)
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
    if workload.abilities.stepping is Stepping.SWITCHING:
        return switching.reached(workload)
    if workload.exposure.traffic is not None:
        return traffic.reached(weight, workload)
    if workload.own_steps is not None:
        return workload.own_steps.waits and workload.exposure.ready >= workload.exposure.candidate
    return workload.exposure.ready >= wanted_pods(weight, workload.exposure.wanted)
