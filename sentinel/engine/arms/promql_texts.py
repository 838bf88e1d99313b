"""The texts in PromQL, and the rest without them: quotes of three kinds, escapes by Go's rules, comments."""

import re
from collections.abc import Iterator

TEXT = r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`"""
"""A regular expression of one text with its quotes."""

_LEXEME = re.compile(rf"\#[^\n]*|(?P<operator>=~|!~)?(?P<between>\s*)(?P<text>{TEXT})", re.DOTALL)
_ESCAPED = re.compile(
    r"""\\(?:(?P<letter>[abfnrtv\\'"])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})
      |u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<unknown>.))""",
    re.VERBOSE | re.DOTALL,
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_BYTES = re.compile("[\udc80-\udcff]")


def value_of(text: str) -> str:
    """The value of a text in quotes. Bytes that are not UTF-8 become surrogates. Raises ValueError."""
    if text[0] == "`":
        return text[1:-1]
    unescaped = _ESCAPED.sub(_character, text[1:-1])
    return unescaped.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def quoted(value: str) -> str:
    """The text in double quotes that stands for a value."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + _BYTES.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", escaped) + '"'


def without_raw_texts(query: str) -> str:
    """The query with what stood in backticks in double quotes: promql-parser takes backslashes in there for escapes."""

    def one(match: re.Match[str]) -> str:
        text = match["text"]
        if not text or text[0] != "`":
            return match[0]
        return f"{match['operator'] or ''}{match['between']}{quoted(text[1:-1])}"

    return _LEXEME.sub(one, query)


def without_texts(query: str) -> str:
    """The query with all its texts empty, and without its comments."""
    return _LEXEME.sub(lambda match: f'{match["operator"] or ""}""' if match["text"] else "", query)


def patterns(query: str) -> Iterator[str]:
    """The regular expressions that labels are matched with. Raises ValueError."""
    return (value_of(match["text"]) for match in _LEXEME.finditer(query) if match["operator"])


def _character(match: re.Match[str]) -> str:
    if match["letter"]:
        return _LETTERS.get(match["letter"], match["letter"])
    if match["unknown"]:
        raise ValueError(
            f"has an unknown escape sequence \\{match['unknown']}: write a backslash twice inside quotes"
        )
    if match["byte"] or match["octal"]:
        number = int(match["byte"], 16) if match["byte"] else int(match["octal"], 8)
        return chr(number) if number < 0x80 else chr(0xDC00 + number)
    number = int(match["short"] or match["long"], 16)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise ValueError(f"has {match[0]}, which is not a character")
    return chr(number)
