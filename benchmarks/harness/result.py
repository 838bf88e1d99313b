"""What a benchmark finds for one build, and how that compares with another build in the same run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan

from benchmarks.harness.build import Build
from benchmarks.harness.figures import table


@dataclass(frozen=True, slots=True)
class Result:
    """Figures by what they tell, the less the better; the page for a date; what is wrong with them, if anything."""

    figures: Mapping[str, float]
    page: Callable[[str], str]
    flaw: str = ""


Benchmark = Callable[[Build, bool], Result]
"""Measures a build, in short where the second argument says so."""


def against(base: str, before: Mapping[str, float], now: Mapping[str, float]) -> str:
    """The section of a page that sets every figure in relation to an earlier build's."""
    rows = [
        (what, _ratio(figure, before[what]))
        for what, figure in now.items()
        if before.get(what, 0.0) > 0 or isnan(before.get(what, 0.0))
    ]
    return (
        f"\n## Against {base}\n\n"
        f"`make bench BASE={base}` measured both in turn on the same machine. Less than 1 is less than before.\n\n"
        f"{table(('', f'÷ {base}'), rows)}\n"
    )


def _ratio(now: float, before: float) -> str:
    """Both as a ratio; a build may not have come to a figure in time, or not have it."""
    return "no figure" if isnan(now) or isnan(before) else f"{now / before:.2f}"
