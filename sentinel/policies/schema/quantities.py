"""Durations, shares and latencies as people write them in rule files.

Each parser raises InputError with what is wrong and what would be right.
"""

import re
from datetime import timedelta

from sentinel.policies.mistakes import InputError

MAX_DURATION = timedelta(days=366)

_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|[wdhms])", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?", re.ASCII)
DURATION = "^" + "".join(rf"([0-9]{{1,12}}(\.[0-9]{{1,9}})?{unit})?" for unit in _UNITS) + "$"
"""What `parse_duration` takes as text of two characters or more, as editors and API servers check it; a pattern cannot
say which is too long."""
POSITIVE_SHARE = r"^((0{0,10}[0-9]{1,2}(\.[0-9]{1,12})?|0{0,9}100(\.0{1,12})?)\s*%|0{1,12}(\.[0-9]{1,12})?)$"
"""The same for `parse_share`. Text of zeros alone is excluded by `NOT_ZERO`."""
NOT_ZERO = "[1-9]"
_DURATION_HINT = "write a number with a unit (ms, s, m, h, d, w), such as 30s or 1h30m"
_SHARE_HINT = "write a percentage such as 5% or a fraction such as 0.05"


def parse_duration(value: object) -> timedelta:
    """A duration such as `30s`, `1h30m`, `7d`; a bare 0 is zero. At most 366 days."""
    if value == 0 and not isinstance(value, bool):
        return timedelta(0)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise InputError(f"{value} has no unit", f"did you mean {value}s?")
    if not isinstance(value, str):
        raise InputError("is not a duration", _DURATION_HINT)
    seconds = _total(value)
    if seconds > MAX_DURATION.total_seconds():
        raise InputError(f"{value} is too long", f"at most {format_duration(MAX_DURATION)}")
    return timedelta(seconds=seconds)


def parse_seconds(value: object) -> float:
    """A latency in seconds such as `250ms`, `1s`, `1.5s`; more than zero."""
    seconds = parse_duration(value).total_seconds() if isinstance(value, str) else None
    if seconds is None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise InputError(f"{value} has no unit", f"did you mean {value}s or {value}ms?")
        raise InputError("is not a time", "write a number with a unit, such as 250ms or 1s")
    if seconds <= 0:
        raise InputError(f"{value} is not more than zero", "write a time such as 250ms or 1s")
    return seconds


def parse_share(value: object) -> float:
    """A share between 0 and 1, as a percentage (`5%`) or a fraction (`0.05`)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError("is not a percentage", _SHARE_HINT)
    text = str(value).strip()
    percent = text.endswith("%")
    number = _number(text.removesuffix("%").rstrip() if percent else text, value)
    if not percent and number == 1:
        raise InputError(f"{value} could mean 1% or 100%", "write 1% or 100%")
    if number < 0 or text.startswith("-"):
        raise InputError(f"{value} is negative", _SHARE_HINT)
    share = round(number / 100, 12) if percent else number
    if not share <= 1 or (percent and number > 100):
        hint = _SHARE_HINT if percent else f"did you mean {text}%?"
        raise InputError(f"{value} is more than 100%", hint)
    return share


def format_latency(seconds: float) -> str:
    """A latency as rule files write it: `250ms`, `1.5s`."""
    return f"{seconds * 1000:.6g}ms" if seconds < 1 else f"{seconds:.6g}s"


def format_duration(duration: timedelta) -> str:
    """A duration as rule files write it: `1h30m`; `0s` for none."""
    rest = round(duration.total_seconds() * 1000)
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        whole, rest = divmod(rest, round(_UNITS[unit] * 1000))
        text += f"{whole}{unit}" if whole else ""
    return text or "0s"


def _total(text: str) -> float:
    compact = text.strip()
    if compact.startswith("-"):
        raise InputError(f"{text} is negative", _DURATION_HINT)
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise InputError(f"{_shortened(text)} is not a duration", _DURATION_HINT)
    units = [unit for _, unit in parts]
    if sorted(set(units), key=list(_UNITS).index) != units:
        raise InputError(f"{text} names a unit twice or out of order", "larger units first, such as 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _number(text: str, value: object) -> float:
    if isinstance(value, float):
        return value
    if not _NUMBER.fullmatch(text):
        raise InputError(f"{_shortened(str(value))} is not a percentage", _SHARE_HINT)
    return float(text)


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
