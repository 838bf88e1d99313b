"""Answers of MetricsQL as PromQL would give them: there a number is a vector of one series, or of none for NaN."""

import math

import promql_parser as promql

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.engine.arms.promql_texts import without_raw_texts

_NUMBERS = frozenset({"scalar", "time", "pi"})
"""The functions of PromQL that give a number."""


def as_promql(answer: InstantAnswer, expression: str) -> InstantAnswer:
    """The answer as Prometheus gives it. An empty one of a ratio may be a NaN, which counts as one: no evidence."""
    try:
        read = promql.parse(without_raw_texts(expression))
    except ValueError:  # what only the server understands; its answer stands for itself
        return answer
    if _is_number(read):
        return InstantAnswer(answer.samples or (Sample({}, math.nan),), scalar=True)
    if not answer.samples and _is_ratio(read):
        return InstantAnswer((Sample({}, math.nan),))
    return answer


def _is_number(read: promql.Expr) -> bool:
    match read:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_number(read.expr)
        case promql.BinaryExpr():
            return _is_number(read.lhs) and _is_number(read.rhs)
        case promql.Call():
            return read.func.name in _NUMBERS
    return False


def _is_ratio(read: promql.Expr) -> bool:
    """Whether the outermost operation divides."""
    match read:
        case promql.ParenExpr():
            return _is_ratio(read.expr)
        case promql.BinaryExpr():
            operator = str(read.op)
            return operator == "/" or (operator in "+-*" and (_is_ratio(read.lhs) or _is_ratio(read.rhs)))
    return False
