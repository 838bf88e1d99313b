"""Rollouts' states for tests, by the names of their fields alone."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sentinel.domain.record.state import (
    BrakeState,
    Ending,
    GateState,
    Phase,
    RolloutState,
    StepProgress,
    Waits,
)

_PARTS = {
    "progress": StepProgress,
    "waits": Waits,
    "gating": GateState,
    "brake": BrakeState,
    "ending": Ending,
}
_PART_OF = {item.name: part for part, kind in _PARTS.items() for item in fields(kind)}


def changed_state(state: RolloutState, **changes: Any) -> RolloutState:
    """The state with these fields changed, each in the part of the state that has it."""
    for name, value in changes.items():
        part = _PART_OF.get(name)
        within = replace(getattr(state, part), **{name: value}) if part else value
        state = replace(state, **{part or name: within})
    return state


def state_of(phase: Phase, **fields_: Any) -> RolloutState:
    """A state in this phase with these fields."""
    return changed_state(RolloutState(phase), **fields_)
