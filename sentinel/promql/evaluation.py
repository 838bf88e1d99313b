"""An evaluator for the part of PromQL that a canary daemon asks: selectors, rates, aggregation, arithmetic.

Parsed by promql-parser (which knows Prometheus' grammar); what is beyond this part is refused by name.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import promql_parser as parser

from sentinel.promql.functions import (
    MATH,
    OVER_TIME,
    bucket_quantile,
    extrapolated,
    instant_rate,
    quantile,
)
from sentinel.promql.series import NAME, Identity, LabelMatcher, Labels, SeriesStore
from sentinel.promql.vectors import (
    AGGREGATIONS,
    SET_OPERATIONS,
    PromqlError,
    RangeOf,
    Value,
    Vector,
    VectorSample,
    against_scalar,
    distinct,
    grouping,
    mapped,
    matched,
    operation_of,
    set_operation,
    unnamed,
)

LOOKBACK = 300_000
"""How old, in milliseconds, the newest sample of a series may be."""

_MATCH_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


@lru_cache(maxsize=512)
def parse(query: str) -> Any:
    """The parsed query; raises PromqlError."""
    try:
        return parser.parse(query)
    except ValueError as error:
        raise PromqlError(f'invalid parameter "query": 1:1: parse error: {error}') from error


class Evaluator:
    """Evaluates parsed queries over a store of series, at one time after another."""

    def __init__(self, store: SeriesStore) -> None:
        self._store = store

    def evaluate(self, expression: Any, time: int) -> Value:
        """The value of an expression at `time` (milliseconds).

        Raises PromqlError for what is not supported, PromqlExecutionError for what the data do not allow.
        """
        match expression:
            case parser.NumberLiteral():
                return float(expression.val)
            case parser.StringLiteral():
                return str(expression.val)
            case parser.ParenExpr():
                return self.evaluate(expression.expr, time)
            case parser.UnaryExpr():
                return _negated(self.evaluate(expression.expr, time))
            case parser.VectorSelector():
                return self._select(expression, time)
            case parser.MatrixSelector():
                return self._select_range(expression, time)
            case parser.Call():
                return self._call(expression, time)
            case parser.AggregateExpr():
                return self._aggregate(expression, time)
            case parser.BinaryExpr():
                return self._binary(expression, time)
        raise PromqlError(f"{type(expression).__name__} is not supported by this stand-in")

    # -- selectors

    def _select(self, selector: Any, time: int) -> Vector:
        time -= _offset(selector)
        found = ((s.labels, s.at(time, LOOKBACK)) for s in self._store.select(_matchers(selector)))
        return [VectorSample(labels, sample[1], sample[0]) for labels, sample in found if sample is not None]

    def _select_range(self, selector: Any, time: int) -> list[RangeOf]:
        inner = selector.vector_selector
        time -= _offset(inner)
        start = time - _milliseconds(selector.range)
        found = ((s.labels, s.between(start, time)) for s in self._store.select(_matchers(inner)))
        return [RangeOf(labels, samples) for labels, samples in found if samples]

    # -- functions

    def _call(self, call: Any, time: int) -> Value:
        name, arguments = call.func.name, call.args
        if name in ("rate", "increase", "delta", "irate") or name in OVER_TIME:
            return self._over_range(name, arguments[0], time)
        match name:
            case "timestamp":
                return self._timestamp(arguments[0], time)
            case "histogram_quantile":
                return self._histogram_quantile(arguments, time)
            case "time":
                return time / 1000
            case "vector":
                return [VectorSample({}, self._scalar(arguments[0], time), time)]
            case "scalar":
                vector = self._vector(arguments[0], time)
                return vector[0].value if len(vector) == 1 else math.nan
            case "absent":
                return (
                    []
                    if self._vector(arguments[0], time)
                    else [VectorSample(_equal_labels(arguments[0]), 1.0, time)]
                )
            case "clamp_min" | "clamp_max":
                bound = self._scalar(arguments[1], time)
                limit = max if name == "clamp_min" else min
                return mapped(self._vector(arguments[0], time), lambda value: limit(value, bound))
        if name in MATH:
            return mapped(self._vector(arguments[0], time), MATH[name])
        raise PromqlError(f"function {name!r} is not supported by this stand-in")

    def _over_range(self, name: str, argument: Any, time: int) -> Vector:
        if not isinstance(argument, parser.MatrixSelector):
            raise PromqlError(f"{type(argument).__name__} in {name}() is not supported by this stand-in")
        end = time - _offset(argument.vector_selector)
        start = end - _milliseconds(argument.range)
        result = []
        for element in self._select_range(argument, time):
            if name in OVER_TIME:
                value: float | None = OVER_TIME[name]([v for _, v in element.samples])
            elif name == "irate":
                value = instant_rate(element.samples)
            else:
                value = extrapolated(
                    element.samples, start, end, counter=name != "delta", per_second=name == "rate"
                )
            if value is not None:
                kept = name == "last_over_time"
                result.append(VectorSample(element.labels if kept else unnamed(element.labels), value, time))
        return distinct(result)

    def _timestamp(self, argument: Any, time: int) -> Vector:
        while isinstance(argument, parser.ParenExpr):
            argument = argument.expr
        points = self._vector(argument, time)
        of_sample = isinstance(argument, parser.VectorSelector)
        return distinct(
            [VectorSample(unnamed(p.labels), (p.time if of_sample else time) / 1000, time) for p in points]
        )

    def _histogram_quantile(self, arguments: Sequence[Any], time: int) -> Vector:
        q = self._scalar(arguments[0], time)
        histograms: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        for point in self._vector(arguments[1], time):
            bound = _bound(point.labels.get("le"))
            if bound is not None:
                labels = {k: v for k, v in point.labels.items() if k not in ("le", NAME)}
                histograms.setdefault(tuple(sorted(labels.items())), []).append((bound, point.value))
        return [
            VectorSample(dict(key), bucket_quantile(q, buckets), time) for key, buckets in histograms.items()
        ]

    # -- aggregation

    def _aggregate(self, aggregate: Any, time: int) -> Vector:
        name = str(aggregate.op)
        combine = AGGREGATIONS.get(name)
        if name == "quantile":
            combine = partial(quantile, self._scalar(aggregate.param, time))
        if combine is None:
            raise PromqlError(f"aggregation {name!r} is not supported by this stand-in")
        group_of = grouping(aggregate.modifier)
        groups: dict[Identity, list[float]] = {}
        for point in self._vector(aggregate.expr, time):
            groups.setdefault(group_of(point.labels), []).append(point.value)
        return [VectorSample(dict(key), combine(values), time) for key, values in groups.items()]

    # -- binary operators

    def _binary(self, binary: Any, time: int) -> Value:
        name, modifier = str(binary.op), binary.modifier
        left, right = self.evaluate(binary.lhs, time), self.evaluate(binary.rhs, time)
        if name in SET_OPERATIONS:
            return set_operation(name, modifier, left, right)
        if isinstance(left, str) or isinstance(right, str):
            raise PromqlError(f"operator {name!r} takes no strings")
        operation = operation_of(name)
        as_bool = modifier is not None and modifier.return_bool
        if isinstance(left, float):
            number = left
            if isinstance(right, float):
                return float(operation(number, right))
            return against_scalar(name, right, lambda value: operation(number, value), as_bool=as_bool)
        if isinstance(right, float):
            bound = right
            return against_scalar(name, left, lambda value: operation(value, bound), as_bool=as_bool)
        return matched(name, modifier, left, right, time)

    # -- types

    def _vector(self, expression: Any, time: int) -> Vector:
        value = self.evaluate(expression, time)
        if isinstance(value, list):
            return [point for point in value if isinstance(point, VectorSample)]
        raise PromqlError("expected an instant vector")

    def _scalar(self, expression: Any, time: int) -> float:
        value = self.evaluate(expression, time)
        if isinstance(value, float):
            return value
        raise PromqlError("expected a scalar")


# -- small parts


def _matchers(selector: Any) -> list[LabelMatcher]:
    if selector.at is not None:
        raise PromqlError("the @ modifier is not supported by this stand-in")
    if selector.matchers.or_matchers:
        raise PromqlError("`or` between matchers is not supported by this stand-in")
    named = [LabelMatcher(NAME, "=", selector.name)] if selector.name else []
    return named + [
        LabelMatcher(m.name, _MATCH_OPERATORS[str(m.op).rpartition(".")[2]], str(m.value))
        for m in selector.matchers.matchers
    ]


def _offset(selector: Any) -> int:
    return _milliseconds(selector.offset) if selector.offset is not None else 0


def _milliseconds(duration: Any) -> int:
    return round(float(duration.total_seconds()) * 1000)


def _equal_labels(argument: Any) -> Labels:
    if not isinstance(argument, parser.VectorSelector):
        return {}
    return {m.name: m.value for m in _matchers(argument) if m.operator == "=" and m.name != NAME}


def _negated(value: Value) -> Value:
    if isinstance(value, float):
        return -value
    if isinstance(value, list):
        return mapped([point for point in value if isinstance(point, VectorSample)], operator.neg)
    raise PromqlError("unary minus takes no strings")


def _bound(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return None
