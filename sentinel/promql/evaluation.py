"""An evaluator for the part of PromQL that a canary daemon asks: selectors, rates, aggregation, arithmetic.

Parsed by promql-parser (which knows Prometheus' grammar); what is beyond this part is refused by name.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import promql_parser as parser

from sentinel.bounded import BoundedDict
from sentinel.promql.functions import (
    MATH,
    OVER_TIME,
    bucket_quantile,
    extrapolated,
    instant_rate,
    quantile,
)
from sentinel.promql.groups import points_by_group, series_by_group
from sentinel.promql.selectors import equal_labels, matchers_of, milliseconds, offset_of
from sentinel.promql.series import NAME, Identity, SeriesStore
from sentinel.promql.vectors import (
    AGGREGATIONS,
    OF_ONE,
    PromqlError,
    RangeOf,
    Value,
    Vector,
    VectorSample,
    distinct,
    grouping,
    mapped,
    operated,
    remembered,
    unnamed,
)

LOOKBACK = 300_000
"""How old, in milliseconds, the newest sample of a series may be."""


@lru_cache(maxsize=512)
def parse(query: str) -> Any:
    """The parsed query; raises PromqlError."""
    try:
        return parser.parse(query)
    except ValueError as error:
        raise PromqlError(f'invalid parameter "query": 1:1: parse error: {error}') from error


Plan = Callable[[int], Value]
"""The value of an expression at a time in milliseconds."""
_PLANS = 512


class Evaluator:
    """Evaluates parsed queries over a store of series, at one time after another.

    An expression is worked out once, into a plan: a query is asked again and again, and its parts are dear to read.
    """

    def __init__(self, store: SeriesStore) -> None:
        self._store = store
        self._plans: BoundedDict[int, tuple[Any, Plan]] = BoundedDict(_PLANS)

    def evaluate(self, expression: Any, time: int) -> Value:
        """The value of an expression at `time` (milliseconds).

        Raises PromqlError for what is not supported, PromqlExecutionError for what the data do not allow.
        """
        # The expression itself is kept beside its plan, so that its id stays its own.
        known = self._plans.get(id(expression))
        if known is None:
            known = self._plans[id(expression)] = (expression, self._plan(expression))
        return known[1](time)

    def _plan(self, expression: Any) -> Plan:
        match expression:
            case parser.NumberLiteral():
                return _always(float(expression.val))
            case parser.StringLiteral():
                return _always(str(expression.val))
            case parser.ParenExpr():
                return self._plan(expression.expr)
            case parser.UnaryExpr():
                plan = self._plan(expression.expr)
                return lambda time: _negated(plan(time))
            case parser.VectorSelector():
                return self._select(expression)
            case parser.MatrixSelector():
                ranges = self._select_range(expression)
                return lambda time: ranges(time)
            case parser.Call():
                return self._call(expression)
            case parser.AggregateExpr():
                return self._aggregate(expression)
            case parser.BinaryExpr():
                return self._binary(expression)
        raise PromqlError(f"{type(expression).__name__} is not supported by this stand-in")

    # -- selectors

    def _select(self, selector: Any) -> Callable[[int], Vector]:
        store, matchers, offset = self._store, tuple(matchers_of(selector)), offset_of(selector)

        def select(time: int) -> Vector:
            result = []
            for series in store.select(matchers):
                sample = series.at(time - offset, LOOKBACK)
                if sample is not None:
                    result.append(VectorSample(series.labels, sample[1], sample[0]))
            return result

        return select

    def _select_range(self, selector: Any) -> Callable[[int], list[RangeOf]]:
        inner, length = selector.vector_selector, milliseconds(selector.range)
        store, matchers, offset = self._store, tuple(matchers_of(inner)), offset_of(inner)

        def select(time: int) -> list[RangeOf]:
            end = time - offset
            found = ((s.labels, s.between(end - length, end)) for s in store.select(matchers))
            return [RangeOf(labels, samples) for labels, samples in found if samples]

        return select

    # -- functions

    def _call(self, call: Any) -> Plan:
        name, arguments = call.func.name, call.args
        if name in ("rate", "increase", "delta", "irate") or name in OVER_TIME:
            return self._over_range(name, arguments[0])
        match name:
            case "timestamp":
                return self._timestamp(arguments[0])
            case "histogram_quantile":
                return self._histogram_quantile(arguments)
            case "time":
                return lambda time: time / 1000
            case "vector":
                number = self._scalar(arguments[0])
                return lambda time: [VectorSample({}, number(time), time)]
            case "scalar":
                points = self._vector(arguments[0])
                return lambda time: vector[0].value if len(vector := points(time)) == 1 else math.nan
            case "absent":
                points, labels = self._vector(arguments[0]), equal_labels(arguments[0])
                return lambda time: [] if points(time) else [VectorSample(labels, 1.0, time)]
            case "clamp_min" | "clamp_max":
                points, bound = self._vector(arguments[0]), self._scalar(arguments[1])
                limit = max if name == "clamp_min" else min
                return lambda time: mapped(points(time), partial(limit, bound(time)))
        if name in MATH:
            points = self._vector(arguments[0])
            return lambda time: mapped(points(time), MATH[name])
        raise PromqlError(f"function {name!r} is not supported by this stand-in")

    def _over_range(self, name: str, argument: Any) -> Plan:
        if not isinstance(argument, parser.MatrixSelector):
            raise PromqlError(f"{type(argument).__name__} in {name}() is not supported by this stand-in")
        ranges, offset = self._select_range(argument), offset_of(argument.vector_selector)
        length, kept = milliseconds(argument.range), name == "last_over_time"

        def value_of(samples: Sequence[tuple[int, float]], end: int) -> float | None:
            if name in OVER_TIME:
                return OVER_TIME[name]([v for _, v in samples])
            if name == "irate":
                return instant_rate(samples)
            counter, rated = name != "delta", name == "rate"
            return extrapolated(samples, end - length, end, counter=counter, per_second=rated)

        def over(time: int) -> Vector:
            result = []
            for element in ranges(time):
                value = value_of(element.samples, time - offset)
                if value is not None:
                    labels = element.labels if kept else unnamed(element.labels)
                    result.append(VectorSample(labels, value, time))
            return distinct(result)

        return over

    def _timestamp(self, argument: Any) -> Plan:
        while isinstance(argument, parser.ParenExpr):
            argument = argument.expr
        points, of_sample = self._vector(argument), isinstance(argument, parser.VectorSelector)
        bare = remembered(unnamed) if of_sample else unnamed
        # Series of one name differ in their labels without it.
        alone = of_sample and bool(argument.name)

        def stamped(time: int) -> Vector:
            found = [
                VectorSample(bare(p.labels), (p.time if of_sample else time) / 1000, time)
                for p in points(time)
            ]
            return found if alone else distinct(found)

        return stamped

    def _histogram_quantile(self, arguments: Sequence[Any]) -> Plan:
        share, points = self._scalar(arguments[0]), self._vector(arguments[1])

        def quantiles(time: int) -> Vector:
            q = share(time)
            histograms: dict[Identity, list[tuple[float, float]]] = {}
            for point in points(time):
                bound = _bound(point.labels.get("le"))
                if bound is not None:
                    labels = {k: v for k, v in point.labels.items() if k not in ("le", NAME)}
                    histograms.setdefault(tuple(sorted(labels.items())), []).append((bound, point.value))
            return [
                VectorSample(dict(key), bucket_quantile(q, each), time) for key, each in histograms.items()
            ]

        return quantiles

    # -- aggregation

    def _aggregate(self, aggregate: Any) -> Plan:
        name = str(aggregate.op)
        combine = AGGREGATIONS.get(name)
        if combine is None and name != "quantile":
            raise PromqlError(f"aggregation {name!r} is not supported by this stand-in")
        share = self._scalar(aggregate.param) if name == "quantile" else None
        group_of = grouping(aggregate.modifier)
        grouped = series_by_group(self._store, aggregate.expr, group_of, LOOKBACK) or points_by_group(
            self._vector(aggregate.expr), group_of
        )

        of_one = name in OF_ONE

        def aggregated(time: int) -> Vector:
            whole = combine or partial(quantile, share(time) if share is not None else math.nan)
            return [
                VectorSample(labels, values[0] if of_one and len(values) == 1 else whole(values), time)
                for labels, values in grouped(time)
                if values
            ]

        return aggregated

    # -- binary operators

    def _binary(self, binary: Any) -> Plan:
        name, modifier = str(binary.op), binary.modifier
        left, right = self._plan(binary.lhs), self._plan(binary.rhs)
        return lambda time: operated(name, modifier, left(time), right(time), time)

    # -- types

    def _vector(self, expression: Any) -> Callable[[int], Vector]:
        if isinstance(expression, parser.VectorSelector):
            return self._select(expression)
        plan = self._plan(expression)

        def vector(time: int) -> Vector:
            value = plan(time)
            if isinstance(value, list):
                return [point for point in value if isinstance(point, VectorSample)]
            raise PromqlError("expected an instant vector")

        return vector

    def _scalar(self, expression: Any) -> Callable[[int], float]:
        plan = self._plan(expression)

        def scalar(time: int) -> float:
            value = plan(time)
            if isinstance(value, float):
                return value
            raise PromqlError("expected a scalar")

        return scalar


def _always(value: Value) -> Plan:
    return lambda _time: value


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
