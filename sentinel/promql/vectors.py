"""Instant vectors: what PromQL's operators and aggregations make of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from weakref import ReferenceType

import promql_parser as parser

from sentinel.promql.functions import divide, modulo, power
from sentinel.promql.series import NAME, Identity, Labels, SeriesLabels
from sentinel.values import dataclass

T = TypeVar("T")

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "%": modulo,
    "^": power,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
SET_OPERATIONS = frozenset({"and", "or", "unless"})


class PromqlError(Exception):
    """A query that is malformed or not supported here: Prometheus' `bad_data`."""


class PromqlExecutionError(Exception):
    """A query that fails on the data that it meets: Prometheus' `execution`."""


@dataclass(frozen=True, slots=True)
class VectorSample:
    """One element of an instant vector; `time` (milliseconds) is its sample's, where it is one."""

    labels: Labels
    value: float
    time: int


@dataclass(frozen=True, slots=True)
class RangeOf:
    """One element of a range vector."""

    labels: Labels
    samples: Sequence[tuple[int, float]]


Vector = list[VectorSample]
Value = float | str | Vector | list[RangeOf]


def operated(name: str, modifier: Any, left: Value, right: Value, time: int) -> Value:
    """What a binary operator makes of both sides."""
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


def against_scalar(
    name: str, points: Sequence[Any], outcome_of: Callable[[float], float | bool], *, as_bool: bool
) -> Vector:
    """An operator between a vector and a scalar; a comparison filters unless `as_bool`."""
    result = []
    for point in points:
        if not isinstance(point, VectorSample):
            raise PromqlError(f"operator {name!r} takes no range vectors")
        outcome = outcome_of(point.value)
        if name not in COMPARISONS or as_bool:
            result.append(VectorSample(unnamed(point.labels), float(outcome), point.time))
        elif outcome:
            result.append(point)
    return distinct(result)


def matched(name: str, modifier: Any, left: Sequence[Any], right: Sequence[Any], time: int) -> Vector:
    """One-to-one matching; raises PromqlExecutionError where one side has a label set twice."""
    if modifier is not None and str(modifier.card) not in ("VectorMatchCardinality.OneToOne", "OneToOne"):
        raise PromqlError("group_left and group_right are not supported by this stand-in")
    if not left or not right:
        return []
    operation, comparing = operation_of(name), name in COMPARISONS
    as_bool = modifier is not None and modifier.return_bool
    others: dict[tuple[tuple[str, str], ...], VectorSample] = {}
    for point in right:
        key = _signature(point.labels, modifier)
        if key in others:
            raise _duplicates("right", key)
        others[key] = point
    seen: set[tuple[tuple[str, str], ...]] = set()
    result = []
    for point in left:
        key = _signature(point.labels, modifier)
        other = others.get(key)
        if other is None:
            continue
        outcome = operation(point.value, other.value)
        if comparing and not as_bool and not outcome:
            continue
        if key in seen:
            raise PromqlExecutionError("multiple matches for labels: many-to-one matching must be explicit")
        seen.add(key)
        labels = _result_labels(point.labels, modifier, drop_name=not comparing or as_bool)
        value = point.value if comparing and not as_bool else float(outcome)
        result.append(VectorSample(labels, value, time))
    return result


def set_operation(name: str, modifier: Any, left: Any, right: Any) -> Vector:
    if not (isinstance(left, list) and isinstance(right, list)):
        raise PromqlError(f"set operator {name!r} not allowed in binary scalar expression")
    ours = {_signature(point.labels, modifier) for point in left}
    theirs = {_signature(point.labels, modifier) for point in right}
    match name:
        case "and":
            return [point for point in left if _signature(point.labels, modifier) in theirs]
        case "unless":
            return [point for point in left if _signature(point.labels, modifier) not in theirs]
        case _:
            return [*left, *(p for p in right if _signature(p.labels, modifier) not in ours)]


def _signature(labels: Labels, modifier: Any) -> tuple[tuple[str, str], ...]:
    matching = None if modifier is None else modifier.matching
    if matching is None:
        return tuple(sorted(unnamed(labels).items()))
    named = set(matching.labels)
    if matching.type == parser.LabelModifierType.Include:
        return tuple(sorted((k, v) for k, v in labels.items() if k in named))
    return tuple(sorted((k, v) for k, v in labels.items() if k not in named and k != NAME))


def _result_labels(labels: Labels, modifier: Any, *, drop_name: bool) -> Labels:
    kept = unnamed(labels) if drop_name else labels
    matching = None if modifier is None else modifier.matching
    if matching is None:
        return kept
    named = set(matching.labels)
    if matching.type == parser.LabelModifierType.Include:
        return {k: v for k, v in kept.items() if k in named}
    return {k: v for k, v in kept.items() if k not in named}


def _duplicates(side: str, key: Iterable[tuple[str, str]]) -> PromqlExecutionError:
    shown = ", ".join(f'{name}="{value}"' for name, value in key)
    return PromqlExecutionError(
        f"found duplicate series for the match group {{{shown}}} on the {side} hand-side of the operation;"
        "many-to-many matching not allowed: matching labels must be unique on one side"
    )


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _extreme(choose: Callable[[Iterable[float]], float]) -> Callable[[Sequence[float]], float]:
    def extreme(values: Sequence[float]) -> float:
        numbers = [value for value in values if not math.isnan(value)]
        return choose(numbers) if numbers else math.nan

    return extreme


AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": lambda values: float(sum(values)),
    "min": _extreme(min),
    "max": _extreme(max),
    "avg": _average,
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,
}


OF_ONE = frozenset({"sum", "min", "max", "avg"})
"""Those that make of one value that value."""


def grouping(modifier: Any) -> Callable[[Labels], Identity]:
    """Which group a series belongs to, by its labels: the labels that its group keeps."""
    if modifier is None:
        return lambda labels: ()
    named = sorted(set(modifier.labels))
    if modifier.type == parser.AggModifierType.By:
        return lambda labels: tuple([(name, labels[name]) for name in named if name in labels])
    dropped = {NAME, *named}
    return lambda labels: tuple(sorted([each for each in labels.items() if each[0] not in dropped]))


def remembered(of_labels: Callable[[Labels], T]) -> Callable[[Labels], T]:
    """The same function; what it finds for the labels of a stored series is kept for as long as there is the series."""
    known: dict[int, tuple[ReferenceType[SeriesLabels], T]] = {}

    def of(labels: Labels) -> T:
        if not isinstance(labels, SeriesLabels):
            return of_labels(labels)
        key = id(labels)
        entry = known.get(key)
        if entry is None or entry[0]() is not labels:
            series = ReferenceType(labels, lambda _gone: known.pop(key, None))
            entry = known[key] = (series, of_labels(labels))
        return entry[1]

    return of


def operation_of(name: str) -> Callable[[float, float], float | bool]:
    if name in COMPARISONS:
        return COMPARISONS[name]
    if name in ARITHMETIC:
        return ARITHMETIC[name]
    raise PromqlError(f"operator {name!r} is not supported by this stand-in")


def unnamed(labels: Labels) -> Labels:
    return {k: v for k, v in labels.items() if k != NAME}


def mapped(vector: Vector, function: Callable[[float], float]) -> Vector:
    return distinct([VectorSample(unnamed(p.labels), function(p.value), p.time) for p in vector])


def distinct(vector: Vector) -> Vector:
    """The vector; raises PromqlExecutionError where two elements have the same labels."""
    if len({tuple(sorted(point.labels.items())) for point in vector}) != len(vector):
        raise PromqlExecutionError("vector cannot contain metrics with the same labelset")
    return vector
