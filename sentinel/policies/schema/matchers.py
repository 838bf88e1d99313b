"""Reads Alertmanager's matchers: `alertname="HighErrorRate", severity=~"critical|page"`."""

import re
import warnings

import promql_parser as promql

from sentinel.domain.policy.selection import AlertMatcher, MatchOperator
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.regex import anchored

MAX_MATCHERS = 4096

_HINT = 'write it such as severity=~"critical|page"'
_ONE = re.compile(
    r"""\s*(?P<label>"(?:\\.|[^"\\])*"|[a-zA-Z_:][a-zA-Z0-9_:]*)\s*
        (?P<operator>=~|!~|!=|=)\s*
        (?P<value>"(?:\\.|[^"\\])*"|[^\s,"{}=!~][^\s,"{}]*|)\s*(?P<end>,|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_matchers(text: str) -> tuple[AlertMatcher, ...]:
    """One or more matchers, separated by commas, braces around them or not. Raises InputError."""
    if len(text) > MAX_MATCHERS:
        raise InputError(f"is {len(text)} characters long, more than {MAX_MATCHERS}", "shorten it")
    body = text.strip()
    if body.startswith("{") != body.endswith("}") or not body:
        raise InputError(f"{text!r} is not a matcher", _HINT)
    body = body.removeprefix("{").removesuffix("}")
    found: list[AlertMatcher] = []
    at = 0
    while at < len(body):
        one = _ONE.match(body, at)
        if one is None:
            raise InputError(f"{body[at:].strip()!r} is not a matcher", _HINT)
        found.append(_matcher(one))
        at = one.end()
    if not found:
        raise InputError("names no matcher", _HINT)
    return tuple(found)


def check_regex(pattern: str) -> None:
    """Whether a regular expression is one for Alertmanager (RE2) and means the same here. Raises InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError, RecursionError) as error:
        raise InputError(f"{pattern!r} is not a regular expression: {error}") from None
    try:
        promql.parse("x{a=~" + _quoted(pattern) + "}")
    except ValueError:
        raise InputError(
            f"{pattern!r} is not a regular expression of RE2",
            "look-around and back-references are not available",
        ) from None


def _matcher(one: re.Match[str]) -> AlertMatcher:
    label, operator, value = _unquoted(one["label"]), MatchOperator(one["operator"]), _unquoted(one["value"])
    if operator in (MatchOperator.REGEX, MatchOperator.NOT_REGEX):
        check_regex(value)
        return AlertMatcher(label, operator, value, anchored(value))
    return AlertMatcher(label, operator, value)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text.strip()
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    """Alertmanager's escapes; any other backslash stands for itself, so that `"\\d+"` is a regular expression."""
    return {"n": "\n", '"': '"', "\\": "\\"}.get(match[1], match[0])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'
