"""Vectors by the groups of an aggregation: those of plain selectors, by far the most, group their series once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import promql_parser as parser

from sentinel.promql.selectors import matchers_of, offset_of
from sentinel.promql.series import Identity, Labels, SeriesStore, StoredSeries
from sentinel.promql.vectors import Vector, remembered, unnamed

GroupOf = Callable[[Labels], Identity]
Grouped = Callable[[int], Iterable[tuple[Labels, Sequence[float]]]]
"""The labels of each group at a time in milliseconds, with the values in it; a group may be empty."""


def series_by_group(store: SeriesStore, expression: Any, group_of: GroupOf, lookback: int) -> Grouped | None:
    """The groups of a selector, or of the times of its samples; None for any other expression."""
    stamped = _stamped_selector(expression)
    selector = expression if stamped is None else stamped
    if not isinstance(selector, parser.VectorSelector):
        return None
    matchers, offset = tuple(matchers_of(selector)), offset_of(selector)
    of_series = group_of if stamped is None else lambda labels: group_of(unnamed(labels))
    groups: _Groups = ()
    grouped_at = -1

    def grouped(time: int) -> Iterable[tuple[Labels, Sequence[float]]]:
        nonlocal groups, grouped_at
        if grouped_at != store.changes:
            groups, grouped_at = store.grouped(matchers, of_series), store.changes
        return _newest(groups, time - offset, lookback, stamps=stamped is not None)

    return grouped


_Groups = Sequence[tuple[Labels, Sequence[StoredSeries]]]


def _newest(groups: _Groups, at: int, lookback: int, *, stamps: bool) -> list[tuple[Labels, list[float]]]:
    """The newest values of each group, as `StoredSeries.at` finds them; as `stamps`, the seconds of their scrapes.

    Written out, as it is what most questions come to; series that were put together share their times.
    """
    found: list[tuple[Labels, list[float]]] = []
    known: list[int] | None = None
    index = -1
    for labels, series in groups:
        numbers: list[float] = []
        for each in series:
            times = each.times
            if times is not known:
                known, index = times, bisect_right(times, at) - 1
            if index >= 0 and times[index] >= at - lookback:
                value = each.values[index]
                if value is not None:
                    numbers.append(times[index] / 1000 if stamps else value)
        found.append((labels, numbers))
    return found


def points_by_group(points: Callable[[int], Vector], group_of: GroupOf) -> Grouped:
    """The groups of any vector."""
    group_of = remembered(group_of)

    def grouped(time: int) -> Iterable[tuple[Labels, Sequence[float]]]:
        groups: dict[Identity, list[float]] = {}
        for point in points(time):
            groups.setdefault(group_of(point.labels), []).append(point.value)
        return [(dict(group), values) for group, values in groups.items()]

    return grouped


def _stamped_selector(expression: Any) -> Any:
    """The selector whose samples' times are asked for, where the expression asks for nothing else."""
    if not isinstance(expression, parser.Call) or expression.func.name != "timestamp":
        return None
    (argument,) = expression.args
    return argument if isinstance(argument, parser.VectorSelector) and argument.name else None
