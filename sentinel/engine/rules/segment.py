"""Segments: stretches of a rollout in which the arms do not change, each with fresh evidence and a share of α."""

from sentinel.values import dataclass, replace

_BOTH = "both"


@dataclass(frozen=True, slots=True)
class Segment:
    """Where a rollout stands, as its metric rules need to know it.

    `name` changes exactly when the arms do (a step, the baseline gone at 100 %); `share` (0 to 1) is this segment's
    part of a rule's α. `concurrent` says that stable pods serve beside the candidate's. `bake_over` says that the
    step's bake has elapsed, so that a pass is possible; a verdict before that is pending unless it is a fail.
    `early` allows a pass before, where the candidate is proven good.
    """

    name: str
    share: float
    concurrent: bool
    bake_over: bool = False
    min_requests: int = 100
    early: bool = False

    def before(self, name: str) -> "Segment":
        """An earlier segment of the same rollout, by its name; its bake was not over."""
        return replace(self, name=name, concurrent=name.endswith(_BOTH), bake_over=False)


def segment_of(
    rollout_step: int,
    steps: int,
    *,
    concurrent: bool,
    min_requests: int,
    early: bool = False,
    bake_over: bool = False,
) -> Segment:
    """The segment of a step: it changes with the step and when the last stable pod is gone.

    A rollout of `steps` canary steps has at most `steps + 2` segments (100 % has two), which share α evenly.
    """
    arms = _BOTH if concurrent else "alone"
    return Segment(f"{rollout_step}:{arms}", 1 / (steps + 2), concurrent, bake_over, min_requests, early)
