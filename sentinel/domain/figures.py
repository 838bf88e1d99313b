"""Counts, shares, times and lengths of time as people read them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

_PROVEN = 1e6
"""Evidence above this is far beyond any level: more digits would say nothing."""


def amount(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 policy`, `1,200 policies`; `many` is needed where the plural is not `one` + s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: `a`, `a and b`, `a, b and c`."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def percent(share: float) -> str:
    """A share between 0 and 1 in percent: `0.5%`, `12.3%`."""
    return f"{share * 100:.3g}%"


def seconds(value: float) -> str:
    """A short time, given in seconds: `250 ms`, `1.5 s`."""
    return f"{value * 1000:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"


def duration(length: timedelta) -> str:
    """A length of time in its two coarsest units: `850 ms`, `12.5 s`, `4 min 30 s`, `3 h`, `2 d 7 h`."""
    total = length.total_seconds()
    if abs(total) < 60:
        return seconds(total)
    sign, rest = ("-" if total < 0 else ""), round(abs(total))
    (coarse, coarse_unit), (fine, fine_unit) = _two_units(rest)
    return f"{sign}{coarse} {coarse_unit}" + (f" {fine} {fine_unit}" if fine else "")


def age(length: timedelta) -> str:
    """A length of time in a table's column, as kubectl shows ages: `45s`, `7m`, `3h12m`, `5d0h`."""
    total = max(0, int(length.total_seconds()))
    if total < 120:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m"
    (coarse, coarse_unit), (fine, fine_unit) = _two_units(total)
    return f"{coarse}{coarse_unit[0]}{fine}{fine_unit[0]}"


def about(length: timedelta) -> str:
    """An estimate of a length of time: `about 4 min`."""
    total = length.total_seconds()
    if total < 90:
        return f"about {max(1, round(total))} s"
    return f"about {round(total / 60)} min" if total < 5400 else f"about {round(total / 3600)} h"


def moment(at: datetime) -> str:
    """A point in time, in UTC, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def rfc3339(at: datetime) -> str:
    """A point in time, in UTC, for programs: `2026-11-29T10:02:03Z`."""
    return at.isoformat().replace("+00:00", "Z")


def to_one(evidence: float) -> str:
    """The strength of evidence, as odds: `1,119:1`."""
    if evidence >= _PROVEN:
        return f"over {_PROVEN:,.0f}:1"
    return f"{evidence:,.0f}:1" if evidence >= 10 else f"{evidence:.2g}:1"


def _two_units(total: int) -> tuple[tuple[int, str], tuple[int, str]]:
    """Whole seconds in the coarsest unit that they fill, and what is left in the next finer one."""
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if days:
        return (days, "d"), (hours % 24, "h")
    return ((hours, "h"), (minutes % 60, "min")) if hours else ((minutes, "min"), (total % 60, "s"))
