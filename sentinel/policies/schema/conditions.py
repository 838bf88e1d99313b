"""Conditions of query rules in CEL, type-checked when a rule file is read.

Variables: `value`, a double, is the query's number (of a list its first); `result` is the list of all its numbers.
Functions beside CEL's own: `isNaN(x)`, `isInf(x)`, `len(list)`, and `default(x, y)`: y where the list x is empty or
the number x is NaN.
"""

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from sentinel.policies.mistakes import InputError, did_you_mean

if TYPE_CHECKING:
    from cel_expr_python import cel

MAX_CONDITION = 2048
MAX_BRACKETS = 32

VARIABLES = ("value", "result")
FUNCTIONS = ("isNaN", "isInf", "len", "default", "size")

_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_PROBLEM = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


class CelConditions:
    """Evaluates conditions; compiled ones are kept."""

    def holds(self, expression: str, values: tuple[float, ...], *, scalar: bool) -> bool:
        """Whether the condition holds for these numbers.

        Raises ValueError when it cannot be evaluated: not CEL, an index past the end, no number at all for `value`.
        A scalar answer (`scalar`) must be exactly one number.
        """
        if scalar and len(values) != 1:
            raise ValueError(f"a scalar answer holds one number, not {len(values)}")
        data: dict[str, object] = {"result": list(values)}
        if values:
            data["value"] = values[0]
        outcome = _compiled(expression).eval(data=data)
        answer = outcome.value()
        if not isinstance(answer, bool):
            raise InputError(f"condition {expression!r} cannot be evaluated for {list(values)}: {answer}")
        return answer


def check_condition(text: str) -> str:
    """A condition, as it came. Raises InputError when it is not CEL, not typed right, or gives no boolean."""
    _compiled(text)
    return text


@lru_cache(maxsize=512)
def _compiled(text: str) -> "cel.Expression":
    from cel_expr_python import cel

    _check_size(text)
    try:
        expression = _environment().compile(text)
    except (RuntimeError, ValueError) as error:
        raise _mistake(str(error)) from None
    if expression.return_type() != cel.Type.BOOL:
        kind = str(expression.return_type()).lower()
        raise InputError(f"gives {kind}, not true or false", "compare it, such as value > 10.0")
    return expression


@lru_cache(maxsize=1)
def _environment() -> "cel.Env":
    from cel_expr_python import cel  # not at the top: it takes 10 MiB, and few rules have conditions

    def function(name: str, *overloads: cel.Overload) -> cel.FunctionDecl:
        return cel.FunctionDecl(name, list(overloads))

    boolean, whole, double = cel.Type.BOOL, cel.Type.INT, cel.Type.DOUBLE
    numbers = cel.Type.List(double)
    return cel.NewEnv(
        variables={"value": double, "result": numbers},
        functions=[
            function("isNaN", cel.Overload("isNaN_double", boolean, [double], False, math.isnan)),
            function("isInf", cel.Overload("isInf_double", boolean, [double], False, math.isinf)),
            function("len", cel.Overload("len_list", whole, [numbers], False, len)),
            function(
                "default",
                cel.Overload("default_double", double, [double, double], False, _default_number),
                cel.Overload("default_list", double, [numbers, double], False, _default_first),
            ),
        ],
    )


def _default_number(number: float, otherwise: float) -> float:
    return otherwise if math.isnan(number) else number


def _default_first(numbers: list[float], otherwise: float) -> float:
    return numbers[0] if numbers else otherwise


def _check_size(text: str) -> None:
    if len(text) > MAX_CONDITION:
        raise InputError(f"is {len(text)} characters long, more than {MAX_CONDITION}", "shorten it")
    if sum(text.count(char) for char in "([{") > MAX_BRACKETS:
        raise InputError(f"has more than {MAX_BRACKETS} brackets", "split it into several rules")


def _mistake(error: str) -> InputError:
    problem = _PROBLEM.search(error)
    message = problem[3] if problem else error
    undeclared = _UNDECLARED.search(message)
    if undeclared:
        hint = did_you_mean(undeclared[1], (*VARIABLES, *FUNCTIONS))
        return InputError(f"is not CEL: {undeclared[1]} is not defined", hint)
    hint = ""
    if "double, int" in message or "int, double" in message:
        hint = "write numbers with a decimal point, such as 1.0: CEL does not mix whole numbers and doubles"
    place = f" at column {problem[2]}" if problem else ""
    message = re.sub(r" \(in container ''\)", "", message).split(" expecting ")[0]
    return InputError(f"is not CEL: {message}{place}", hint)
