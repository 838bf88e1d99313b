"""Dataclasses directly from the bytes of their JSON, in half the time of `codec.decode`: a cluster has thousands of
records, and reading them was most of a start.

msgspec reads the bytes into structs with the fields' names in JSON, of which the dataclasses are made. Whatever does
not fit is left to `codec.decode`, which says what is wrong with it, so that both read the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from sentinel.adapters.kubernetes.api.raw import time
from sentinel.adapters.kubernetes.custom.codec import camel
from sentinel.adapters.kubernetes.custom.unread import Unread
from sentinel.domain.record.state import Json

T = TypeVar("T")
Making = Callable[[Any], Any]
"""Makes the value of a field of what msgspec has read."""

_SHARED = 512
"""So many values of a class, and twice as many texts, are known again: those of a workload's records come together."""
_DOCUMENTS = 64
_STATES = Mapping[str, Json]
"""What is kept unread; see `Unread`."""


def decode_bytes(
    kind: type[T], raw: msgspec.Raw, adjusted: Callable[[Any], None] = lambda _: None
) -> T | None:
    """A dataclass of this kind, None where `codec.decode` has to read it. `adjusted` may change the struct before."""
    known: Any = kind
    try:
        struct = _decoder(known).decode(raw)
        adjusted(struct)
        made: T = _making(known)(struct)
    except (msgspec.DecodeError, ValueError, KeyError):
        return None
    return made


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(_struct(kind))


@cache
def _struct(kind: Any) -> type[msgspec.Struct]:
    """The struct with a dataclass' fields and defaults. A null does not fit: nobody writes one."""
    hints = get_type_hints(kind)
    laid: list[Any] = []
    for item in fields(kind):
        written = _written(hints[item.name])
        if item.default_factory is not MISSING:
            laid.append((item.name, written | msgspec.UnsetType, msgspec.UNSET))
        else:
            laid.append(
                (item.name, written) if item.default is MISSING else (item.name, written, item.default)
            )
    return msgspec.defstruct(kind.__name__, laid, rename=camel, kw_only=True, gc=False)


def _written(hint: Any) -> Any:
    """As what msgspec reads a field of this type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [kind for kind in arguments if kind is not NoneType]
        return _written(kinds[0]) if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007 - made of a tuple
    if origin in (tuple, frozenset):
        return list[_written(arguments[0])]  # type: ignore[misc]
    if hint in (Json, _STATES):
        return msgspec.Raw
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[str, _written(arguments[1])]  # type: ignore[misc]
    if _has_fields(hint):
        return _struct(hint)
    return str if hint is datetime else hint


def _converter(hint: Any) -> Making | None:
    """What makes a field's value of what was read; None where that is the value."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [kind for kind in arguments if kind is not NoneType]
        return _converter(kinds[0]) if len(kinds) == 1 else None
    if origin in (tuple, frozenset):
        return _items(origin, _converter(arguments[0]))
    if hint in (Json, _STATES):
        return _document if hint == Json else lambda raw: Unread(bytes(raw))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _values(_converter(arguments[1]))
    if hint is datetime:
        return _moment
    if hint is str:
        return _text
    if _has_fields(hint):
        return _making(hint)
    return None


def _items(kind: Any, convert: Making | None) -> Making:
    return kind if convert is None else lambda items: kind(map(convert, items))


def _values(convert: Making | None) -> Making | None:
    return None if convert is None else lambda held: {key: convert(item) for key, item in held.items()}


@lru_cache(maxsize=_DOCUMENTS)
def _parsed(document: bytes) -> Json:
    return msgspec.json.decode(document, type=dict[str, Any])


def _document(raw: msgspec.Raw) -> Json:
    """An equal document as one object: hundreds of records have one of few."""
    return _parsed(bytes(raw))


@lru_cache(maxsize=2 * _SHARED)
def _text(value: str) -> str:
    """An equal text as one object. Most are an id and come once: the interpreter would remember them all."""
    return value


def _moment(value: str) -> datetime:
    moment = time(value)
    if moment is None:
        raise ValueError("not a time")
    return moment


@cache
def _making(kind: Any) -> Making:
    """What makes a dataclass of its struct. One of plain values alone is made once for all that are equal."""
    hints = get_type_hints(kind)
    shared = all(map(_is_plain, hints.values()))
    known: dict[str, Any] = {"KIND": kind, "UNSET": msgspec.UNSET}
    arguments = ", ".join(
        _argument("" if shared else "struct.", item, _converter(hints[item.name]), known)
        for item in fields(kind)
    )
    if not shared:
        return _function("struct", f"KIND({arguments})", known)
    names = [item.name for item in fields(kind)]
    made = _function(", ".join(names), f"KIND({arguments})", known)
    kept = {"SHARED": lru_cache(maxsize=_SHARED, typed=True)(made)}
    return _function("struct", f"SHARED({', '.join(f'struct.{name}' for name in names)})", kept)


def _argument(place: str, item: Any, convert: Making | None, known: dict[str, Any]) -> str:
    """The expression for the value of a field that was read into this place; the names that it uses become known."""
    read, default, converter = f"{place}{item.name}", f"DEFAULT_{item.name}", f"CONVERT_{item.name}"
    made = f"{converter}({read})" if convert else read
    known[converter] = convert
    if item.default_factory is not MISSING:
        known[default] = item.default_factory()  # once for all, since nothing changes a value
        return f"{default} if {read} is UNSET else {made}"
    known[default] = item.default
    return (
        made
        if convert is None or item.default is MISSING
        else f"{default} if {read} is {default} else {made}"
    )


def _function(parameters: str, value: str, known: Mapping[str, Any]) -> Callable[..., Any]:
    """A function that is compiled from the names of our fields, as the standard library makes a dataclass' `__init__`.

    To go through the fields one by one for each value takes twice as long, and records are most of a start.
    """
    made: Callable[..., Any] = eval(f"lambda {parameters}: {value}", dict(known))  # noqa: S307  # nosec B307  # ours
    return made


def _has_fields(hint: Any) -> bool:
    return is_dataclass(hint)


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return all(map(_is_plain, get_args(hint)))
    return hint in (str, int, float, bool, NoneType, datetime) or (
        isinstance(hint, type) and issubclass(hint, Enum)
    )
