"""Segments: stretches of a rollout in which the arms do not change, each with fresh evidence and a share of α."""

from dataclasses import dataclass


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
