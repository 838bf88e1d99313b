"""Puts a workload's names into the queries of its rules, quoted by the rules of the query's language.

PromQL: a variable stands inside a quoted string. Its value is escaped as PromQL strings are and, after `=~` and `!~`,
first quoted as RE2's QuoteMeta does, so that a dot in a name matches a dot. A list (pods) becomes an alternation and
is therefore allowed after `=~` and `!~` only. `$$` is one dollar sign; `$1` (label_replace) and a `$` that ends a
regular expression are left alone. Datadog: values are written in tag filters, lists as `a,b` for `IN (…)`.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar

from sentinel.domain.policy.rules import PROMETHEUS, CountQuery, HistogramQuery, ValueQuery, kind_of
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.values import replace

Variable = str | tuple[str, ...]
Variables = Mapping[str, Variable]

Query = CountQuery | HistogramQuery | ValueQuery
_Query = TypeVar("_Query", CountQuery, HistogramQuery, ValueQuery)

WORKLOAD_VARIABLES = frozenset({"namespace", "workload", "kind"})
"""Variables that hold for a workload whatever is rolled out on it: the only ones a counter's selector may use."""

ARM_VARIABLES = frozenset({"candidate_pods", "baseline_pods", "candidate_hash", "baseline_hash"})
"""Variables that tell the arms apart, for free queries."""

ALL_VARIABLES = WORKLOAD_VARIABLES | ARM_VARIABLES

NO_POD = "/none"
"""Stands for an empty list: no pod can have this name, while an empty pattern would match series without a pod."""

_VARIABLE = re.compile(r"\$\$|\$(?P<bare>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)\}")
_LITERAL = re.compile(
    r"""\#[^\n]*                                     # a comment
      | (?P<operator>=~|!~)?\s*
        (?P<literal>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)""",
    re.VERBOSE | re.DOTALL,
)
_RE2_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_SAFE = re.compile(r"[\w./:-]*\Z")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class RenderingError(ValueError):
    """A variable is unknown, or stands where its value cannot be put. The text is a whole sentence."""


def variables_of(workload: Workload, stable: Revision | None) -> Variables:
    """The variables of one workload; `stable` is the revision its candidate replaces, None on a first rollout."""
    return {
        "namespace": workload.key.namespace,
        "workload": workload.key.name,
        "kind": workload.key.kind.value,
        "candidate_hash": workload.candidate.hash,
        "candidate_pods": tuple(sorted(pod.name for pod in workload.pods_of(workload.candidate))),
        "baseline_hash": stable.hash if stable else "",
        "baseline_pods": tuple(sorted(pod.name for pod in workload.pods_of(stable))) if stable else (),
    }


def used(text: str) -> frozenset[str]:
    """The names of all variables that a query mentions."""
    names = (match["bare"] or match["braced"] for match in _VARIABLE.finditer(text))
    return frozenset(name for name in names if name)


def render(text: str, variables: Variables) -> str:
    """A PromQL query with its variables filled in.

    Raises RenderingError for an unknown variable, one outside a string, or a list that is not matched by `=~`.
    """
    parts: list[str] = []
    end = 0
    for match in _LITERAL.finditer(text):
        parts.append(_outside(text[end : match.start()]))
        parts.append(_rendered_literal(match, variables))
        end = match.end()
    parts.append(_outside(text[end:]))
    return "".join(parts)


def render_tags(text: str, variables: Variables) -> str:
    """A query of any other source with its variables filled in as they are, lists with commas.

    Raises RenderingError for a value that could end what is around it: a tag, a text in quotes, a part of a URL.
    """
    return _substitute(text, variables, _tag_value)


def query_for(query: _Query, workload: Workload, stable: Revision | None) -> _Query:
    """A rule's query with the variables of one workload filled in, as `variables_of` has them. Raises RenderingError.

    Counters name nothing but the workload: its pods are not listed for them, tick after tick.
    """
    named = named_in(query)
    if not named <= WORKLOAD_VARIABLES:
        return render_query(query, variables_of(workload, stable))
    key = workload.key
    known = {"namespace": key.namespace, "workload": key.name, "kind": key.kind.value}
    rendered: _Query = _remembered(query, tuple((name, known[name]) for name in named))
    return rendered


