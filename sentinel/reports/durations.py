"""Many durations in little space: how many there were of each length, within 5 %."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import field

from sentinel.values import dataclass

_STEPS = 8
"""Lengths for each doubling: the middle of one is at most 4.5 % away from what it stands for."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How many durations there were of each length; `counts` are by the length's place on a logarithmic scale."""

    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Durations":
        """These durations; those under a second count as a second."""
        counts: dict[str, int] = {}
        for one in seconds:
            place = str(round(_STEPS * math.log2(max(1.0, one))))
            counts[place] = counts.get(place, 0) + 1
        return cls(counts)

    def __add__(self, other: "Durations") -> "Durations":
        places = self.counts.keys() | other.counts.keys()
        return Durations({place: self.counts.get(place, 0) + other.counts.get(place, 0) for place in places})

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    @property
    def median(self) -> float | None:
        """The lower median in seconds, within 5 %; None without any duration."""
        left = (self.count + 1) // 2
        for place in sorted(map(int, self.counts)):
            left -= self.counts[str(place)]
            if left <= 0:
                return float(2 ** (place / _STEPS))
        return None
