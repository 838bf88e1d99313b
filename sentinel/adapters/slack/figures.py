"""Numbers and times of a rollout, as mrkdwn."""

from collections.abc import Mapping

from sentinel.adapters.slack.mrkdwn import escape
from sentinel.domain.figures import duration, to_one
from sentinel.domain.record.state import UndoState
from sentinel.domain.verdict import ARMS, Number, RuleFigures, figures_of

_MACHINE_ONLY = frozenset({"log_e_ratio", "log_e_limit", "ticks", "phi", "discount"})


def numbers(values: Mapping[str, Number]) -> tuple[str, ...]:
    """A line for each rule: canary against baseline, the limit, the evidence; or the plain figures."""
    lines = ((figures.rule, _line(figures)) for figures in figures_of(values))
    return tuple(f"{escape(rule, 100)}: {line}" if rule else line for rule, line in lines if line)


def undo_times(undo: UndoState) -> tuple[str, ...]:
    """How long detecting, undoing and restoring took, as far as they have come."""
    began = undo.fault_at or undo.decided_at
    origin = "first sign of the fault" if undo.fault_at is not None else "decision"
    times = []
    if undo.fault_at is not None:
        times.append(f"detected in {duration(undo.decided_at - undo.fault_at)}")
    if undo.patched_at is not None:
        times.append(f"undone {duration(undo.patched_at - began)} after the {origin}")
    if undo.restored_at is not None:
        times.append(f"restored {duration(undo.restored_at - began)} after the {origin}")
    return tuple(times)


def _line(figures: RuleFigures) -> str:
    parts = [f"*{title}* {escape(text, 100)}" for arm, title in ARMS.items() if (text := figures.arm(arm))]
    if not parts:
        shown = {name: value for name, value in figures.numbers.items() if name not in _MACHINE_ONLY}
        return ", ".join(_plain(name, value) for name, value in shown.items())
    parts += [f"limit {figures.limit}"] if figures.limit else []
    parts += [f"evidence {figures.evidence}"] if figures.evidence else []
    return " · ".join(parts)


def _plain(name: str, value: Number) -> str:
    if name == "odds" and not isinstance(value, str):
        return f"evidence {to_one(value)}"
    text = f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
    return f"{escape(name.replace('_', ' '), 50)} {escape(text, 100)}"
