"""How commands write: tables like kubectl's for people, JSON and YAML for programs; numbers and times in words."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import Number
from sentinel.domain.words import Standing, Would

BARS = "▁▂▃▄▅▆▇█"
_PIPE_WIDTH = 10_000
"""Columns of what goes to no terminal: nothing is wrapped or cut there."""


class Output(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How the answer is written.")]

STYLES = {
    Phase.PROMOTED: "green",
    Phase.UNDOING: "red",
    Phase.UNDONE: "red",
    Phase.FAILED: "red",
    Phase.HELD: "yellow",
    Would.UNDO: "red",
    Would.HOLD: "yellow",
    Phase.PROGRESSING: "cyan",
    Phase.BAKING: "cyan",
}


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, wrap: bool = False) -> Table:
    """A table without lines. On a terminal the last column is cut to what fits, or the last two wrap."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    fixed = len(columns) - (2 if wrap else 1)
    for index, column in enumerate(columns[:fixed]):
        widest = max((row[index].cell_len for row in cells), default=0)
        made.add_column(column, no_wrap=True, min_width=max(widest, len(column)))
    for column in columns[fixed:]:
        made.add_column(column, overflow="fold" if wrap else "ellipsis")
    for row in cells:
        # The column may be narrowed, and only such a one is; its text stays on one line all the same.
        row[-1].no_wrap = not wrap
        made.add_row(*row)
    return made


def show(what: RenderableType) -> None:
    """Write to the terminal, or in full width and without colours to a pipe or file; plain text is no markup."""
    what = Text(what) if isinstance(what, str) else what
    console = Console()
    if console.is_terminal:
        # What a narrow terminal has no room for goes on in its next line, as kubectl has it; nothing is left out.
        wide = console.options.update(max_width=_PIPE_WIDTH)
        needed = Measurement.get(console, wide, what).minimum
        Console(width=max(console.width, needed)).print(what)
        return
    plain = Console(width=_PIPE_WIDTH, color_system=None)
    with plain.capture() as written:
        plain.print(what)
    typer.echo("\n".join(line.rstrip() for line in written.get().splitlines()))


def show_data(value: Any, output: Output) -> None:
    """Write plain values as JSON or YAML."""
    if output is Output.JSON:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def phase(of: Standing) -> Text:
    """A phase, or what it would be, in its colour."""
    return Text(of.value, style=STYLES.get(of, ""))


def age(length: timedelta) -> str:
    """A length of time as kubectl shows ages: `45s`, `7m`, `3h12m`, `5d`."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 60:
        return f"{minutes}m"
    return f"{hours}h{minutes % 60}m" if hours < 24 else f"{days}d{hours % 24}h"


def moment(at: datetime) -> str:
    """A time of day, in UTC."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def rules_in_words(numbers: Mapping[str, Number]) -> list[str]:
    """A line for each rule that has both arms' figures, as far as they go, and its limit.

    Names may be prefixed by their rule (`error-rate.candidate_total`); what only the machine needs is left out.
    """
    lines = []
    for rule, figures in by_rule(numbers).items():
        arms = [f"{arm} {text}" for arm in ("candidate", "baseline") if (text := _arm(figures, arm))]
        if not arms:
            continue
        limit = figures.get("limit")
        shown = [f"limit {_percent(limit) if _is_rate(figures) else _seconds(limit)}"] if _real(limit) else []
        lines.append(f"{rule}: " * bool(rule) + ", ".join([*arms, *shown]))
    return lines


def by_rule(numbers: Mapping[str, Number]) -> dict[str, dict[str, Number]]:
    """The figures of each rule; those of a decision about one rule stand under an empty name."""
    rules: dict[str, dict[str, Number]] = {}
    for name, value in numbers.items():
        rule, _, figure = name.rpartition(".")
        rules.setdefault(rule, {})[figure] = value
    return rules


def measure(figures: Mapping[str, Number], arm: str) -> float | None:
    """What one arm was measured at: its share of errors, its quantile or its mean; None where it saw nothing."""
    for name in ("rate", "quantile", "mean"):
        value = figures.get(f"{arm}_{name}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def measured(value: float, figures: Mapping[str, Number]) -> str:
    """A measure in its unit."""
    return _percent(value) if _is_rate(figures) else _seconds(value)


def sparkline(values: Sequence[float], top: float) -> str:
    """Bars from 0 to `top`; what is higher is as high as the top."""
    if top <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[min(7, int(value / top * 7.999))] for value in values)


def _is_rate(figures: Mapping[str, Number]) -> bool:
    return "candidate_errors" in figures or "baseline_errors" in figures


def _arm(figures: Mapping[str, Number], arm: str) -> str:
    value, total = measure(figures, arm), figures.get(f"{arm}_total")
    if value is None or not _real(total):
        return ""
    errors = figures.get(f"{arm}_errors")
    if isinstance(errors, int | float):
        return f"{_percent(value)} ({errors:,.0f} of {total:,.0f} requests failed)"
    return f"{_seconds(value)} of {total:,.0f} requests"


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _percent(value: object) -> str:
    return f"{float(str(value)) * 100:.3g}%"


def _seconds(value: object) -> str:
    seconds = float(str(value))
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
