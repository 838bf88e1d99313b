"""The fields of the built-in kinds and their types, as the real server decodes them.

`builtin_types.txt` has a type a line, then its fields as `name:type`. A type is `s` string, `t` time,
`m` time with microseconds, `i` and `l` whole number (32 and 64 bits), `n` number, `b` boolean, `o` anything,
`[T` list, `{T` map, or a type's name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from clustersim.storage.resources import EVENTS_V1, ResourceType

JsonObject = dict[str, Any]
_SCHEMA = "JSONSchemaProps"  # recursive, and checked as a structural schema where it is used
_SECONDS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_LAYOUTS = {
    "t": (
        re.compile(_SECONDS.pattern + r"(\.\d+)?(Z|[+-]\d\d:\d\d)$"),
        "2006-01-02T15:04:05Z07:00",
        "Z07:00",
    ),
    "m": (
        re.compile(_SECONDS.pattern + r"\.\d{6}(Z|[+-]\d\d:\d\d)$"),
        "2006-01-02T15:04:05.000000Z07:00",
        ".000000",
    ),
}
_GO_NAMES = {"s": "string", "i": "int32", "l": "int64", "n": "float64", "b": "bool"}
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "s": str,
    "i": int,
    "l": int,
    "n": (int, float),
    "b": bool,
}


@functools.cache
def table() -> dict[str, dict[str, str]]:
    """Fields and their types, by type name."""
    text = files("clustersim.api").joinpath("builtin_types.txt").read_text("utf-8")
    rows = (line.split(" ") for line in text.splitlines() if line)
    return {row[0]: dict(field.split(":", 1) for field in row[1:] if field) for row in rows}


def type_name(resource: ResourceType) -> str:
    """The name of a resource's type in the table."""
    return "EventsV1Event" if resource is EVENTS_V1 else resource.kind


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object as the server understood it: without the fields that it does not know."""

    object: JsonObject
    unknown: tuple[str, ...]
    type_error: str


class _Decoder:
    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.type_error = ""

    def struct(self, name: str, value: JsonObject, path: str) -> JsonObject:
        fields = table()[name]
        known: JsonObject = {}
        for key, child in value.items():
            at = f"{path}.{key}" if path else key
            if key not in fields:
                self.unknown.append(at)
            elif child is not None:
                known[key] = self.value(fields[key], child, at, name)
        return known

    def value(self, kind: str, value: Any, path: str, owner: str) -> Any:
        if kind == "o" or kind == _SCHEMA:
            return value
        if kind[0] == "[" and isinstance(value, list):
            item = kind[1:]
            return [self.value(item, child, f"{path}[{i}]", owner) for i, child in enumerate(value)]
        if kind[0] == "{" and isinstance(value, dict):
            return {key: self.value(kind[1:], child, path, owner) for key, child in value.items()}
        if kind in table():
            if isinstance(value, dict):
                return self.struct(kind, value, path)
        elif kind in _LAYOUTS and isinstance(value, str):
            self._check_time(kind, value)
            return value
        elif kind in _PYTHON_TYPES and _is_a(value, kind):
            return value
        self._refuse(kind, value, path, owner)
        return value

    def _check_time(self, kind: str, value: str) -> None:
        pattern, layout, rest = _LAYOUTS[kind]
        if not self.type_error and not pattern.match(value):
            cut = value[19:] if _SECONDS.match(value) else value
            wanted = rest if _SECONDS.match(value) else "2006"
            self.type_error = f'parsing time "{value}" as "{layout}": cannot parse "{cut}" as "{wanted}"'

    def _refuse(self, kind: str, value: Any, path: str, owner: str) -> None:
        if not self.type_error:
            plain = "".join(part.partition("[")[0] + "." for part in path.split("."))[:-1]
            self.type_error = (
                f"json: cannot unmarshal {_json_name(value)} into Go struct field "
                f"{owner}.{plain} of type {_go_type(kind)}"
            )


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, _PYTHON_TYPES[kind]) and (kind == "b") == isinstance(value, bool)


def _json_name(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number" if isinstance(value, int) else f"number {value}"
        case list():
            return "array"
        case _:
            return "object"


def _go_type(kind: str) -> str:
    if kind[0] == "[":
        return f"[]{_go_type(kind[1:])}"
    if kind[0] == "{":
        return f"map[string]{_go_type(kind[1:])}"
    return _GO_NAMES.get(kind, f"v1.{kind}")


def decode(resource: ResourceType, obj: JsonObject) -> Decoded:
    """Check an object of a built-in kind against its type and leave out unknown and null fields."""
    decoder = _Decoder()
    known = decoder.struct(type_name(resource), obj, "")
    return Decoded(known, tuple(decoder.unknown), decoder.type_error)


def reachable(names: Iterator[str] | list[str]) -> set[str]:
    """The types that the named ones are built of, themselves included."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            kinds = (kind.lstrip("[{") for kind in table()[name].values())
            waiting += [kind for kind in kinds if kind in table()]
    return found


def metadata_error(metadata: JsonObject) -> str:
    """What is wrong with the types in the metadata of an object of any kind, "" for nothing."""
    decoder = _Decoder()
    decoder.struct("ObjectMeta", metadata, "metadata")
    return decoder.type_error
