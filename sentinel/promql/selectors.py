"""What a parsed selector asks for: its conditions on labels, and from when."""

from __future__ import annotations

from typing import Any

import promql_parser as parser

from sentinel.promql.series import NAME, LabelMatcher, Labels
from sentinel.promql.vectors import PromqlError

_MATCH_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def matchers_of(selector: Any) -> list[LabelMatcher]:
    """The conditions of a selector. Raises PromqlError for what is not supported."""
    if selector.at is not None:
        raise PromqlError("the @ modifier is not supported by this stand-in")
    if selector.matchers.or_matchers:
        raise PromqlError("`or` between matchers is not supported by this stand-in")
    named = [LabelMatcher(NAME, "=", selector.name)] if selector.name else []
    return named + [
        LabelMatcher(m.name, _MATCH_OPERATORS[str(m.op).rpartition(".")[2]], str(m.value))
        for m in selector.matchers.matchers
    ]


def offset_of(selector: Any) -> int:
    """How far back a selector looks, in milliseconds."""
    return milliseconds(selector.offset) if selector.offset is not None else 0


def milliseconds(duration: Any) -> int:
    """A duration of the parser's, in milliseconds."""
    return round(float(duration.total_seconds()) * 1000)


def equal_labels(argument: Any) -> Labels:
    """The labels that a selector wants to have one value."""
    if not isinstance(argument, parser.VectorSelector):
        return {}
    return {m.name: m.value for m in matchers_of(argument) if m.operator == "=" and m.name != NAME}
