"""Frozen dataclasses to plain JSON values and back: what a RolloutRecord's fields are written as.

Types are looked at once per class: what is left per value is a call or two.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from sentinel.adapters.kubernetes.api.raw import stamp, time

T = TypeVar("T")
Decoder = Callable[[object, str], Any]
"""Takes a JSON value and the name of its field, which is for errors."""

_PLAIN = frozenset({str, int, bool, NoneType})


def camel(name: str) -> str:
    """A field's name in JSON."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def encode(value: object) -> Any:
    """The value as JSON: empty fields that have a default are left out, infinities and NaN become text."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, frozenset):
        return [encode(item) for item in sorted(value)]
    return _encoded_fields(value, kind)


def _encoded_fields(value: object, kind: Any) -> dict[str, Any]:
    encoded = {}
    for name, written, has_default in _layout(kind):
        item = encode(getattr(value, name))
        # Zeros and False are worth writing, even where they are the default: a column shows them.
        if not has_default or item or isinstance(item, int | float):
            encoded[written] = item
    return encoded


@cache
def _layout(kind: Any) -> tuple[tuple[str, str, bool], ...]:
    """Per field its name, its name in JSON and whether it has a default."""
    return tuple(
        (item.name, camel(item.name), item.default is not MISSING or item.default_factory is not MISSING)
        for item in fields(kind)
    )


def decode(kind: type[T], raw: object) -> T:
    """A dataclass of this kind from JSON; fields that are absent get their defaults, unknown ones are ignored.

    Raises ValueError that names the field which is missing or cannot be read.
    """
    if not isinstance(raw, Mapping):
        raise _wrong(kind.__name__, raw)
    given = {}
    known: Any = kind
    for (name, written, has_default), read in zip(_layout(known), _decoders(known), strict=True):
        value = raw.get(written)
        if value is not None:
            given[name] = read(value, written)
        elif not has_default:
            raise ValueError(f"{kind.__name__} lacks {written}")
    return kind(**given)


@cache
def _decoders(kind: Any) -> tuple[Decoder, ...]:
    hints = get_type_hints(kind)
    return tuple(_decoder(hints[item.name]) for item in fields(kind))


def _decoder(hint: Any) -> Decoder:
    """What reads a value of this type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [kind for kind in arguments if kind is not NoneType]
        return _decoder(kinds[0]) if len(kinds) == 1 else _one_of(frozenset(kinds))
    if origin in (tuple, frozenset):
        return _items(origin, _decoder(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _values(_decoder(arguments[1]))
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value, name: _shared(decode(hint, value))
    if hint is object:
        return lambda value, name: value
    return _scalar(hint)


def _items(kind: Any, read: Decoder) -> Decoder:
    def items(value: object, name: str) -> Any:
        if not isinstance(value, list):
            raise _wrong(name, value)
        return kind([read(item, name) for item in value])

    return items


def _values(read: Decoder) -> Decoder:
    def values(value: object, name: str) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong(name, value)
        return {key: read(item, name) for key, item in value.items()}

    return values


def _one_of(kinds: frozenset[Any]) -> Decoder:
    """A value of several plain types stands for itself."""

    def one_of(value: object, name: str) -> Any:
        if type(value) not in kinds:
            raise _wrong(name, value)
        return value

    return one_of


def _scalar(hint: Any) -> Decoder:
    if hint is datetime:
        return _moment
    if hint is float:
        return _real
    if issubclass(hint, Enum):
        return lambda value, name: hint(value)

    def exactly(value: object, name: str) -> Any:
        if type(value) is not hint:
            raise _wrong(name, value)
        return _shared(value)

    return exactly


def _shared(value: Any) -> Any:
    """An equal value as one object: reasons, names, revisions and outcomes come again in each decision and record."""
    try:
        return _one_of_equals(value)
    except TypeError:  # it holds a mapping
        return value


@lru_cache(maxsize=4096, typed=True)
def _one_of_equals(value: Any) -> Any:
    return value


def _moment(value: object, name: str) -> datetime:
    moment = time(value)
    if moment is None:
        raise ValueError(f"{name} is not a time: {value!r}")
    return moment


def _real(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, value)
    return float(value)  # the API server writes 1.0 as 1


def _wrong(name: str, value: object) -> ValueError:
    return ValueError(f"{name} has the wrong type: {value!r}"[:200])
