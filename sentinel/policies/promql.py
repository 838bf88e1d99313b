"""Checks the queries of rule files: PromQL by promql-parser, Datadog's selectors by their shape.

Counters are named by instant vector selectors, because the collector itself sums them per pod and takes the
differences; free queries may be any expression that gives a number or a vector.
"""

import re

import promql_parser as promql

from sentinel.engine.rendering import (
    ALL_VARIABLES,
    ARM_VARIABLES,
    WORKLOAD_VARIABLES,
    RenderingError,
    Variables,
    render,
    render_datadog,
    used,
)
from sentinel.policies.mistakes import InputError, did_you_mean

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
    name = _metric_name(_selector(text))
    if not name:
        raise InputError("names no histogram", "begin with the metric's name")
    for suffix in ("_sum", "_count"):
        if name.endswith(suffix):
            raise InputError(
                f"names the {suffix} series", f"write the histogram's name, {name.removesuffix(suffix)}"
            )
    return text


def check_expression(text: str) -> str:
    """Any PromQL that gives a number or an instant vector. Raises InputError."""
    _check_variables(text, arms=True)
    parsed = _parsed(text)
    if isinstance(parsed, promql.MatrixSelector | promql.SubqueryExpr):
        raise InputError(
            "gives a range, not a number", "put a function such as rate() or max_over_time() around it"
        )
    if isinstance(parsed, promql.StringLiteral):
        raise InputError("gives text, not a number", "write a query such as max(queue_depth)")
    return text


def gives_scalar(text: str) -> bool:
    """Whether Prometheus answers with one number rather than with a vector. Raises InputError."""
    _check_variables(text, arms=True)
    return _scalar(_parsed(text))


def namespace_label(selector: str) -> str | None:
    """The one label that a selector wants to be `$namespace`, None where there is none, or no single one."""
    matchers = _selector(selector).matchers.matchers
    labels = [m.name for m in matchers if m.op == promql.MatchOp.Equal and m.value == _SAMPLE["namespace"]]
    return labels[0] if len(labels) == 1 else None


def datadog_namespace_tag(selector: str) -> str | None:
    """The one tag that a Datadog counter's scope wants to be `$namespace`, as `namespace_label` says of labels."""
    tags = [match["tag"] for match in _DATADOG_NAMESPACE.finditer(selector)]
    return tags[0] if len(tags) == 1 else None


def check_datadog_selector(text: str) -> str:
    """A counter in Datadog: `sum:metric.name{tag:value,…}`, `sum:` or not. Raises InputError."""
    _check_variables(text, arms=False)
    if not _DATADOG_SELECTOR.fullmatch(_rendered_datadog(text)):
        raise InputError(
            "is not a Datadog count with its scope; the sentinel itself adds by {…} and .as_count()",
            "write it such as sum:trace.http.request.hits{kube_namespace:$namespace}",
        )
    return text


def check_datadog_query(text: str) -> str:
    """A free Datadog query: variables known, brackets closed. Raises InputError."""
    _check_variables(text, arms=True)
    rendered = _rendered_datadog(text)
    if not rendered.strip():
        raise InputError("is empty", "write a query such as max:queue.depth{kube_namespace:$namespace}")
    _check_brackets(rendered)
    if "{" not in rendered:
        raise InputError("names no scope", "write {*} after the metric, or tags such as {env:prod}")
    return text


def _selector(text: str) -> promql.VectorSelector:
    _check_variables(text, arms=False)
    parsed = _parsed(text)
    if not isinstance(parsed, promql.VectorSelector):
        raise InputError(
            f"is {_kind(parsed)}, not a selector; the sentinel itself sums and takes the differences",
            _SELECTOR_HINT,
        )
    if parsed.offset is not None or parsed.at is not None:
        raise InputError("has an offset or @; the sentinel sets the time of each query", "remove it")
    if parsed.matchers.or_matchers:
        raise InputError("joins matchers by or, which Prometheus does not know", 'write =~"a|b"')
    return parsed


def _metric_name(selector: promql.VectorSelector) -> str:
    named = (
        m.value for m in selector.matchers.matchers if m.name == "__name__" and m.op == promql.MatchOp.Equal
    )
    return selector.name or next(named, "")


def _check_variables(text: str, *, arms: bool) -> None:
    if len(text) > MAX_QUERY:
        raise InputError(f"is {len(text)} characters long, more than {MAX_QUERY}", "shorten it")
    if _SIGNS.search(text):
        raise InputError("has a long run of signs", "keep one")
    known = ALL_VARIABLES if arms else WORKLOAD_VARIABLES
    for name in sorted(used(text) - known):
        if name in ARM_VARIABLES:
            raise InputError(
                f"${name} cannot stand here; both arms are counted by one query and told apart by their pods",
                "remove it",
            )
        raise InputError(
            f"there is no variable ${name}",
            did_you_mean(f"${name}", [f"${one}" for one in known]) + "; $$ is one dollar sign",
        )


def _parsed(text: str) -> promql.Expr:
    try:
        return promql.parse(render(text, _SAMPLE))
    except RenderingError as error:
        raise InputError(str(error)) from None
    except ValueError as error:
        raise InputError(f"is not PromQL: {error}", _parse_hint(str(error))) from None


def _parse_hint(problem: str) -> str:
    if "unknown escape sequence" in problem:
        return "write a backslash twice inside quotes"
    if "unknown function" in problem:
        return "see the list of Prometheus' functions"
    return ""


def _rendered_datadog(text: str) -> str:
    try:
        return render_datadog(text, _SAMPLE)
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
