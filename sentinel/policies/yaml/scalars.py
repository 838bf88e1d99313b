"""What a plain scalar means by YAML 1.2's core schema, so that `no`, `on` and `1:30` stay text."""

import math
import re

from sentinel.policies.mistakes import InputError

LARGEST = 2**53
"""Whole numbers up to here survive every JSON library."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_PREFIXED = re.compile(r"0o([0-7]{1,400})|0x([0-9a-fA-F]{1,400})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,400}|[0-9]{1,400}(\.[0-9]{0,400})?)([eE][-+]?[0-9]{1,5})?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def plain_value(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar; whole floats become integers, as JSON libraries may do it on the way.

    Raises InputError for numbers that JSON cannot hold.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    prefixed = _PREFIXED.fullmatch(text)
    if prefixed:
        return _fitting(int(prefixed[1] or prefixed[2], 8 if prefixed[1] else 16))
    if _INTEGER.fullmatch(text):
        return _fitting(int(text))
    if _NOT_FINITE.fullmatch(text):
        raise InputError(f"{text} is not a finite number")
    return _fitting(float(text)) if _FLOAT.fullmatch(text) else text_value(text)


def text_value(text: str) -> str:
    """Text that UTF-8 and Kubernetes can hold. Raises InputError."""
    unfit = _UNFIT.search(text)
    if unfit:
        raise InputError(f"contains the character U+{ord(unfit[0]):04X}", "remove it")
    return text


def _fitting(number: float) -> int | float:
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise InputError("is a number out of range", "put text in quotes")
    return int(number) if number == int(number) else number
