"""CEL conditions."""

import math

import pytest

from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.conditions import CelConditions, check_condition


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("value > 1.0", (2.0,), True),
        ("value > 1.0", (1.0,), False),
        ("value == 3.0", (3.0, 4.0), True),
        ("result[1] > 3.0", (3.0, 4.0), True),
        ("result.all(x, x < 5.0)", (3.0, 4.0), True),
        ("result.exists(x, isNaN(x))", (3.0, math.nan), True),
        ("isNaN(value) || isInf(value)", (math.inf,), True),
        ("len(result) == 0 || value > 1.0", (), True),
        ("size(result) == 2", (1.0, 2.0), True),
        ("default(result, 7.0) == 7.0", (), True),
        ("default(result, 7.0) == 7.0", (1.0,), False),
        ("default(value, 7.0) == 7.0", (math.nan,), True),
    ],
)
def test_conditions_hold_or_not(condition: str, values: tuple[float, ...], holds: bool) -> None:
    """`value` is the first number, `result` all of them; the functions do what they say."""
    check_condition(condition)

    assert CelConditions().holds(condition, values, scalar=False) is holds


@pytest.mark.parametrize(
    ("condition", "values", "scalar"),
    [
        ("value > 1.0", (), False),
        ("result[2] > 1.0", (1.0,), False),
        ("value >", (1.0,), False),
        ("value", (1.0,), False),
        ("value > 1.0", (1.0, 2.0), True),
    ],
    ids=["no number", "index past the end", "not CEL", "not boolean", "scalar of two"],
)
def test_what_cannot_be_evaluated_is_an_error_and_no_answer(
    condition: str, values: tuple[float, ...], scalar: bool
) -> None:
    """Missing numbers and broken conditions raise ValueError: they are neither true nor false."""
    with pytest.raises(ValueError):
        CelConditions().holds(condition, values, scalar=scalar)


@pytest.mark.parametrize(
    "condition",
    ["", "value > 1", "result > 1.0", "values > 1.0", "value + 1.0", "foo(value)", "!" * 3000, "[" * 500],
)
def test_types_and_names_are_checked_when_read(condition: str) -> None:
    """What could never be evaluated is refused before anything runs."""
    with pytest.raises(InputError):
        check_condition(condition)
