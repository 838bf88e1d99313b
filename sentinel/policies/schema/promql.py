"""Checks the queries of rule files: PromQL by promql-parser, Datadog's selectors by their shape.

Counters are named by instant vector selectors, because the collector itself sums them per pod and takes the
differences; free queries may be any expression that gives a number or a vector. A free query goes to the server as it
is, and servers know more than the parser (Prometheus' newest syntax, MetricsQL), so what the parser does not understand
is refused only where no server could understand it; the rest is remarked on (`not_understood`).
"""

import re
from urllib.parse import urlsplit

import promql_parser as promql

from sentinel.engine.arms.promql_texts import patterns, without_raw_texts, without_texts
from sentinel.engine.arms.selector import Selector, SelectorError, read_selector
from sentinel.engine.arms.variables import (
    ALL_VARIABLES,
    ARM_VARIABLES,
    WORKLOAD_VARIABLES,
    RenderingError,
    Variables,
    render,
    render_tags,
    used,
)
from sentinel.policies.mistakes import InputError, did_you_mean
from sentinel.policies.schema.regex import anchored

MAX_QUERY = 4096

_SAMPLE: Variables = {
    "namespace": "a-namespace",
    "workload": "a-workload",
    "kind": "Deployment",
    "candidate_hash": "5d4f8c7b9",
    "baseline_hash": "7c9d6b5f4",
    "candidate_pods": ("a-workload-5d4f8c7b9-abcde",),
    "baseline_pods": ("a-workload-7c9d6b5f4-fghij",),
}
_DATADOG_SELECTOR = re.compile(r"(?:sum:)?[A-Za-z][A-Za-z0-9_.]*\{[^{}]*\}")
_DATADOG_NAMESPACE = re.compile(
    r"(?<![\w./!-])(?P<tag>[A-Za-z][\w./-]*):\$(?:namespace|\{namespace\})(?=[\s,}])"
)
_SIGNS = re.compile(r"(?:[-+]\s*){16}")  # the parser's time grows with the square of the nesting
_SCALAR_FUNCTIONS = frozenset({"scalar", "time", "pi"})
_SELECTOR_HINT = 'write a selector such as http_requests_total{namespace="$namespace"}'


def check_selector(text: str) -> str:
    """The selector of a counter, as it came; variables that tell the arms apart have no place in it.

    Raises InputError.
    """
    _selector(text)
    return text


def check_histogram(text: str) -> str:
    """The selector of a histogram by its base name, or of its `_bucket` series. Raises InputError."""
    read = _selector(text)
    name = read.metric
    if not name:
        raise InputError("names no histogram", "begin with the metric's name")
    if any(matcher.label == "le" for matcher in read.matchers):
        raise InputError(
            "asks for some buckets; the limit is compared at one of all of them", "remove the matcher of le"
        )
    for suffix in ("_sum", "_count"):
        if name.endswith(suffix):
            raise InputError(
                f"names the {suffix} series", f"write the histogram's name, {name.removesuffix(suffix)}"
            )
    return text


def check_expression(text: str) -> str:
    """Any PromQL that returns a number or an instant vector, as far as is known. Raises InputError."""
    rendered = _rendered(text, arms=True)
    parsed = _parsed(rendered)
    if parsed is None:
        _check_closed(rendered)
        _check_patterns(rendered)
    if isinstance(parsed, promql.MatrixSelector | promql.SubqueryExpr):
        raise InputError(
            "returns a range, not a number", "put a function such as rate() or max_over_time() around it"
        )
    if isinstance(parsed, promql.StringLiteral):
        raise InputError("returns text, not a number", "write a query such as max(queue_depth)")
    return text


def gives_scalar(text: str) -> bool:
    """Whether Prometheus answers with one number rather than with a vector, as far as is known.

    Raises InputError.
    """
    parsed = _parsed(_rendered(text, arms=True))
    return parsed is not None and _scalar(parsed)


