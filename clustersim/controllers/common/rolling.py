"""The arithmetic of a Deployment's rolling update, as in Kubernetes' `pkg/controller/deployment/util`.

Pure: sizes in, sizes out. A `Slot` is one ReplicaSet as the arithmetic sees it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

IntOrPercent = int | str


@dataclass(frozen=True, slots=True)
class Slot:
    """One ReplicaSet: its wanted size, its available pods, its age order (0 is the oldest).

    `max_replicas` is what its `deployment.kubernetes.io/max-replicas` annotation says, 0 where it has none.
    """

    name: str
    replicas: int
    available: int = 0
    age: int = 0
    max_replicas: int = 0


@dataclass(frozen=True, slots=True)
class RollingUpdateLimits:
    """How far a rollout may deviate from `replicas`: `surge` pods above it, `unavailable` below it."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def ceiling(self) -> int:
        """The most pods that may be asked for at once."""
        return self.replicas + self.surge

    @property
    def floor(self) -> int:
        """The fewest available pods."""
        return self.replicas - self.unavailable


def scaled(value: IntOrPercent, total: int, *, round_up: bool) -> int:
    """An absolute number, or a percentage of `total` rounded as asked; raises ValueError for other text."""
    if isinstance(value, int):
        return value
    if not value.endswith("%") or not value[:-1].isdigit():
        raise ValueError(f"not a number or a percentage: {value!r}")
    share = int(value[:-1]) * total
    return math.ceil(share / 100) if round_up else share // 100


def budget(replicas: int, max_surge: IntOrPercent, max_unavailable: IntOrPercent) -> RollingUpdateLimits:
    """The bounds of a rolling update: surge rounded up, unavailable down, never both zero."""
    surge = scaled(max_surge, replicas, round_up=True)
    unavailable = scaled(max_unavailable, replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return RollingUpdateLimits(replicas, surge, min(unavailable, replicas))


def new_size(limits: RollingUpdateLimits, everyone: int, new: int) -> int:
    """How large the new ReplicaSet may be when all together ask for `everyone` pods."""
    if new > limits.replicas:
        return limits.replicas
    room = limits.ceiling - everyone
    return new if room <= 0 else new + min(room, limits.replicas - new)


def old_sizes(limits: RollingUpdateLimits, new: Slot, old: Sequence[Slot]) -> dict[str, int]:
    """The sizes to which the old ReplicaSets shrink now: unhealthy pods first, then the oldest sets.

    Only those that change are in the answer.
    """
    not_yet_available = new.replicas - new.available
    spare = sum(slot.replicas for slot in old) + new.replicas - limits.floor - not_yet_available
    if spare <= 0 or not any(slot.replicas for slot in old):
        return {}
    ordered = sorted(old, key=lambda slot: slot.age)
    cleaned = _without_unhealthy(ordered, spare)
    removable = sum(slot.available for slot in old) + new.available - limits.floor
    shrunk = _shrink(cleaned, removable)
    before = {slot.name: slot.replicas for slot in old}
    return {slot.name: slot.replicas for slot in shrunk if slot.replicas != before[slot.name]}


def _without_unhealthy(ordered: Sequence[Slot], at_most: int) -> list[Slot]:
    cleaned = []
    for slot in ordered:
        gone = max(min(at_most, slot.replicas - slot.available), 0)
        at_most -= gone
        cleaned.append(replace(slot, replicas=slot.replicas - gone))
    return cleaned


def _shrink(ordered: Sequence[Slot], at_most: int) -> list[Slot]:
    shrunk = []
    for slot in ordered:
        gone = max(min(at_most, slot.replicas), 0)
        at_most -= gone
        shrunk.append(replace(slot, replicas=slot.replicas - gone))
    return shrunk


def proportional_sizes(
    limits: RollingUpdateLimits, active: Sequence[Slot], status_replicas: int
) -> Mapping[str, int]:
    """The sizes of the active ReplicaSets after the Deployment was scaled in the middle of a rollout.

    Each grows or shrinks with its share; what rounding leaves over goes to the largest. `status_replicas` is used if
    a set lacks a max-replicas annotation.
    """
    allowed = limits.ceiling if limits.replicas > 0 else 0
    to_add = allowed - sum(slot.replicas for slot in active)
    newest_first = -1 if to_add > 0 else 1
    ordered = sorted(active, key=lambda slot: (-slot.replicas, newest_first * slot.age))
    sizes: dict[str, int] = {}
    added = 0
    for slot in ordered:
        part = _proportion(limits, slot, status_replicas, to_add - added) if to_add else 0
        sizes[slot.name] = slot.replicas + part
        added += part
    if ordered and to_add:
        largest = ordered[0].name
        sizes[largest] = max(sizes[largest] + to_add - added, 0)
    return sizes


def _proportion(limits: RollingUpdateLimits, slot: Slot, status_replicas: int, left: int) -> int:
    if slot.replicas == 0 or left == 0:
        return 0
    fraction = _fraction(limits, slot, status_replicas)
    return min(fraction, left) if left > 0 else max(fraction, left)


def _fraction(limits: RollingUpdateLimits, slot: Slot, status_replicas: int) -> int:
    if limits.replicas == 0:
        return -slot.replicas
    before = slot.max_replicas or status_replicas
    if before == 0:
        return 0
    return _round_half_away(slot.replicas * limits.ceiling / before) - slot.replicas


def _round_half_away(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)
