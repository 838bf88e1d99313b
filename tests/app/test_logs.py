"""What stands in the log, whoever writes it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sentinel.app.logs import configure_logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """JSON logs from `info` up; the logging of the other tests is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs("info", "json", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    """The lines as they are parsed by whoever collects them."""
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_record_is_a_line_of_json(lines: io.StringIO) -> None:
    """The message and the extra fields stand beside time, level and logger."""
    logging.getLogger("sentinel.one").warning("it is %s", "late", extra={"workload": "web"})
    (line,) = read(lines)
    assert line.pop("timestamp")
    assert line == {"level": "warning", "logger": "sentinel.one", "message": "it is late", "workload": "web"}


def test_what_is_below_the_level_is_left_out(lines: io.StringIO) -> None:
    """A detail stays out of the log unless it is asked for."""
    logging.getLogger("sentinel.one").debug("a detail")
    assert read(lines) == []


def test_changes_of_files_are_told_by_the_sentinel_alone(lines: io.StringIO) -> None:
    """The library that watches rule files tells each change: with the log in that folder its own line is the next."""
    logging.getLogger("watchfiles.main").info("1 change detected")
    assert read(lines) == []


def test_an_exception_stands_in_its_line(lines: io.StringIO) -> None:
    """A traceback is a field, so that one event stays one line."""
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("sentinel.one").exception("it failed")
    (line,) = read(lines)
    assert "ValueError: no such thing" in line["exception"]


@pytest.fixture
def readable() -> Iterator[io.StringIO]:
    """Logs as a person reads them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs("info", "console", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


HOSTILE = "web\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202eforged\u2028\n2026-01-01 [error] all is lost"


def said_by(readable: io.StringIO) -> list[str]:
    return readable.getvalue().rstrip("\n").split("\n")


def test_hostile_text_cannot_steer_the_terminal_nor_forge_a_line(readable: io.StringIO) -> None:
    """Escapes are gone from message, fields and exceptions, and a line that was not ours does not begin like one."""
    logging.getLogger("sentinel.one").warning("alert %s", HOSTILE, extra={"summary": HOSTILE})
    logging.getLogger("sentinel.two").warning("%s", HOSTILE, extra={"workload": HOSTILE})
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("sentinel.one").exception("it failed")
    lines = said_by(readable)
    assert "all is lost" in readable.getvalue()
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("2026-01-01 [error]")]


def test_hostile_text_stays_one_line_of_json(lines: io.StringIO) -> None:
    """Whatever stands in a value, one record is one line."""
    logging.getLogger("sentinel.one").warning("alert %s", HOSTILE, extra={"summary": HOSTILE})
    (line,) = read(lines)
    assert line["summary"] == HOSTILE
    assert lines.getvalue().rstrip("\n").isprintable()


def test_a_value_that_json_has_no_form_for_is_shown_as_python_shows_it(lines: io.StringIO) -> None:
    """A line is never lost for what stands in it."""
    logging.getLogger("sentinel.one").info(
        "found", extra={"path": complex(1, 2), "place": (1, 2)}, stack_info=True
    )
    (line,) = read(lines)
    assert (line["path"], line["place"]) == ("(1+2j)", [1, 2])
    assert line["stack_info"].startswith("Stack (most recent call last)")