def not_understood(text: str) -> str:
    """What the parser does not understand of a free query that passed the check; empty where it understands all."""
    try:
        promql.parse(without_raw_texts(render(text, _SAMPLE)))
    except ValueError as error:
        return str(error)
    return ""


def parsed(text: str) -> promql.Expr | None:
    """A free query that passed the check, with names for its variables; None where the parser does not read it."""
    return _parsed(render(text, _SAMPLE))


def check_counts(total: str, errors: str) -> None:
    """Errors must be a part of the total. Raises InputError."""
    if set(_selector(errors).matchers) <= set(_selector(total).matchers):
        raise all_fail('narrow errors to failures, such as code=~"5.."')


def check_datadog_counts(total: str, errors: str) -> None:
    """Errors must be a part of the total. Raises InputError."""
    (metric, scope), (other, narrower) = map(_datadog_parts, (errors, total))
    if metric == other and scope <= narrower:
        raise all_fail("narrow errors to failures by a tag, or name the metric that counts them")


def _datadog_parts(text: str) -> tuple[str, frozenset[str]]:
    metric, _, scope = text.removeprefix("sum:").rstrip("}").partition("{")
    return metric, frozenset(part.strip() for part in scope.split(",")) - {"*", ""}


def all_fail(hint: str) -> InputError:
    """The mistake of errors that are all requests."""
    return InputError("counts all that total counts, so that every request would fail", hint, at=("errors",))


def read_rule_selector(text: str) -> Selector:
    """The selector of a rule with names put in for its variables. Raises InputError."""
    return _selector(text)


def namespace_label(selector: str) -> str | None:
    """The one label that a selector wants to be `$namespace`; None without exactly one."""
    matchers = _selector(selector).matchers
    labels = [m.label for m in matchers if (m.operator, m.value) == ("=", _SAMPLE["namespace"])]
    return labels[0] if len(labels) == 1 else None


def datadog_namespace_tag(selector: str) -> str | None:
    """The one tag that a Datadog counter's scope wants to be `$namespace`, as `namespace_label` does for labels."""
    tags = [match["tag"] for match in _DATADOG_NAMESPACE.finditer(selector)]
    return tags[0] if len(tags) == 1 else None


def check_datadog_selector(text: str) -> str:
    """A counter in Datadog: `sum:metric.name{tag:value,…}`, `sum:` or not. Raises InputError."""
    _check_variables(text, arms=False)
    if not _DATADOG_SELECTOR.fullmatch(_rendered_tags(text)):
        raise InputError(
            "is not a Datadog count with its scope; the sentinel adds by {…} and .as_count() itself",
            "write it such as sum:trace.http.request.hits{kube_namespace:$namespace}",
        )
    return text


def check_datadog_query(text: str) -> str:
    """A free Datadog query: variables known, brackets closed. Raises InputError."""
    _check_variables(text, arms=True)
    rendered = _rendered_tags(text)
    if not rendered.strip():
        raise InputError("is empty", "write a query such as max:queue.depth{kube_namespace:$namespace}")
    _check_brackets(rendered)
    if "{" not in rendered:
        raise InputError("names no scope", "write {*} after the metric, or tags such as {env:prod}")
    return text


def _selector(text: str) -> Selector:
    rendered = _rendered(text, arms=False)
    try:
        selector = read_selector(rendered)
    except SelectorError as error:
        raise _no_selector(rendered, error) from None
    _check_patterns(rendered)
    return selector


def _no_selector(text: str, error: SelectorError) -> InputError:
    parsed = _parsed(text)
    if parsed is None or isinstance(parsed, promql.VectorSelector):
        return InputError(str(error), _SELECTOR_HINT)
    return InputError(
        f"is {_kind(parsed)}, not a selector; the sentinel sums and computes increases itself",
        _SELECTOR_HINT,
    )


def _check_patterns(rendered: str) -> None:
    """Prometheus' regular expressions are RE2's, not those that the parser knows."""
    try:
        for pattern in patterns(rendered):
            anchored(pattern)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from None


