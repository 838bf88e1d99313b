"""Frozen dataclasses to plain JSON values and back: what a RolloutRecord's fields are written as.

Types are looked at once per class: what is left per value is a call or two.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from sys import intern
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
    kind: Any = type(value)
    return value if kind in _PLAIN else _encoders[kind](value)


def _encoder(kind: Any) -> Callable[[Any], Any]:
    """What writes values of a class."""
    if issubclass(kind, float):
        return lambda value: value if math.isfinite(value) else str(value)
    if issubclass(kind, Enum):
        return lambda value: value.value
    if issubclass(kind, datetime):
        return stamp
    if issubclass(kind, Mapping):
        return lambda value: {str(key): encode(item) for key, item in value.items()}
    if issubclass(kind, tuple | list):
        return lambda value: [encode(item) for item in value]
    if issubclass(kind, frozenset):
        return lambda value: [encode(item) for item in sorted(value)]
    return _fields_encoder(kind)


def _fields_encoder(kind: Any) -> Callable[[Any], dict[str, Any]]:
    """A function that is compiled from the names of the class' fields: to go through them takes twice as long."""
    body = "".join(
        _DEFAULTED.format(name=name, key=key) if has_default else _REQUIRED.format(name=name, key=key)
        for name, key, has_default in _layout(kind)
    )
    known: dict[str, Any] = {"PLAIN": _PLAIN, "ENCODERS": _encoders, "NUMBER": (int, float)}
    exec(f"def encoded(value):\n written = {{}}\n{body} return written\n", known)  # noqa: S102  # nosec B102  # ours
    encoded: Callable[[Any], dict[str, Any]] = known["encoded"]
    return encoded


_REQUIRED = """
 item = value.{name}
 written["{key}"] = item if item.__class__ in PLAIN else ENCODERS[item.__class__](item)
"""
# Zeros and False are worth writing, even where they are the default: a column shows them.
_DEFAULTED = """
 item = value.{name}
 if item or isinstance(item, NUMBER):
  if item.__class__ not in PLAIN:
   item = ENCODERS[item.__class__](item)
  if item or isinstance(item, NUMBER):
   written["{key}"] = item
"""


class _Encoders(dict[Any, Callable[[Any], Any]]):
    """What writes values of each class, made when the first of them is written."""

    def __missing__(self, kind: Any) -> Callable[[Any], Any]:
        made = self[kind] = _encoder(kind)
        return made


_encoders = _Encoders()


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
    if type(raw) is not dict and not isinstance(raw, Mapping):
        raise _wrong(kind.__name__, raw)
    given = {}
    known: Any = kind
    for name, written, has_default, read in _readings(known):
        value = raw.get(written)
        if value is not None:
            given[name] = read(value, written)
        elif not has_default:
            raise ValueError(f"{kind.__name__} lacks {written}")
    return kind(**given)


@cache
def _readings(kind: Any) -> tuple[tuple[str, str, bool, Decoder], ...]:
    """What `_layout` has of each field, and what reads it."""
    hints = get_type_hints(kind)
    return tuple([(*laid, _decoder(hints[laid[0]])) for laid in _layout(kind)])


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
        return _sharing(hint) if _may_be_equal(hint) else lambda value, name: decode(hint, value)
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
    if hint is str:
        return _text

    def exactly(value: object, name: str) -> Any:
        if type(value) is not hint:
            raise _wrong(name, value)
        return value

    return exactly


def _text(value: object, name: str) -> str:
    """A text, an equal one as one object: names and reasons come again in each decision and record."""
    if type(value) is not str:
        raise _wrong(name, value)
    return intern(value)


def _may_be_equal(kind: Any) -> bool:
    """Whether values of a class may be found among those known: mappings have no hash."""
    return all(get_origin(hint) is not Mapping for hint in get_type_hints(kind).values())


def _sharing(kind: Any) -> Decoder:
    """An equal value as one object: revisions and outcomes come again in each decision and record."""

    def shared(raw: object, name: str) -> Any:
        value = decode(kind, raw)
        try:
            return _one_of_equals(value)
        except TypeError:  # something in it holds a mapping
            return value

    return shared


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
