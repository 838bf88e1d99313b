"""Steps with their bakes, as a rule file's strategy."""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta

from sentinel.policies.importing.draft import Draft, Values
from sentinel.policies.importing.shapes import items, mapping
from sentinel.policies.schema.quantities import MAX_DURATION, format_duration
from sentinel.values import dataclass

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
    draft: Draft,
    steps: list[PacedStep],
    notes: list[str],
    bake: timedelta = FINAL_BAKE,
    pair: Mapping[str, object] | None = None,
) -> None:
    """Put steps into a draft, those of a canary `pair` where one is given; the deadline is made long enough."""
    kept = steps[:MAX_STEPS]
    if len(kept) < len(steps):
        notes.append(f"Left out: the steps after the first {MAX_STEPS}.")
    total = sum((step.bake for step in kept), bake)
    if total + SPARE > MAX_DURATION:
        notes.append("Left out: the bakes; together they are longer than a year.")
        kept = [PacedStep(step.weight, approval=step.approval, gates=step.gates) for step in kept]
        total = bake
    draft.strategy_notes += notes
    made = {"steps": [_step(step) for step in kept]}
    draft.strategy = {"canaryPair": {**pair, **made}} if pair and kept else {"canary": made} if kept else {}
    draft.strategy["bake"] = format_duration(bake)
    draft.strategy["deadline"] = format_duration(max(HOUR, total + SPARE))


def steps_in(draft: Draft) -> list[Values]:
    """What comes before 100 % in a draft, of whichever strategy."""
    paced = mapping(draft.strategy.get("canary")) or mapping(draft.strategy.get("canaryPair"))
    preview = mapping(draft.strategy.get("blueGreen")).get("preview")
    return items(paced.get("steps")) or items([preview])


def _step(step: PacedStep) -> dict[str, object]:
    return {
        "weight": f"{step.weight:g}%",
        "bake": format_duration(step.bake),
        **({"approval": "required"} if step.approval else {}),
        **({"gates": step.gates} if step.gates else {}),
    }
