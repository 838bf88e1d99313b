"""Tables that fit the terminal: columns are chosen by its width, text wraps at words, and nothing is lost silently."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, ConsoleOptions
from rich.text import Text

from sentinel.values import dataclass

Cell = str | Text

_COLUMN = re.compile(r"\s{2,}(?=\S)")
_BULLET = re.compile(r"(?:-|=>) |")

_WIDE_GAP, _GAP, _INDENT = 3, 2, 2
_READABLE = 32
"""Columns below which text is hard to read beside other columns; it goes below the row instead."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Where there is little room, `brief` shortens its cells, and those with the greatest `spare` are left out first (0:
    never). Columns of `text` are the last ones; they wrap at words, into at most `lines` lines.
    """

    name: str
    spare: int = 0
    brief: Callable[[str], str] | None = None
    text: bool = False
    lines: int | None = None


class FittedTable:
    """A renderable for `rich`. What a narrow terminal has no room for, a last line names, with how to see it."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        self._columns = columns
        self._rows = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines."""
        widths = [
            max(len(column.name), *(row[index].cell_len for row in self._rows), 0)
            for index, column in enumerate(self._columns)
        ]
        if sum(widths) + _WIDE_GAP * (len(widths) - 1) <= options.max_width:
            yield from _lines(self._columns, self._rows, widths, _WIDE_GAP)
        else:
            yield from _Narrow(self._columns, self._rows, options.max_width).lines()


def _lines(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], widths: Sequence[int], gap: int
) -> Iterator[Text]:
    """Each row as one line."""
    yield _line([Text(column.name, style="bold") for column in columns], widths, gap)
    for row in rows:
        yield _line(row, widths, gap)


def _line(cells: Sequence[Text], widths: Sequence[int], gap: int) -> Text:
    line = Text(no_wrap=True, overflow="ignore")
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        line.append_text(cell)
        if index < len(cells) - 1:
            line.append(" " * (width - cell.cell_len + gap))
    line.rstrip()
    return line


def table(columns: Sequence[str | Column], rows: Sequence[Sequence[Cell]]) -> FittedTable:
    """A table; a name alone is a column that is always shown in one line."""
    return FittedTable([Column(each) if isinstance(each, str) else each for each in columns], rows)


def brief_moment(text: str) -> str:
    """A point in time (`figures.moment`) where there is little room: without the year and the seconds."""
    return f"{text[5:16]}Z" if text.endswith(" UTC") else text


class HangingText:
    """A renderable of lines that wrap at words, below where their text begins: behind its label or its indent."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines."""
        for line in self._text.split("\n"):
            for part in _hung(line, options.max_width):
                yield Text(part, no_wrap=True, overflow="ignore")


def _hung(line: str, width: int) -> list[str]:
    columns = [found.end() for found in _COLUMN.finditer(line) if found.end() <= width // 2]
    hang = columns[-1] if columns else 0
    bullet = _BULLET.match(line, hang)
    hang += len(bullet[0]) if bullet else 0
    rest = textwrap.wrap(line[hang:], width - hang, break_long_words=False, break_on_hyphens=False)
    return [line[:hang] + "".join(rest[:1]), *(" " * hang + each for each in rest[1:])]


class _Narrow:
    """A table that is wider than the terminal."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> None:
        self._width = width
        self._left_out: list[str] = []
        self._texts = [index for index, column in enumerate(columns) if column.text]
        self._columns = columns
        self._rows = [
            [_shortened(column, cell) for column, cell in zip(columns, row, strict=True)] for row in rows
        ]
        self._fixed = self._chosen([index for index, column in enumerate(columns) if not column.text])

    def lines(self) -> Iterator[Text]:
        """The rows, their text beside them or below, and what is left out."""
        used = sum(self._widths(self._fixed)) + _GAP * len(self._fixed)
        beside = self._width - used >= _READABLE
        start = used if beside else _INDENT
        shown = [self._columns[index] for index in (*self._fixed, *self._texts[: int(beside)])]
        widths = [*self._widths(self._fixed), *([0] if beside and self._texts else [])]
        yield _line([Text(column.name, style="bold") for column in shown], widths, _GAP)
        for row in self._rows:
            wrapped = self._wrapped(row, self._width - start)
            cells = [row[index] for index in self._fixed]
            if len(widths) > len(cells):
                cells.append(Text(wrapped.pop(0) if wrapped else ""))
            yield _line(cells, widths, _GAP)
            for text in wrapped:
                yield Text(" " * start + text, no_wrap=True, overflow="ignore")
        if self._left_out:
            yield Text(f"(-o wide shows {' and '.join(dict.fromkeys(self._left_out))})", style="dim")

    def _chosen(self, indexes: list[int]) -> list[int]:
        """The columns without text that fit, in their order."""
        chosen = list(indexes)
        for spared in sorted(indexes, key=lambda index: -self._columns[index].spare):
            fits = sum(self._widths(chosen)) + _GAP * (len(chosen) - 1) <= self._width
            if fits or not self._columns[spared].spare:
                break
            chosen.remove(spared)
            self._left_out.append(self._columns[spared].name)
        return chosen

    def _widths(self, indexes: Sequence[int]) -> list[int]:
        return [
            max(len(self._columns[index].name), *(row[index].cell_len for row in self._rows), 0)
            for index in indexes
        ]

    def _wrapped(self, row: Sequence[Text], width: int) -> list[str]:
        """The lines of all texts of a row; those after the first have an arrow."""
        lines: list[str] = []
        for index in self._texts:
            column, arrow = self._columns[index], "→ " if index != self._texts[0] else ""
            made = textwrap.wrap(
                row[index].plain, width - len(arrow), break_long_words=False, break_on_hyphens=False
            )
            if column.lines is not None and len(made) > column.lines:
                made = made[: column.lines]
                made[-1] = f"{textwrap.shorten(made[-1], width - len(arrow) - 2, placeholder='')} …"
                self._left_out.append(f"the whole {column.name}")
            lines += (
                [(arrow or "") + made[0], *(" " * len(arrow) + line for line in made[1:])] if made else []
            )
        return lines


def _shortened(column: Column, cell: Text) -> Text:
    return Text(column.brief(cell.plain), style=cell.style) if column.brief else cell
