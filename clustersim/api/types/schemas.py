"""Structural schemas of custom resources: defaults, pruning and validation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from clustersim.storage.api_errors import StatusCause

Schema = dict[str, Any]
Json = Any

_ROOT = frozenset({"apiVersion", "kind", "metadata"})
_CHECKS: dict[str, Callable[[Json], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
        and not isinstance(value, bool)
    ),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}
_DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")


def complete(schema: Schema, value: Json) -> None:
    """Fill in the schema's defaults, in place."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for name, child in properties.items():
            if "default" in child and (
                name not in value or (value[name] is None and not child.get("nullable"))
            ):
                value[name] = orjson.loads(orjson.dumps(child["default"]))
            if name in value:
                complete(child, value[name])
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            for name in value.keys() - properties.keys():
                complete(extra, value[name])
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            complete(schema["items"], item)


def prune(schema: Schema, value: Json, path: str = "", *, root: bool = True) -> list[str]:
    """Take out, in place, the fields that the schema does not know; their paths are returned."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        found = (prune(items, item, f"{path}[{i}]", root=False) for i, item in enumerate(value))
        return [name for names in found for name in names]
    if not isinstance(value, dict):
        return []
    unknown: list[str] = []
    keep = schema.get("x-kubernetes-preserve-unknown-fields") is True
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for name in list(value):
        at = f"{path}.{name}" if path else name
        if root and name in _ROOT:
            continue
        if name in properties:
            unknown += prune(properties[name], value[name], at, root=False)
        elif isinstance(extra, dict):
            unknown += prune(extra, value[name], at, root=False)
        elif not keep and extra is not True:
            unknown.append(at)
            del value[name]
    return unknown


def drop_nulls(schema: Schema, value: Json) -> None:
    """Take out, in place, nulls of fields that are not nullable."""
    if isinstance(value, dict):
        for name, child in (schema.get("properties") or {}).items():
            if name in value and value[name] is None and not child.get("nullable"):
                del value[name]
            elif name in value:
                drop_nulls(child, value[name])
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            drop_nulls(schema["items"], item)


def list_keys(schema: Schema) -> dict[str, tuple[str, ...]]:
    """The keys of each list that is a map (`x-kubernetes-list-type: map`), by the name of its field."""
    found: dict[str, tuple[str, ...]] = {}
    for name, child in (schema.get("properties") or {}).items():
        if child.get("x-kubernetes-list-type") == "map":
            found[name] = tuple(child.get("x-kubernetes-list-map-keys") or ())
        found |= list_keys(child)
        found |= list_keys(child.get("items") or {})
    return found


def validate(schema: Schema, value: Json, path: str = "") -> list[StatusCause]:
    """What is wrong with the value, cause by cause."""
    return list(_validate(schema, value, path))


def _invalid(path: str, value: Json, why: str) -> StatusCause:
    shown = orjson.dumps(value).decode() if not isinstance(value, (int, float)) else str(value)
    return StatusCause("FieldValueInvalid", f"Invalid value: {shown}: {path} in body {why}", path)


def _validate(schema: Schema, value: Json, path: str) -> Iterator[StatusCause]:
    if value is None and schema.get("nullable"):
        return
    wrong = _type_error(schema, value)
    if wrong:
        yield _type_cause(path, value, wrong)
        return
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        supported = ", ".join(orjson.dumps(v).decode() for v in schema["enum"])
        shown = orjson.dumps(value).decode()
        message = f"Unsupported value: {shown}: supported values: {supported}"
        yield StatusCause("FieldValueNotSupported", message, path)
    for inner in schema.get("allOf") or ():
        yield from _validate(inner, value, path)
    if "not" in schema and not validate(schema["not"], value, path):
        yield _invalid(path, value, "must not validate the schema (not)")
    if isinstance(value, dict):
        yield from _validate_object(schema, value, path)
    elif isinstance(value, list):
        yield from _validate_array(schema, value, path)
    elif isinstance(value, str):
        yield from _validate_string(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _validate_number(schema, value, path)


def _same(value: Json, other: Json) -> bool:
    """Python takes True for 1."""
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


def _type_error(schema: Schema, value: Json) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        good = isinstance(value, str) or _CHECKS["integer"](value)
        return "" if good else "integer,string"
    wanted = schema.get("type")
    return "" if not wanted or _CHECKS[wanted](value) else str(wanted)


def _type_cause(path: str, value: Json, wanted: str) -> StatusCause:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    given = names.get(type(value), "integer" if isinstance(value, int) else "number")
    why = f'Invalid value: "{given}": {path} in body must be of type {wanted}: "{given}"'
    return StatusCause("FieldValueTypeInvalid", why, path)


def _validate_object(schema: Schema, value: Json, path: str) -> Iterator[StatusCause]:
    prefix = f"{path}." if path else ""
    for name in schema.get("required") or ():
        if name not in value:
            yield StatusCause("FieldValueRequired", "Required value", f"{prefix}{name}")
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for name, child in value.items():
        if name in properties:
            yield from _validate(properties[name], child, f"{prefix}{name}")
        elif isinstance(extra, dict):
            yield from _validate(extra, child, f"{prefix}{name}")
    if "minProperties" in schema and len(value) < schema["minProperties"]:
        yield _invalid(path, len(value), f"should have at least {schema['minProperties']} properties")
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        yield _too_many(path, len(value), schema["maxProperties"], "properties")


def _validate_array(schema: Schema, value: Json, path: str) -> Iterator[StatusCause]:
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        yield _too_many(path, len(value), schema["maxItems"], "items")
    if "minItems" in schema and len(value) < schema["minItems"]:
        yield _invalid(path, len(value), f"should have at least {schema['minItems']} items")
    for position, item in enumerate(value):
        yield from _validate(schema.get("items") or {}, item, f"{path}[{position}]")
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys:
        seen: list[Json] = []
        for position, item in enumerate(value):
            identity = {key: item.get(key) for key in keys}
            if identity in seen:
                shown = orjson.dumps(identity).decode()
                yield StatusCause("FieldValueDuplicate", f"Duplicate value: {shown}", f"{path}[{position}]")
            seen.append(identity)


def _too_many(path: str, count: int, most: int, what: str) -> StatusCause:
    return StatusCause("FieldValueTooMany", f"Too many: {count}: must have at most {most} {what}", path)


def _validate_string(schema: Schema, value: str, path: str) -> Iterator[StatusCause]:
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        yield StatusCause(
            "FieldValueTooLong", f"Too long: may not be more than {schema['maxLength']} bytes", path
        )
    if "minLength" in schema and len(value) < schema["minLength"]:
        yield _invalid(path, value, f"should be at least {schema['minLength']} chars long")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield _invalid(path, value, f"should match '{schema['pattern']}'")
    if schema.get("format") == "date-time" and not _DATE_TIME.match(value):
        yield _invalid(path, value, f'must be of type date-time: "{value}"')


def _validate_number(schema: Schema, value: float, path: str) -> Iterator[StatusCause]:
    if "minimum" in schema:
        strict = schema.get("exclusiveMinimum")
        if value < schema["minimum"] or (strict and value == schema["minimum"]):
            words = "greater than" if strict else "greater than or equal to"
            yield _invalid(path, value, f"should be {words} {schema['minimum']}")
    if "maximum" in schema:
        strict = schema.get("exclusiveMaximum")
        if value > schema["maximum"] or (strict and value == schema["maximum"]):
            words = "less than" if strict else "less than or equal to"
            yield _invalid(path, value, f"should be {words} {schema['maximum']}")
