"""How a rollout proceeds: its steps, bakes, deadline and guard window."""

from datetime import timedelta
from enum import StrEnum

from sentinel.domain.gate import Gate
from sentinel.domain.workload.pairing import Pairing
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the share of the pods or requests in [0, 1], how long it bakes, who must agree before the next.

    At 0 the candidate's pods are there, and get no requests but those of a preview.
    """

    weight: float
    bake: timedelta = timedelta(0)
    approval: bool = False
    gates: tuple[Gate, ...] = ()


class OnDeadline(StrEnum):
    """What happens to a rollout that cannot be judged in time."""

    HOLD = "hold"
    UNDO = "undo"


class OnLowTraffic(StrEnum):
    """What happens when a step's bake is over and too few requests were seen to judge it."""

    HOLD = "hold"
    ADVANCE = "advance"


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a rollout proceeds: canary steps (may be none), the bake at 100 %, the guard after promotion.

    `promote_early`: a step may end before its bake when the candidate is proven good. `pauses`: a rolling update may be
    paused; without, a hold pauses nothing. `pairing` names the objects
    that the policy makes the workload of, None where it is one object.
    """

    steps: tuple[Step, ...] = ()
    bake: timedelta = timedelta(minutes=10)
    guard: timedelta = timedelta(hours=1)
    deadline: timedelta = timedelta(hours=1)
    on_deadline: OnDeadline = OnDeadline.HOLD
    on_low_traffic: OnLowTraffic = OnLowTraffic.HOLD
    min_requests: int = 100
    warmup: timedelta = timedelta(seconds=30)
    promote_early: bool = False
    pauses: bool = True
    pairing: Pairing | None = None
