"""Tables that fit the terminal."""

import pytest
from rich.console import Console

from sentinel.app.commands.layout import Column, HangingText, brief_moment, table
from sentinel.app.commands.output import Output, show

COLUMNS = (
    Column("STARTED", brief=brief_moment),
    "WORKLOAD",
    Column("REVISION", spare=1),
    Column("TOOK", spare=2),
    Column("SAYS", text=True, lines=2),
)
STARTED = "2026-11-29 23:12:15 UTC"
ROWS = [
    [STARTED, "a-long-name", "12 (web:1.2.3)", "22s", "word " * 50],
    [STARTED, "web", "1 (web:1)", "", ""],
]


def drawn(width: int, *, columns: tuple[str | Column, ...] = COLUMNS) -> list[str]:
    """The table on a terminal of this width."""
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as written:
        console.print(table(columns, ROWS), crop=False)
    return written.get().splitlines()


def test_a_wide_terminal_shows_each_row_in_a_line() -> None:
    """Nothing is shortened where all has room."""
    head, row, _ = drawn(400)
    assert head.split() == ["STARTED", "WORKLOAD", "REVISION", "TOOK", "SAYS"]
    assert row.startswith(f"{STARTED}   a-long-name   12 (web:1.2.3)   22s")
    assert row.endswith("word word")


@pytest.mark.parametrize("width", range(48, 140, 7))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(width: int) -> None:
    """Whatever the width, down to that of the columns that are always shown."""
    lines = drawn(width)
    assert max(map(len, lines)) <= width
    assert {word for line in lines[1:-1] for word in line.split() if "wor" in word} == {"word"}
    assert not any(line.endswith(" ") for line in lines)


def test_text_goes_below_the_row_where_there_is_no_room_beside_it() -> None:
    """Indented, in at most two lines, and the last line says how to see the rest."""
    _, row, text, more, second, hint = drawn(60)
    assert row == "11-29 23:12Z  a-long-name  12 (web:1.2.3)  22s"
    assert text.startswith("  word word")
    assert more.endswith(" …")
    assert second.startswith("11-29 23:12Z  web")
    assert hint == "(-o wide shows the whole SAYS)"


def test_the_columns_that_can_be_spared_are_left_out_by_name() -> None:
    """Those with the greatest number first; the others stay."""
    head, row, *_, hint, more = drawn(30)
    assert head.split() == ["STARTED", "WORKLOAD"]
    assert row == "11-29 23:12Z  a-long-name"
    assert f"{hint.rstrip()} {more}" == "(-o wide shows TOOK and REVISION and the whole SAYS)"


def test_a_second_text_follows_the_first_with_an_arrow() -> None:
    """As what to do follows what was found."""
    columns = ("", "CHECK", Column("FOUND", text=True), Column("WHAT TO DO", text=True))
    console = Console(width=50, force_terminal=True, color_system=None)
    with console.capture() as written:
        console.print(table(columns, [["WARN", "Slack", "not configured at all", "set its token"]]))
    assert written.get().splitlines() == [
        "      CHECK  FOUND",
        "WARN  Slack  not configured at all",
        "             → set its token",
    ]


def test_lines_wrap_below_their_text() -> None:
    """Behind a label, and behind a bullet."""
    console = Console(width=30, force_terminal=True, color_system=None)
    with console.capture() as written:
        console.print(HangingText("  Why:     it failed again and again\n    - canary 12% of 300 requests\n"))
    assert written.get().splitlines() == [
        "  Why:     it failed again and",
        "           again",
        "    - canary 12% of 300",
        "      requests",
        "",
    ]


def test_a_pipe_gets_a_line_for_each_row_without_padding(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs that read lines get the whole, and no blanks at their ends."""
    show(table(COLUMNS, ROWS))
    _, row, empty = capsys.readouterr().out.splitlines()
    assert row.endswith("word word")
    assert empty.endswith("1 (web:1)")


def test_wide_output_is_whole_on_a_terminal_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its width."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    show(table(COLUMNS, ROWS), Output.WIDE)
    assert len(capsys.readouterr().out.splitlines()) == 3
