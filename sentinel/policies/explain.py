"""Turns pydantic's errors into mistakes in the words of rule files and of settings."""

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sentinel.policies.mistakes import InputError, Path, closest, did_you_mean

NOT_YET = frozenset({"blueGreen", "canaryPair", "pair", "freeze"})

_WORDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
}


def mistakes_of(
    error: ValidationError, model: type[BaseModel], *, later: frozenset[str] = NOT_YET
) -> Iterator[tuple[Path, InputError]]:
    """Each error with its path. Keys in `later` are known, and said to be not supported yet."""
    for item in error.errors(include_url=False):
        if item["type"] == "too_short" and item["input"]:
            continue  # its items are wrong and have their own errors; pydantic counts only the right ones
        path = tuple(part for part in item["loc"] if part != "[key]")
        yield path, _mistake(item["type"], path, item, model, later)


def _mistake(
    kind: str, path: Path, item: Mapping[str, Any], model: type[BaseModel], later: frozenset[str]
) -> InputError:
    context: Mapping[str, Any] = item.get("ctx") or {}
    if isinstance(context.get("error"), InputError):
        mistake: InputError = context["error"]
        return mistake
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), keys_at(model, path[:-1]), later)
    if kind == "missing":
        return InputError("is missing", _needed(model, path))
    if kind in _WORDS:
        return InputError(_WORDS[kind], _quote_hint(kind, item.get("input")))
    if kind in ("enum", "literal_error"):
        return _not_one_of(str(context.get("expected", "")), item.get("input"))
    return InputError(_RANGES.get(kind, _plain)(context, str(item["msg"])))


def keys_at(model: type[BaseModel], path: Path) -> dict[str, Any]:
    """The known keys, with their types, of the mapping at a path; empty where there is no model."""
    current: Any = model
    for part in path:
        current = _item_type(current) if isinstance(part, int) else _fields(_model_in(current)).get(part)
    return _fields(_model_in(current))


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    if model is None:
        return {}
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
    return None


def _item_type(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return next((found for part in get_args(annotation) if (found := _item_type(part)) is not None), None)
    return get_args(annotation)[0] if get_origin(annotation) in (tuple, list) else None


def _unknown_key(name: str, known: Mapping[str, Any], later: frozenset[str]) -> InputError:
    if name in later:
        return InputError(f"{name} is not supported yet", f"known: {', '.join(sorted(known))}", key=True)
    return InputError(f"unknown key {name}", did_you_mean(name, known), key=True)


def _needed(model: type[BaseModel], path: Path) -> str:
    annotation = keys_at(model, path[:-1]).get(str(path[-1]))
    if _model_in(annotation):
        return f"write {path[-1]}: with its keys below"
    values = get_args(annotation)
    return (
        f"write {path[-1]}: {values[0]}"
        if len(values) == 1 and isinstance(values[0], str)
        else f"write {path[-1]}: ..."
    )


def _quote_hint(kind: str, value: object) -> str:
    if kind == "string_type" and isinstance(value, int | float):
        return f'write "{str(value).lower() if isinstance(value, bool) else value}", in quotes'
    return (
        "write it in brackets: [...]"
        if kind in ("tuple_type", "list_type") and isinstance(value, str)
        else ""
    )


def _not_one_of(expected: str, value: object) -> InputError:
    choices = [part.strip("' ") for part in expected.replace(" or ", ", ").split(",")]
    shown = value if isinstance(value, str) and len(value) <= 60 else "this"
    if len(choices) == 1:
        return InputError(f"must be {choices[0]}, not {shown}")
    near = closest(str(shown), choices)
    return InputError(f"{shown} is not one of {', '.join(choices)}", f"did you mean {near}?" if near else "")


def _plain(_context: Mapping[str, Any], message: str) -> str:
    return message[:1].lower() + message[1:]


_RANGES: dict[str, Callable[[Mapping[str, Any], str], str]] = {
    "greater_than_equal": lambda context, _: f"must be at least {context['ge']}",
    "greater_than": lambda context, _: f"must be more than {context['gt']}",
    "less_than_equal": lambda context, _: f"must be at most {context['le']}",
    "less_than": lambda context, _: f"must be less than {context['lt']}",
    "too_short": lambda context, _: "must not be empty",
    "too_long": lambda context, _: f"must hold at most {context['max_length']}",
    "string_too_short": lambda context, _: "must not be empty",
    "string_pattern_mismatch": lambda context, _: f"does not have the form {context['pattern']}",
    "string_too_long": lambda context, _: f"must be at most {context['max_length']} characters long",
}
