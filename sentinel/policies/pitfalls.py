"""What a rule file says that can be meant, but is more often a mistake: remarked on, with what would be right."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

import promql_parser as promql

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import (
    PROMETHEUS,
    CountQuery,
    ErrorRateRule,
    HistogramQuery,
    LatencyRule,
    QueryRule,
    kind_of,
)
from sentinel.engine.arms.variables import used
from sentinel.policies.mistakes import InputError, Remark
from sentinel.policies.presets import PRESETS
from sentinel.policies.schema.promql import parsed, read_rule_selector

NARROWING = frozenset({"namespace", "workload"})
COUNTER_ENDS = ("_total", "_count", "_bucket", "_sum")
"""`_bucket` and `_sum` have separate remarks."""
UNITS: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "_milliseconds": (1e-3, "1ms"),
        "_millis": (1e-3, "1ms"),
        "_ms": (1e-3, "1ms"),
        "_seconds": (1.0, "1s"),
    }
)
"""The ends of histograms' names that tell their unit: how many seconds it is, and as it is written."""

_PATTERN = re.compile(r"\.[.*+?]|\||\[[^\]:]+\]|\\\\?d|^\^|.\$$")
"""What a value has that is meant as a regular expression: `5..`, `.*`, `a|b`, `[45]`, `^5`, `5$`; not `[::1]:80`."""
_OVER_COUNTERS = frozenset({"absent", "timestamp", "count", "group", "count_values"})
"""Functions and aggregations that ask nothing of a counter's value."""


def pitfalls(policy: Policy) -> Iterator[Remark]:
    """A remark on each selector that probably finds something else than its author means."""
    specs = policy.document["spec"]["rules"]  # type: ignore[index]
    for index, (rule, spec) in enumerate(zip(policy.rules, specs, strict=True)):
        if isinstance(rule, QueryRule) and _says_nothing_of_a_workload(rule.query.expression):
            yield ("spec", "rules", index, "query", rule.query.source), _of_all()
        if isinstance(rule, QueryRule) and kind_of(rule.query.source) == PROMETHEUS:
            for said in dict.fromkeys(_of_query(parsed(rule.query.expression))):
                yield ("spec", "rules", index, "query", rule.query.source), InputError(*said)
        if not isinstance(rule, ErrorRateRule | LatencyRule):
            continue
        kind = "errorRate" if isinstance(rule, ErrorRateRule) else "latency"
        own = cast(Mapping[str, object], spec[kind].get(rule.query.source, {}))
        texts = _texts(rule.query)
        for key in texts.keys() & own.keys():
            for mistake in _remarks(key, texts[key], rule.query):
                yield ("spec", "rules", index, kind, rule.query.source, key), mistake


def _says_nothing_of_a_workload(expression: str) -> bool:
    return not used(expression) and "namespace" not in expression


def _of_all() -> InputError:
    return InputError(
        "does not refer to the workload, so it gives the same result for every workload that the policy guards",
        'select by namespace="$namespace" or pod=~"$candidate_pods", unless this is intended',
    )


def _of_query(expr: promql.Expr | None) -> Iterator[tuple[str, str]]:
    """What is wrong with a free query, and what would be right; nothing where it was not understood."""
    match expr:
        case promql.VectorSelector():
            yield from _of_selector(expr)
            if expr.name and expr.name.endswith(("_total", "_bucket")):
                yield (
                    f"{expr.name} is a counter: its value grows for as long as a pod runs, and starts over with it",
                    f"write rate({expr.name}{{…}}[5m]), unless this is intended",
                )
        case promql.MatrixSelector():
            yield from _of_selector(expr.vector_selector)
        case promql.Call():
            if expr.func.name == "histogram_quantile":
                yield from _of_quantile(*expr.args)
            for argument in expr.args:
                yield from _below(expr.func.name, argument)
        case promql.AggregateExpr():
            yield from _below(str(expr.op), expr.expr)
        case promql.BinaryExpr():
            yield from _of_query(expr.lhs)
            yield from _of_query(expr.rhs)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _of_query(expr.expr)


def _below(function: str, argument: promql.Expr) -> Iterator[tuple[str, str]]:
    if function in _OVER_COUNTERS and isinstance(argument, promql.VectorSelector):
        yield from _of_selector(argument)
    else:
        yield from _of_query(argument)


def _of_selector(selector: promql.VectorSelector) -> Iterator[tuple[str, str]]:
    for matcher in selector.matchers.matchers:
        if matcher.op == promql.MatchOp.Equal:
            yield from _of_value(matcher.name, "=", matcher.value)
        if matcher.op == promql.MatchOp.NotEqual:
            yield from _of_value(matcher.name, "!=", matcher.value)


def _of_value(label: str, operator: str, value: str) -> Iterator[tuple[str, str]]:
    """Whether a value that is compared as it is was meant as a pattern: then nothing ever has it."""
    if operator in ("=", "!=") and _PATTERN.search(value):
        right = "=~" if operator == "=" else "!~"
        yield (
            f'{label}{operator}"{value}" compares with the text {value}, not with a pattern',
            f'write {label}{right}"{value}", unless this is intended',
        )


