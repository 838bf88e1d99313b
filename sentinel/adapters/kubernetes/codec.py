"""Frozen dataclasses to plain JSON values and back: what a RolloutRecord's fields are written as."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from sentinel.adapters.kubernetes.raw import stamp, time

T = TypeVar("T")


def camel(name: str) -> str:
    """A field's name as it stands in JSON."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def encode(value: object) -> Any:
    """The value as JSON: empty fields that have a default are left out, infinities and NaN become text."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field, getattr(value, field.name)) for field in fields(value))
        return {camel(field.name): encode(item) for field, item in pairs if not _spared(field, item)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return [encode(item) for item in sorted(value)]
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def _spared(field: "Field[Any]", value: object) -> bool:
    has_default = field.default is not MISSING or field.default_factory is not MISSING
    empty = value is None or (isinstance(value, str | tuple | frozenset | Mapping) and not value)
    return has_default and empty


def decode(kind: type[T], raw: object) -> T:
    """A dataclass of this kind from JSON; fields that are absent get their defaults, unknown ones are ignored.

    Raises ValueError that names the field which is missing or cannot be read.
    """
    if not isinstance(raw, Mapping):
        raise _wrong(kind.__name__, raw)
    given = {}
    cached: Any = kind
    for name, (hint, required) in _shape(cached).items():
        value = raw.get(camel(name))
        if value is not None:
            given[name] = _decoded(hint, value, camel(name))
        elif required:
            raise ValueError(f"{kind.__name__} lacks {camel(name)}")
    return kind(**given)


@lru_cache(maxsize=64)
def _shape(kind: type[Any]) -> dict[str, tuple[Any, bool]]:
    """Per field its type and whether it must be given."""
    hints = get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(kind)
    }


def _decoded(hint: Any, value: object, name: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _one_of([kind for kind in arguments if kind is not NoneType], value, name)
    if is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, value)
    if origin in (tuple, frozenset):
        if not isinstance(value, list):
            raise _wrong(name, value)
        return origin(_decoded(arguments[0], item, name) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(name, value)
        return {key: _decoded(arguments[1], item, name) for key, item in value.items()}
    return _scalar(hint, value, name)


def _one_of(kinds: list[Any], value: object, name: str) -> Any:
    """A value of several possible types: plain ones stand for themselves."""
    if len(kinds) == 1:
        return _decoded(kinds[0], value, name)
    if type(value) not in kinds:
        raise _wrong(name, value)
    return value


def _scalar(hint: Any, value: object, name: str) -> Any:
    if hint is object:
        return value
    if hint is datetime:
        moment = time(value)
        if moment is None:
            raise ValueError(f"{name} is no time: {value!r}")
        return moment
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)  # the API server writes 1.0 as 1
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if type(value) is not hint:
        raise _wrong(name, value)
    return value


def _wrong(name: str, value: object) -> ValueError:
    return ValueError(f"{name} has the wrong type: {value!r}"[:200])
