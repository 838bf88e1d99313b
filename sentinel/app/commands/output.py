"""How commands write: tables like kubectl's for people, JSON and YAML for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console, RenderableType
from rich.text import Text

from sentinel.app.commands.layout import HangingText
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import ARMS, Number, figures_of
from sentinel.domain.words import Standing, Would
from sentinel.values import dataclass

BARS = "▁▂▃▄▅▆▇█"
_PIPE_WIDTH = 10_000
"""Columns of what goes to no terminal: nothing is wrapped or cut there."""


class Output(StrEnum):
    """The format of an answer. `wide` is a table of which nothing is cut, whatever the terminal's width."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def for_people(self) -> bool:
        """Whether it is a table, not data."""
        return self in (Output.TABLE, Output.WIDE)


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Format of the output.")]

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


def show(what: RenderableType, output: Output = Output.TABLE) -> None:
    """Write to the terminal, or in full width and without colours to a pipe or file; text is not markup."""
    what = HangingText(what) if isinstance(what, str) else what
    console = Console()
    if console.is_terminal and output is not Output.WIDE:
        console.print(what, crop=False)
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


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to what a person asked for: the same fields for every command.

    `result` is one word for programs, such as `done` or `refused`; `workload` is empty for what is not about one.
    """

    action: str
    result: str
    message: str
    workload: str = ""
    record: str = ""


def show_answer(answer: Answer, output: Output) -> None:
    """Write it: for people the sentence, with the workload before it."""
    if output.for_people:
        typer.echo(": ".join(filter(None, (answer.workload, answer.message))))
    else:
        show_data(asdict(answer), output)


def remark(text: str, output: Output) -> None:
    """What is said on the way to the answer: where the answer is data, it goes to stderr."""
    typer.echo(text, err=not output.for_people)


def phase(of: Standing) -> Text:
    """A phase, or what it would be, in its colour."""
    return Text(of.value, style=STYLES.get(of, ""))


def rules_in_words(numbers: Mapping[str, Number]) -> list[str]:
    """A line for each rule that has both arms' figures, as far as they go, its limit and its evidence.

    What only the machine needs is left out.
    """
    lines = []
    for figures in figures_of(numbers):
        parts = [f"{title} {text}" for arm, title in ARMS.items() if (text := figures.arm(arm))]
        if parts:
            parts += [f"limit {figures.limit}"] if figures.limit else []
            parts += [f"evidence {figures.evidence}"] if figures.evidence else []
            lines.append(f"{figures.rule}: " * bool(figures.rule) + ", ".join(parts))
    return lines


def sparkline(values: Sequence[float], top: float) -> str:
    """Bars from 0 to `top`; what is higher is as high as the top."""
    if top <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[min(7, int(value / top * 7.999))] for value in values)
