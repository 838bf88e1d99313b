"""The canary steps that a workload's own controller makes, and the stages that they come to."""

from collections.abc import Sequence
from datetime import timedelta

from sentinel.domain.workload.facts import OwnSteps
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class OwnStep:
    """One step. `weight` is the share in [0, 1] that it asks for, None where it asks for none.

    `pauses`: its controller waits at it, for `duration`, or (None) until it is promoted.
    """

    weight: float | None = None
    pauses: bool = False
    duration: timedelta | None = None

    @property
    def waits(self) -> bool:
        """Whether its controller goes no further until it is promoted."""
        return self.pauses and self.duration is None


def position(
    steps: Sequence[OwnStep], at: int, *, waits: bool = False, full: bool = False, aborted: str = ""
) -> OwnSteps:
    """The stage of the step `at`, counted from 0; past the last step it is 100 %.

    A stage ends where the weight changes, and after a step that waits to be promoted.
    """
    stages = _stages(steps)
    count = stages[-1][0] + 1 if stages else 0
    stage, weight = stages[at] if at < len(stages) else (count, 1.0)
    return OwnSteps(stage, count, weight, waits, full, aborted)


def _stages(steps: Sequence[OwnStep]) -> list[tuple[int, float]]:
    """The stage and the weight of each step."""
    stages: list[tuple[int, float]] = []
    stage, weight = 0, 0.0
    for index, step in enumerate(steps):
        asked = weight if step.weight is None else step.weight
        passed = index > 0 and steps[index - 1].waits
        if index > 0 and (passed or asked != weight):
            stage += 1
        weight = asked
        stages.append((stage, weight))
    return stages