def _of_quantile(share: promql.Expr, buckets: promql.Expr) -> Iterator[tuple[str, str]]:
    if isinstance(share, promql.NumberLiteral) and not 0 <= share.val <= 1:
        hint = f", such as {share.val / 100:g}" if 1 < share.val < 100 else ""
        yield (
            f"histogram_quantile({share.val:g}, …) is infinite: quantiles are from 0 to 1",
            f"write one{hint}",
        )
    while isinstance(buckets, promql.ParenExpr):
        buckets = buckets.expr
    if not isinstance(buckets, promql.AggregateExpr) or not _has_buckets(buckets):
        return
    kept = buckets.modifier
    by = kept is not None and kept.type == promql.AggModifierType.By
    named = kept is not None and "le" in kept.labels
    if named != by or kept is None:
        yield (
            "adds the buckets of a histogram together, so that histogram_quantile finds none and gives no value",
            f"keep them: {buckets.op} by (le) (…)",
        )


def _has_buckets(expr: promql.Expr) -> bool:
    """Whether an aggregation is of classic buckets: native histograms have no label le."""
    return any(name.endswith("_bucket") for name in _names(expr))


def _names(expr: promql.Expr) -> Iterator[str]:
    match expr:
        case promql.VectorSelector():
            yield expr.name or ""
        case promql.MatrixSelector():
            yield expr.vector_selector.name or ""
        case promql.Call():
            for argument in expr.args:
                yield from _names(argument)
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _names(expr.expr)
        case promql.BinaryExpr():
            yield from _names(expr.lhs)
            yield from _names(expr.rhs)


def _texts(query: CountQuery | HistogramQuery) -> Mapping[str, str]:
    if isinstance(query, CountQuery):
        return {"total": query.total, "errors": query.errors}
    return {"histogram": query.histogram}


def _remarks(key: str, text: str, query: CountQuery | HistogramQuery) -> Iterator[InputError]:
    if kind_of(query.source) == PROMETHEUS:
        read = read_rule_selector(text)
        labels = {matcher.label for matcher in read.matchers}
        for matcher in read.matchers:
            for mistake in _of_value(matcher.label, matcher.operator, matcher.value):
                yield InputError(*mistake)
        yield from _of_name(key, read.metric, labels)
        if isinstance(query, HistogramQuery):
            yield from _of_unit(read.metric.removesuffix("_bucket"), query.unit)
        named = any("namespace" in label for label in labels)
    else:
        named = "namespace:" in text
    if not named and not used(text) & NARROWING:
        yield _everywhere(query)


def _everywhere(query: CountQuery | HistogramQuery) -> InputError:
    if query.arms.version_label:
        what = "workloads of one version, wherever they are, are counted as one"
    else:
        what = "the query covers the metric in the whole cluster"
    label = query.arms.namespace_label
    written = f'{label}="$namespace"' if kind_of(query.source) == PROMETHEUS else "kube_namespace:$namespace"
    return InputError(f"does not name a namespace: {what}", f"add {written}, unless this is intended")


def _of_name(key: str, name: str, labels: set[str]) -> Iterator[InputError]:
    if key == "histogram":
        if name.endswith("_bucket"):
            base = name.removesuffix("_bucket")
            yield InputError(
                f"names the _bucket series; the sentinel needs {base}, with its _sum and _count",
                f"write {base}",
            )
    elif name.endswith("_bucket") and "le" not in labels:
        count = name.removesuffix("_bucket") + "_count"
        yield InputError("counts every request once for each bucket that includes it", f"write {count}")
    elif name.endswith("_sum"):
        count = name.removesuffix("_sum") + "_count"
        yield InputError("adds up the measured values, not the number of requests", f"write {count}")
    elif name and "." not in name and not name.endswith(COUNTER_ENDS) and name not in _known():
        yield InputError(
            f"{name} does not end in _total, as counters do",
            "check that it only ever grows: a gauge, a rate or a ratio cannot be counted",
        )


def _of_unit(name: str, unit: float) -> Iterator[InputError]:
    """Whether a name tells another unit: in a wrong one all requests are slow, or none."""
    told = next((each for end, each in UNITS.items() if name.endswith(end)), None)
    if told is None or abs(told[0] / unit - 1) < 1e-9:
        return
    mend = "remove unit" if told[0] == 1.0 else f"add unit: {told[1]}"
    yield InputError(f"{name} is not in the rule's unit, by its name", f"{mend}, unless the name is wrong")


def _known() -> frozenset[str]:
    """The names of presets' counters that do not follow the convention."""
    prometheus = (preset for preset in PRESETS.values() if preset.source == "prometheus")
    return frozenset(read_rule_selector(preset.total).metric for preset in prometheus)
