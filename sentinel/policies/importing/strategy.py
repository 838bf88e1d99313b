"""Steps with their bakes, as a rule file's strategy."""

from dataclasses import dataclass, field
from datetime import timedelta

from sentinel.policies.importing.draft import Draft
from sentinel.policies.schema.quantities import MAX_DURATION, format_duration

MAX_STEPS = 50
FINAL_BAKE = timedelta(minutes=10)
SPARE = timedelta(minutes=30)
"""How much longer than all bakes the deadline is: for the pods to come up, and for a verdict to be extended."""

HOUR = timedelta(hours=1)


@dataclass(slots=True)
class PacedStep:
    """One step: its weight in per cent, how long it bakes, whether someone must approve what follows, and its gates."""

    weight: float
    bake: timedelta = timedelta(0)
    approval: bool = False
    gates: list[dict[str, object]] = field(default_factory=list)


def put_strategy(
    draft: Draft, steps: list[PacedStep], notes: list[str], bake: timedelta = FINAL_BAKE
) -> None:
    """Put steps into a draft; the deadline is made long enough for all of them."""
    kept = steps[:MAX_STEPS]
    if len(kept) < len(steps):
        notes.append(f"Left out: the steps after the first {MAX_STEPS}.")
    total = sum((step.bake for step in kept), bake)
    if total + SPARE > MAX_DURATION:
        notes.append("Left out: the bakes; together they are longer than a year.")
        kept = [PacedStep(step.weight, approval=step.approval, gates=step.gates) for step in kept]
        total = bake
    draft.strategy_notes += notes
    draft.strategy = {"canary": {"steps": [_step(step) for step in kept]}} if kept else {}
    draft.strategy["bake"] = format_duration(bake)
    draft.strategy["deadline"] = format_duration(max(HOUR, total + SPARE))


def _step(step: PacedStep) -> dict[str, object]:
    return {
        "weight": f"{step.weight:g}%",
        "bake": format_duration(step.bake),
        **({"approval": "required"} if step.approval else {}),
        **({"gates": step.gates} if step.gates else {}),
    }