def _check_variables(text: str, *, arms: bool) -> None:
    if len(text) > MAX_QUERY:
        raise InputError(f"is {len(text)} characters long, more than {MAX_QUERY}", "shorten it")
    if _SIGNS.search(text):
        raise InputError("has a long run of signs", "keep one")
    known = ALL_VARIABLES if arms else WORKLOAD_VARIABLES
    for name in sorted(used(text) - known):
        if name in ARM_VARIABLES:
            raise InputError(
                f"${name} cannot be used here: one query counts both arms, which are told apart by their pods",
                "remove it",
            )
        raise InputError(
            f"unknown variable ${name}",
            did_you_mean(f"${name}", [f"${one}" for one in known]) + "; $$ is one dollar sign",
        )


def _rendered(text: str, *, arms: bool) -> str:
    _check_variables(text, arms=arms)
    try:
        return render(text, _SAMPLE)
    except RenderingError as error:
        raise InputError(str(error)) from None


def _parsed(rendered: str) -> promql.Expr | None:
    """The query, parsed; None where the parser does not understand it."""
    try:
        return promql.parse(without_raw_texts(rendered))
    except ValueError:
        return None


def _check_closed(rendered: str) -> None:
    """Refuse what no server can read, whatever its functions and modifiers: an end in mid-text or within brackets."""
    code = without_texts(rendered)
    if not code.strip():
        raise InputError("is empty", "write a query such as max(queue_depth)")
    if any(quote in code.replace('""', "") for quote in "\"'`"):
        raise InputError(
            "has a quote that is never closed", "close it, and write a backslash twice inside quotes"
        )
    _check_brackets(code)


def check_plain_query(text: str) -> str:
    """A query of another language that tells no arms apart: its variables are the workload's. Raises InputError."""
    _check_variables(text, arms=False)
    _rendered_tags(text)
    return text


def check_other_query(text: str) -> str:
    """A query in a language of which only its server knows more: its variables are known. Raises InputError."""
    _rendered_tags(text)
    return text


def check_web_url(text: str) -> str:
    """An address whose host is fixed. Raises InputError."""
    parts = urlsplit(_rendered_tags(text))
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in text:
        raise InputError("is not an http or https address", "write it such as https://quality.example/api")
    if "$" in urlsplit(text).netloc or "@" in parts.netloc:
        raise InputError("has a variable or a password in its host", "write the host as it is")
    return text


def _rendered_tags(text: str) -> str:
    try:
        return render_tags(text, _SAMPLE)
    except RenderingError as error:
        raise InputError(str(error)) from None


def _check_brackets(text: str) -> None:
    closing = {")": "(", "}": "{", "]": "["}
    open_ones: list[str] = []
    for char in text:
        if char in closing.values():
            open_ones.append(char)
        elif char in closing and (not open_ones or open_ones.pop() != closing[char]):
            raise InputError(f"has a {char} that closes nothing", "balance the brackets")
    if open_ones:
        raise InputError(f"has a {open_ones[-1]} that is never closed", "balance the brackets")


def _scalar(parsed: promql.Expr) -> bool:
    if isinstance(parsed, promql.ParenExpr | promql.UnaryExpr):
        return _scalar(parsed.expr)
    if isinstance(parsed, promql.BinaryExpr):
        return _scalar(parsed.lhs) and _scalar(parsed.rhs)
    if isinstance(parsed, promql.Call):
        return parsed.func.name in _SCALAR_FUNCTIONS
    return isinstance(parsed, promql.NumberLiteral)


def _kind(parsed: promql.Expr) -> str:
    names = {
        promql.MatrixSelector: "a range selector",
        promql.AggregateExpr: "an aggregation",
        promql.Call: "a function call",
        promql.NumberLiteral: "a number",
        promql.StringLiteral: "text",
        promql.SubqueryExpr: "a subquery",
    }
    return names.get(type(parsed), "an expression")
