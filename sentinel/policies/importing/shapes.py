"""Reads foreign values, none of which is known to have the right type."""

import re
from collections.abc import Mapping
from datetime import timedelta

from sentinel.policies.importing.draft import ImportRefusedError, Values
from sentinel.policies.schema.quantities import MAX_DURATION, format_duration

_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)")
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 604_800.0,
    "y": 31_536_000.0,
}


def mapping(value: object) -> Values:
    """A mapping, empty for anything else."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Values]:
    """The mappings in a list; nothing for anything else."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Text as it is, numbers and truth values as YAML writes them, nothing for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def number(value: object, what: str) -> float:
    """A finite number, in quotes or not. Raises ImportRefusedError."""
    try:
        found = float("" if isinstance(value, bool) else text(value))
    except ValueError:
        raise ImportRefusedError(f"{what} is not a number: {shown(value)}") from None
    if found != found or abs(found) > 1e15:
        raise ImportRefusedError(f"{what} is out of range: {shown(value)}")
    return found


def whole(value: object, what: str) -> int:
    """A whole number, in quotes or not. Raises ImportRefusedError."""
    found = number(value, what)
    if found != int(found):
        raise ImportRefusedError(f"{what} is not a whole number: {shown(value)}")
    return int(found)


def duration(value: object, what: str) -> timedelta:
    """A duration as Go or Prometheus writes it (`1m30s`, `500ms`, `7d`), or a number of seconds.

    Raises ImportRefusedError.
    """
    compact = text(value).strip()
    if re.fullmatch(r"\d{1,9}", compact):
        found = float(compact)
    else:
        parts = _GO_PART.findall(compact)
        if not parts or "".join(one + unit for one, unit in parts) != compact or len(compact) > 40:
            raise ImportRefusedError(f"{what} is not a duration: {shown(value)}")
        found = sum(float(one) * _SECONDS[unit] for one, unit in parts)
    if found > MAX_DURATION.total_seconds():
        raise ImportRefusedError(f"{what} is longer than {format_duration(MAX_DURATION)}: {shown(value)}")
    return timedelta(seconds=found)


def shown(value: object) -> str:
    """A value in a message, shortened."""
    written = repr(value)
    return written if len(written) <= 80 else written[:77] + "..."
