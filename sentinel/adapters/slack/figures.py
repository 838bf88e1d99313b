"""Numbers and times as a person reads them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sentinel.adapters.slack.mrkdwn import escape
from sentinel.domain.record.state import UndoState
from sentinel.domain.verdict import Number

_MACHINE_ONLY = frozenset({"log_e_ratio", "log_e_limit", "ticks", "phi", "first_bad_at"})
_ARMS = ("candidate", "baseline")


def numbers(values: Mapping[str, Number]) -> tuple[str, ...]:
    """A line for each rule: candidate against baseline, the limit, the odds; or the plain figures.

    Names may be prefixed by their rule (`error-rate.candidate_total`).
    """
    rules: dict[str, dict[str, Number]] = {}
    for name, value in values.items():
        rule, _, figure = name.rpartition(".")
        rules.setdefault(rule, {})[figure] = value
    lines = []
    for rule, figures in rules.items():
        line = _line(figures)
        if line:
            lines.append(f"{escape(rule, 100)}: {line}" if rule else line)
    return tuple(lines)


def duration(length: timedelta) -> str:
    """A length of time, to what matters of it."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(at: datetime) -> str:
    """A time of day, in UTC."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def undo_times(undo: UndoState) -> tuple[str, ...]:
    """How long detecting, undoing and restoring took, as far as they have come."""
    began = undo.fault_at or undo.decided_at
    times = []
    if undo.fault_at is not None:
        times.append(f"detected in {duration(undo.decided_at - undo.fault_at)}")
    if undo.patched_at is not None:
        times.append(f"undone {duration(undo.patched_at - began)} after the {_origin(undo)}")
    if undo.restored_at is not None:
        times.append(f"restored {duration(undo.restored_at - began)} after the {_origin(undo)}")
    return tuple(times)


def _origin(undo: UndoState) -> str:
    return "fault's first sign" if undo.fault_at is not None else "decision"


def _line(figures: Mapping[str, Number]) -> str:
    arms = [(arm, _arm(figures, arm)) for arm in _ARMS]
    parts = [f"*{arm}* {text}" for arm, text in arms if text]
    if not parts:
        shown = {name: value for name, value in figures.items() if name not in _MACHINE_ONLY}
        return ", ".join(
            f"{escape(name.replace('_', ' '), 50)} {_plain(value)}" for name, value in shown.items()
        )
    limit = figures.get("limit")
    if isinstance(limit, int | float):
        parts.append(f"limit {limit:.2%}" if "candidate_errors" in figures else f"limit {limit:.3g} s")
    if "odds" in figures:
        parts.append(f"odds {_plain(figures['odds'])}")
    return " · ".join(parts)


def _arm(figures: Mapping[str, Number], arm: str) -> str:
    """One arm's figures; empty where it saw nothing."""
    total = figures.get(f"{arm}_total")
    if not isinstance(total, int | float) or not total:
        return ""
    parts = []
    errors = figures.get(f"{arm}_errors")
    if isinstance(errors, int | float):
        parts.append(f"{errors / total:.2%} ({_plain(errors)} of {_plain(total)} failed)")
    for name, label in (("mean", "mean"), ("quantile", "quantile")):
        value = figures.get(f"{arm}_{name}")
        if isinstance(value, int | float):
            parts.append(f"{label} {value:.3g} s")
    return ", ".join(parts) if errors is not None else ", ".join([*parts, f"{_plain(total)} requests"])


def _plain(value: Number) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else escape(value, 100)