def render_query(query: _Query, variables: Variables) -> _Query:
    """A rule's query with its variables filled in, in the language of its source. Raises RenderingError."""
    named = named_in(query)
    if not variables.keys() >= named:
        return _rendered(query, variables)  # which says what is wrong
    rendered: _Query = _remembered(query, tuple((name, variables[name]) for name in named))
    return rendered


@lru_cache(maxsize=1024)
def named_in(query: Query) -> frozenset[str]:
    """The names of all variables in a rule's query."""
    if isinstance(query, CountQuery):
        return used(query.total) | used(query.errors) | used(query.namespace)
    return used(query.histogram if isinstance(query, HistogramQuery) else query.expression)


@lru_cache(maxsize=4096)
def _remembered(query: _Query, variables: tuple[tuple[str, Variable], ...]) -> _Query:
    """Most workloads ask the same, tick after tick."""
    return _rendered(query, dict(variables))


def _rendered(query: _Query, variables: Variables) -> _Query:
    put = render if kind_of(query.source) == PROMETHEUS else render_tags
    if isinstance(query, CountQuery):
        total, errors, namespace = (
            put(text, variables) for text in (query.total, query.errors, query.namespace)
        )
        return replace(query, total=total, errors=errors, namespace=namespace)
    if isinstance(query, HistogramQuery):
        return replace(query, histogram=put(query.histogram, variables))
    lists = (variables.get(name, ()) for name in sorted(used(query.expression)))
    pods = tuple(value for value in lists if isinstance(value, tuple))
    return replace(query, expression=put(query.expression, variables), pods=pods)


@lru_cache(maxsize=256)
def alternation(names: tuple[str, ...]) -> str:
    """A regular expression that matches exactly these names. Kept: each question of a tick names the same pods."""
    return "|".join(map(quote_regex, names))


def quote_regex(text: str) -> str:
    """A regular expression that matches exactly this text, as RE2's QuoteMeta gives it."""
    return _RE2_META.sub(lambda match: "\\" + match[0], text)


def _outside(text: str) -> str:
    match = _VARIABLE.search(text)
    if match:
        raise RenderingError(f"{match[0]} is outside quotes; a variable replaces a label's value, in quotes")
    return text


def _rendered_literal(match: re.Match[str], variables: Variables) -> str:
    literal = match["literal"]
    if literal is None:
        return match[0]
    quote = literal[0]
    value = _regex_value if match["operator"] else _plain_value
    body = _substitute(literal[1:-1], variables, lambda name, v: _escaped(name, value(name, v), quote))
    return match[0][: -len(literal)] + quote + body + quote


def _substitute(text: str, variables: Variables, put: Callable[[str, Variable], str]) -> str:
    def one(match: re.Match[str]) -> str:
        name = match["bare"] or match["braced"]
        if not name:
            return "$"
        if name not in variables:
            known = ", ".join(f"${known}" for known in sorted(variables))
            raise RenderingError(f"unknown variable {match[0]}; known: {known}")
        return put(name, variables[name])

    return _VARIABLE.sub(one, text)


def _regex_value(_name: str, value: Variable) -> str:
    if isinstance(value, str):
        return quote_regex(value)
    return alternation(value) or NO_POD


def _plain_value(name: str, value: Variable) -> str:
    if isinstance(value, str):
        return value
    raise RenderingError(f"${name} is a list of names; match it with =~ or !~")


def _escaped(name: str, text: str, quote: str) -> str:
    if quote == "`":
        if "`" in text:
            raise RenderingError(f"the value of ${name} holds a backtick; use double quotes around it")
        return text
    text = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    return "".join(_ESCAPES.get(char, char) for char in text)


def _tag_value(name: str, value: Variable) -> str:
    items = (value,) if isinstance(value, str) else value or (NO_POD,)
    for item in items:
        if not _SAFE.match(item):
            raise RenderingError(f"the value of ${name}, {item!r}, cannot be used in such a query")
    return ",".join(items)
