"""Turns foreign queries with their own placeholders into queries with the sentinel's variables."""

import re
from collections.abc import Callable

_DOLLAR = re.compile(r"\$(?=[$A-Za-z_{])")
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`", re.DOTALL)
_POD_MATCHER = re.compile(r"(\b\w*pod(?:_name)?\b)\s*=~\s*(\"(?:\\.|[^\"\\])*\"|'[^']*')", re.IGNORECASE)

Put = Callable[[str, bool], str]
"""Gives the text for a placeholder's inner text; the flag says whether it is in a quoted string."""


def fill(query: str, placeholder: re.Pattern[str], put: Put, *, anywhere: bool = False) -> str:
    """The query with each placeholder (group 1 is its inner text) replaced; its dollar signs are kept.

    `anywhere`: the language does not have quotes, so variables are allowed in any place, as in Datadog's.
    """
    doubled = _DOLLAR.sub("$$", query)
    strings = [(match.start(), match.end()) for match in _STRING.finditer(doubled)]

    def one(match: re.Match[str]) -> str:
        inside = anywhere or any(begin < match.start() < end for begin, end in strings)
        return put(match[1].strip(), inside)

    return placeholder.sub(one, doubled)


def literal(value: str) -> str:
    """A known value as it is written in a query: its dollar signs do not start variables."""
    return _DOLLAR.sub("$$", value)


def name_pods(query: str, about: re.Pattern[str]) -> tuple[str, int]:
    """Regular expressions over pod names that mention the workload become the candidate's pods; how many did."""

    def one(match: re.Match[str]) -> str:
        return f'{match[1]}=~"$candidate_pods"' if about.search(match[2]) else match[0]

    changed, count = _POD_MATCHER.subn(one, query)
    return changed, count if changed != query else 0


def tidy(query: str) -> str:
    """The query without the common indentation and blank ends that templates leave."""
    lines = [line.rstrip().expandtabs(2) for line in query.strip("\n").split("\n")]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    margins = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    margin = min(margins, default=0)
    first = lines[0].strip() if lines else ""
    return "\n".join([first, *(line[margin:] if line.strip() else "" for line in lines[1:])])
