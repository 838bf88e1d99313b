"""Reads a file's bytes as YAML documents, or says what is wrong with them."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import yaml

from sentinel.policies.mistakes import InputError, PolicyError
from sentinel.policies.yaml.composer import Composer
from sentinel.policies.yaml.nodes import Document, Position

MAX_BYTES = 1024 * 1024

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "did not find expected '-' indicator": "indent the keys of an entry as far as its first one, after the '- '",
        "mapping values are not allowed in this context": "indent a mapping's keys alike, and quote text with ': '",
        "did not find expected key": "indent the keys of a mapping alike, and close every quote",
        "could not find expected ':'": "write a colon and a space after each key",
        "did not find expected ',' or ']'": "separate the entries by commas, and close the bracket",
        "did not find expected ',' or '}'": "separate the keys by commas, and close the brace",
        "block sequence entries are not allowed in this context": "begin the list on a separate line",
        "found unexpected end of stream": "close the quote",
    }
)
"""What is mostly wrong where the parser, libyaml, says so."""


def read_documents(
    data: bytes, file: str, *, nulls: bool = False
) -> tuple[list[Document], list[PolicyError]]:
    """All documents of one file that are not empty, and what is wrong with it as YAML.

    Never raises: a file that cannot be read as YAML gives no document and says why. `nulls`: keys without a value are
    allowed, as in what Kubernetes prints.
    """
    try:
        text = _decoded(data)
    except InputError as mistake:
        return [], [PolicyError(file, 0, 0, "", mistake.message, mistake.hint)]
    control = _CONTROL.search(text)
    if control:
        place = _position_in(text, control.start())
        message = (
            "contains a NUL"
            if control[0] == "\0"
            else f"contains the control character U+{ord(control[0]):04X}"
        )
        return [], [PolicyError(file, place.line, place.column, "", message, "remove it")]
    composer = Composer(file, nulls=nulls)
    try:
        return composer.documents(text), composer.errors
    except yaml.MarkedYAMLError as error:
        return [], [*composer.errors, _syntax_error(file, text, error)]
    except yaml.YAMLError as error:
        return [], [*composer.errors, PolicyError(file, 0, 0, "", f"is not YAML: {error}")]


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise InputError("is longer than 1 MiB", "split it into several files")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("is UTF-16", "save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8: byte {data[error.start]:#04x} in line {line}"
        raise InputError(message, "save it as UTF-8") from None


def _position_in(text: str, offset: int) -> Position:
    return Position(text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1)


def _syntax_error(file: str, text: str, error: yaml.MarkedYAMLError) -> PolicyError:
    mark = error.problem_mark or error.context_mark
    parts = (part for part in (error.problem, error.context) if part)
    if mark is None:
        return PolicyError(file, 0, 0, "", f"is not YAML: {', '.join(parts)}")
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    before = line[: len(line) - len(line.lstrip())]
    hint = _HINTS.get(error.problem or "", "")
    if "\t" in before or line[mark.column : mark.column + 1] == "\t":
        hint = "indent with spaces, not tabs"
    if line[mark.column : mark.column + 1] in ("@", "`", "%"):
        hint = f"put text that begins with {line[mark.column]} in quotes"
    return PolicyError(file, mark.line + 1, mark.column + 1, "", f"is not YAML: {', '.join(parts)}", hint)
