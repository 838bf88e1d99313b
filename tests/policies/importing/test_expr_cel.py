"""Argo's conditions in CEL: the same answer for the same result, or a refusal that says why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.policies.importing.draft import ImportRefusedError
from sentinel.policies.importing.expr_cel import ResultKind, to_cel
from sentinel.policies.schema.conditions import CelConditions

LIST, NUMBER, NIL = ResultKind.LIST, ResultKind.NUMBER, ResultKind.NUMBER_OR_NIL


def verdict(condition: str, *values: float, kind: ResultKind = LIST) -> bool | str:
    """What the translated condition comes to; "error" where it cannot be evaluated."""
    try:
        return CelConditions().holds(to_cel(condition, kind), values, scalar=kind is NUMBER)
    except ValueError:
        return "error"


@pytest.mark.parametrize(
    ("condition", "cel"),
    [
        ("result[0] >= 0.95", "result[0] >= 0.95"),
        ("result[0] > 10", "result[0] > 10.0"),
        ("all(result, {# < 0.5})", "result.all(x, x < 0.5)"),
        ("any(result, # > 3)", "result.exists(x, x > 3.0)"),
        ("len(result) == 0 || result[0] >= 0.95", "size(result) == 0 || result[0] >= 0.95"),
        ("not (result[0] > 1) and isNaN(result[0]) or isInf(result[0])", None),
        ("asFloat(result[0]) / 2 < 1 + 1", None),
        ("result[0] > 1 ? result[0] < 5 : true", "result[0] > 1.0 ? result[0] < 5.0 : true"),
    ],
)
def test_a_condition_reads_almost_the_same_in_cel(condition: str, cel: str | None) -> None:
    """What both languages know is written as it was, with doubles for whole numbers."""
    translated = to_cel(condition, LIST)
    assert cel is None or translated == cel
    assert isinstance(CelConditions().holds(translated, (0.5,), scalar=False), bool)


def test_an_element_past_the_end_is_an_error() -> None:
    """An empty answer is neither a success nor a failure, as in Argo."""
    assert verdict("result[0] >= 0.95") == "error"


def test_a_guard_before_the_element_decides_first() -> None:
    """expr goes from left to right, so a guard keeps the element from being looked at."""
    assert verdict("len(result) == 0 || result[0] >= 0.95") is True
    assert verdict("len(result) > 0 && result[0] >= 0.95") is False


def test_a_guard_behind_the_element_comes_too_late() -> None:
    """CEL alone would forgive the error on the left; Argo does not, so neither does the translation."""
    assert verdict("result[0] > 1 && len(result) > 0") == "error"
    assert verdict("result[0] > 1 || len(result) == 0") == "error"
    assert verdict("result[0] > 1 && len(result) > 0", 2.0) is True


def test_a_number_is_value() -> None:
    """Prometheus' scalars and Datadog's answers are one number, not a list."""
    assert to_cel("result >= 0.95", NUMBER) == "value >= 0.95"
    assert verdict("isNaN(result) || result >= 0.95", math.nan, kind=NUMBER) is True


def test_default_stands_in_where_datadog_has_no_data() -> None:
    """default() is for nil, which Datadog alone can give."""
    assert verdict("default(result, 0) < 5", kind=NIL) is True
    assert verdict("default(result, 0) < 5", 7.0, kind=NIL) is False
    assert verdict("result < 5", kind=NIL) == "error"
    assert to_cel("default(result, 0) < 5", NUMBER) == "value < 5.0"


def test_whole_numbers_are_cut_off_towards_zero() -> None:
    """asInt() cuts off as Go does."""
    assert verdict("asInt(result[0]) == 2", 2.9) is True
    assert verdict("asInt(result[0]) == -2", -2.9) is True
    assert verdict("asInt(result[0]) % 2 == 0", 4.5) is True


def test_division_is_never_whole() -> None:
    """In expr 1 / 2 is a half."""
    assert verdict("1 / 2 < result[0]", 0.6) is True
    assert verdict("1 / 2 < result[0]", 0.4) is False


def test_operators_bind_as_in_expr() -> None:
    """Products before sums, comparisons before and, and before or."""
    assert verdict("result[0] - 1 - 1 == 1", 3.0) is True
    assert verdict("2 + 2 * result[0] == 8", 3.0) is True
    assert verdict("false && false || true", 1.0) is True
    assert verdict("true || false && false", 1.0) is True
    assert verdict("result[0] - (1 - 1) == 3", 3.0) is True


@pytest.mark.parametrize(
    ("condition", "kind", "why"),
    [
        ("result.successRate >= 0.95", LIST, "a field of a result"),
        ("result == 'It worked!'", NIL, "the text"),
        ("result >= 0.95", LIST, "is a list"),
        ("result[0] >= 0.95", NUMBER, "indexes a single number"),
        ("max(result) < 0.05", LIST, "all(result"),
        ("results[0] >= 90.0", LIST, "results is not defined"),
        ("default(result, 0) < 5", LIST, "the whole list"),
        ("1 < result[0] < 3", LIST, "true or false"),
        ("result[0] ** 2 > 3", LIST, "the power"),
        ("result[0]", LIST, "not true or false"),
        ("result[0] > 1 &&", LIST, "ends too early"),
        ("result[0] > 1)", LIST, "unexpected ')'"),
        ("result[len(result) - 1] > 1", LIST, "computed number"),
        ("any(result, {asInt(#) > 3})", LIST, "can itself be an error"),
        ("result[0] in [1, 2]", LIST, "unexpected 'in'|operator in"),
        ("!" * 60 + "true", LIST, "nested"),
        ("(" * 60 + "true" + ")" * 60, LIST, "nested"),
    ],
)
def test_what_has_no_equivalent_is_refused(condition: str, kind: ResultKind, why: str) -> None:
    """A condition that would come to something else here is refused with the reason."""
    with pytest.raises(ImportRefusedError) as refused:
        to_cel(condition, kind)
    assert any(part in str(refused.value) for part in why.split("|"))


# An interpreter of the trees, strictly from left to right as expr evaluates, against which CEL is held.
leaves = st.sampled_from(["result[0]", "result[1]", "len(result)", "1", "2.5"])
comparisons = st.tuples(leaves, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), leaves).map(" ".join)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
    ),
    max_leaves=6,
)


def expected(condition: str, values: tuple[float, ...]) -> bool | str:
    """Python evaluates these operators as expr does: in order, the first error wins."""
    text = condition.replace("&&", " and ").replace("||", " or ").replace("!=", "≠").replace("!", " not ")
    text = text.replace("≠", "!=")
    while "?" in text:
        text = _rewritten(text)
    try:
        return bool(eval(text, {"result": values, "len": len}))
    except IndexError:
        return "error"


def _rewritten(text: str) -> str:
    """The innermost `(a ? b : c)` as Python's `(b if a else c)`."""
    mark = text.rindex("?")
    depth, begin = 0, mark
    while depth >= 0:
        begin -= 1
        depth += {")": 1, "(": -1}.get(text[begin], 0)
    depth, colon = 0, mark
    while text[colon] != ":" or depth:
        colon += 1
        depth += {"(": 1, ")": -1}.get(text[colon], 0)
    depth, end = 0, colon
    while depth >= 0:
        end += 1
        depth += {"(": 1, ")": -1}.get(text[end], 0)
    condition, yes, no = text[begin + 1 : mark], text[mark + 1 : colon], text[colon + 1 : end]
    return f"{text[:begin]}(({yes}) if ({condition}) else ({no})){text[end + 1 :]}"


@given(conditions, st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), max_size=3).map(tuple))
def test_cel_comes_to_the_same_as_expr(condition: str, values: tuple[float, ...]) -> None:
    """For every list, an empty one included, the translation is true, false or an error where the original is."""
    assert verdict(condition, *values) == expected(condition, values)
