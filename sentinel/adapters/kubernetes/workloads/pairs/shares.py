"""Shares of the requests: how many pods they need, and what is noted of them on the canary."""

import math

from sentinel.adapters.kubernetes.workloads.trim import parse_mark
from sentinel.domain.workload.facts import Mark
from sentinel.values import dataclass

_HAIR = 1e-9
_CLOSE = 0.001
"""Weights are whole numbers, so that a share in a route may differ by so much from what was asked for."""


@dataclass(frozen=True, slots=True)
class ShareMark:
    """Our mark on the canary: the share that we last asked for and the one before, and its pods likewise.

    Written before the share itself: until that is, the one before is in force. Any other share is somebody else's.
    `scale` is the total of the route's two weights as people wrote it, 0 where that is not known.
    """

    before: float
    share: float
    pods_before: int
    pods: int
    mark: Mark
    scale: int = 0

    def __str__(self) -> str:
        known = f"{self.before:.6g},{self.share:.6g},{self.pods_before},{self.pods},{self.mark}"
        return f"{known},{self.scale}" if self.scale else known


def parse_share_mark(value: str) -> ShareMark | None:
    """The mark in an annotation, None where it is absent or not of our making."""
    parts = value.split(",", 4)
    try:
        before, share = float(parts[0]), float(parts[1])
        pods_before, pods = int(parts[2]), int(parts[3])
        signature, _, scale = parts[4].rpartition(",")
        mark, scaled = (parse_mark(signature), int(scale)) if scale.isdecimal() else (parse_mark(parts[4]), 0)
    except (ValueError, IndexError):
        return None
    return ShareMark(before, share, pods_before, pods, mark, scaled) if mark is not None else None


def close(share: float, other: float) -> bool:
    """Whether two shares are the same, as far as whole numbers of weights can tell."""
    return abs(share - other) <= _CLOSE


def ratio(canary: int, stable: int) -> float:
    """The canary's share of the requests where each pod gets as many as any other."""
    return canary / (canary + stable) if canary else 0.0


def pods_for(share: float, stable: int, *, routed: bool) -> int:
    """How many pods the canary needs for a share below 1 of the requests, beside so many of the stable.

    With a route: as many as carry the share at the stable's load per pod. Without one: as many as get that share.
    """
    if share <= 0:
        return 0
    wanted = share * stable if routed else share / (1 - share) * stable
    return max(1, math.ceil(wanted - _HAIR))
