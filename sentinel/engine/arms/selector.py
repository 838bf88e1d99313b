"""Reads PromQL's instant vector selectors, and writes them: what a rule counts by, narrowed to a question.

Our own parser, because a selector is rewritten: its meaning must stay the same, whichever way it was quoted, and
names of Prometheus 3 (`{"http.hits", "k8s.pod.name"="a"}`) must come out quoted. Regular expressions are the server's
to judge.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from sentinel.engine.arms.promql_texts import TEXT, quoted, value_of
from sentinel.values import dataclass

NAME = "__name__"

_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TOKEN = re.compile(
    rf"""(?P<space>\s+|\#[^\n]*)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<text>{TEXT})
      | (?P<operator>=~|!~|!=|=(?!=))
      | (?P<sign>[{{}},()])""",
    re.VERBOSE | re.DOTALL,
)
_BEYOND = (
    (
        re.compile(r"(?:offset\b|@)"),
        "has an offset or @; the sentinel sets the time of each query: remove it",
    ),
    (
        re.compile(r"(?:anchored|smoothed)\b"),
        "has a range modifier: the sentinel queries plain counters",
    ),
    (
        re.compile(r"or\b"),
        "combines alternatives with `or`, which the sentinel cannot narrow to pods: use =~ instead",
    ),
    (re.compile(r"\["), "is a range, not a selector: the sentinel computes increases itself"),
)


class SelectorError(ValueError):
    """The text is not a valid selector; the message is a predicate: "has an offset …"."""


@dataclass(frozen=True, slots=True)
class SelectorMatcher:
    """What a label's value must match; `operator` is =, !=, =~ or !~, and `__name__` is the metric's name."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """An instant vector selector without modifiers. Its text is PromQL that every Prometheus reads alike."""

    matchers: tuple[SelectorMatcher, ...]

    @property
    def metric(self) -> str:
        """The metric's name, empty where it is not one name."""
        return next((m.value for m in self.matchers if (m.label, m.operator) == (NAME, "=")), "")

    def __str__(self) -> str:
        name = next((m for m in self.matchers if (m.label, m.operator) == (NAME, "=")), None)
        head = name.value if name is not None and _LEGACY_METRIC.fullmatch(name.value) else ""
        listed = (m for m in self.matchers if not head or m is not name)
        inner = ",".join(f"{label_name(m.label)}{m.operator}{quoted(m.value)}" for m in listed)
        return f"{head}{{{inner}}}" if inner or not head else head


@lru_cache(maxsize=128)
def read_selector(text: str) -> Selector:
    """The selector. Raises SelectorError. Kept: every measurement reads the same few again."""
    tokens = _Tokens(text)
    depth = 0
    while tokens.take("("):
        depth += 1
    matchers = [SelectorMatcher(NAME, "=", tokens.word)] if tokens.take_name() else []
    named = bool(matchers)
    braces = tokens.take("{")
    if not named and not braces:
        raise tokens.unexpected("a metric's name or {")
    if named and tokens.at("("):
        raise SelectorError(
            "is a function call or an aggregation, not a selector: the sentinel sums the series itself"
        )
    if braces:
        matchers += _matchers(tokens)
    for _ in range(depth):
        if not tokens.take(")"):
            raise tokens.unexpected(")")
    tokens.require_end()
    if not matchers:
        raise SelectorError("selects everything: name a metric")
    if sum((m.label, m.operator) == (NAME, "=") for m in matchers) > 1:
        raise SelectorError("names two metrics")
    return Selector(tuple(matchers))


def label_name(name: str) -> str:
    """A label's name as PromQL has it: plain where every Prometheus can read it, else in quotes (Prometheus 3)."""
    return name if is_plain(name) else quoted(name)


def is_plain(name: str) -> bool:
    """Whether a label can be named without quotes."""
    return bool(_LEGACY_LABEL.fullmatch(name))


def _matchers(tokens: "_Tokens") -> Iterator[SelectorMatcher]:
    """The matchers in the braces, up to the closing one."""
    while not tokens.take("}"):
        if tokens.take_text():
            label, quoted = tokens.word, True
        elif tokens.take_name() and ":" not in tokens.word:
            label, quoted = tokens.word, False
        else:
            raise tokens.unexpected("a label's name or }")
        if tokens.take_operator():
            operator = tokens.word
            if not tokens.take_text():
                raise tokens.unexpected("a value in quotes")
            yield SelectorMatcher(label, operator, tokens.word)
        elif quoted:
            yield SelectorMatcher(NAME, "=", label)
        else:
            raise tokens.unexpected("=, !=, =~ or !~")
        if not tokens.take(",") and not tokens.at("}"):
            raise tokens.unexpected(", or }")


class _Tokens:
    """The tokens of a selector, one after another; `word` is the last one that was taken."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self.word = ""
        self._skip()

    def at(self, sign: str) -> bool:
        return self._text.startswith(sign, self._end)

    def take(self, sign: str) -> bool:
        return self._take("sign", sign)

    def take_name(self) -> bool:
        return self._take("name")

    def take_operator(self) -> bool:
        return self._take("operator")

    def take_text(self) -> bool:
        if not self._take("text"):
            return False
        try:
            self.word = value_of(self.word)
        except ValueError as error:
            raise SelectorError(str(error)) from error
        return True

    def require_end(self) -> None:
        """Raises SelectorError for what follows a selector."""
        rest = self._text[self._end :]
        if not rest:
            return
        beyond = next((sentence for pattern, sentence in _BEYOND if pattern.match(rest)), None)
        raise SelectorError(beyond or f"is an expression, not a selector: {_start(rest)} follows it")

    def unexpected(self, wanted: str) -> SelectorError:
        """What to say where something else was wanted."""
        rest = self._text[self._end :]
        beyond = next((sentence for pattern, sentence in _BEYOND if rest and pattern.match(rest)), None)
        where = f"has {_start(rest)} at character {self._end + 1}" if rest else "ends"
        return SelectorError(beyond or f"{where} where {wanted} is expected")

    def _take(self, kind: str, only: str = "") -> bool:
        match = _TOKEN.match(self._text, self._end)
        if match is None or match.lastgroup != kind or (only and match[0] != only):
            return False
        self.word, self._end = match[0], match.end()
        self._skip()
        return True

    def _skip(self) -> None:
        while (match := _TOKEN.match(self._text, self._end)) and match.lastgroup == "space":
            self._end = match.end()


def _start(rest: str) -> str:
    return repr(rest.split(maxsplit=1)[0][:20])
