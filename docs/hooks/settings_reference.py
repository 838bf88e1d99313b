"""Writes the reference of settings from the sections that check them: `make reference`. A test compares the page."""

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from sentinel.environment import variable_of
from sentinel.policies.schema.quantities import format_duration, parse_share
from sentinel.settings.addresses import base_checked, server_checked, url_checked
from sentinel.settings.described import meanings_of
from sentinel.settings.values import seconds_of
from sentinel.settings.whole import Settings

HEAD = """# Every setting

Generated (`make reference`) from the sections that the daemon checks its settings by. The same as a file to copy:
[`config/sentinel.yaml`](https://github.com/rollback-sentinel/rollback-sentinel/blob/main/config/sentinel.yaml).
`SENTINEL_CONFIG` or `-c` names the file. With the chart they are under `settings`, as far as the chart does not
[set them itself](install.md).

- Unknown keys are refused, with the one that was probably meant. So are unknown `SENTINEL_*` variables.
- A variable wins over the file. Lists in variables are separated by commas, mappings are JSON.
- A duration is `500ms`, `30s`, `2m`, `1h`, `1d`, a sum of these (`1m30s`), or a number of seconds.
- A percentage is `5%`, or a share such as `0.05`.
- Secrets are best given as files. The sentinel takes a `token` or a `token_file`, not both.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_section(Settings, ())])


def _section(section: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """A table of a section's keys, and the sections below it."""
    yield f"## `{'.'.join(path)}`\n" if path else "## At the top\n"
    if path:
        yield f"{_cell(' '.join((section.__doc__ or '').split()))}\n"
    yield "| key | meaning | value | default | variable | example |"
    yield "|---|---|---|---|---|---|"
    below = []
    for key, said in meanings_of(section).items():
        info = section.model_fields[key]
        inner, here = _section_in(info.annotation), _place(path, key, info)
        below += [(inner, here)] if inner else []
        value = f"[section](#{_anchor(here)})" if inner else _value(info.annotation, *info.metadata)
        cells = (
            _cell(said["means"]),
            value,
            _default(info),
            _variable(path, key, info),
            _example(said["example"]),
        )
        yield f"| `{key}` | {' | '.join(cells)} |"
    yield ""
    for inner, here in below:
        yield from _section(inner, here)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a key holds, one or several of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def _place(path: tuple[str, ...], key: str, info: FieldInfo) -> tuple[str, ...]:
    """Where a key's own keys stand: below a name that people choose, or in a list, where it has several."""
    several = get_origin(info.annotation)
    return (*path, key, "NAME") if several is dict else (*path, f"{key}[]" if several is tuple else key)


def _variable(path: tuple[str, ...], key: str, info: FieldInfo) -> str:
    """The variable of a key; what stands below a name or in a list has none, and a section has several."""
    inside = any(part == "NAME" or part.endswith("[]") for part in path)
    whole = _section_in(info.annotation) is not None and get_origin(info.annotation) is None
    return "" if inside or whole else f"`{variable_of((*path, key))}`"


def _value(annotation: Any, *metadata: Any) -> str:
    """What a value is: its type or unit, and its bounds."""
    if hasattr(annotation, "__metadata__"):
        return _value(annotation.__origin__, *annotation.__metadata__, *metadata)
    flat = [each for one in metadata for each in (one.metadata if isinstance(one, FieldInfo) else (one,))]
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Literal:
        return _choice(inner)
    if kind is dict:
        return f"mapping of names to {_value(inner[1])}"
    if kind is tuple:
        return f"list: {_value(inner[0])}"
    if inner:
        return " or ".join(_value(each, *flat) for each in inner if each is not NoneType)
    if issubclass(annotation, Enum):
        return _choice(each.value for each in annotation)
    return f"{_kind(annotation, flat)}{_bounds(annotation, flat)}"


def _choice(words: Iterable[str]) -> str:
    return " or ".join(f"`{word}`" for word in words)


def _kind(annotation: type, metadata: list[Any]) -> str:
    reads = [each.func for each in metadata if isinstance(each, BeforeValidator)]
    if seconds_of in reads:
        return "duration"
    if parse_share in reads:
        return "percentage"
    checks = [each.func for each in metadata if isinstance(each, AfterValidator)]
    if {url_checked, base_checked, server_checked} & set(checks):
        return "http or https address"
    kinds = {bool: "`true` or `false`", int: "whole number", float: "number", SecretStr: "secret"}
    return kinds.get(annotation, "path" if issubclass(annotation, Path) else "text")


def _bounds(annotation: type, metadata: list[Any]) -> str:
    """The limits of a number or a duration."""
    words = {"gt": "more than", "ge": "from", "le": "up to"}
    timed = any(isinstance(each, BeforeValidator) and each.func is seconds_of for each in metadata)
    found = {
        word: getattr(each, name) for each in metadata for name, word in words.items() if hasattr(each, name)
    }
    if not issubclass(annotation, int | float) or not found:
        return ""
    said = (f"{word} {_duration(limit) if timed else f'{limit:g}'}" for word, limit in found.items())
    return f", {' '.join(said)}"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    default = info.get_default(call_default_factory=True)
    if default in (None, "", (), {}) or isinstance(default, BaseModel):
        return ""
    kind = _value(info.annotation, *info.metadata)
    if kind.startswith("duration"):
        return f"`{_duration(default)}`"
    if kind.startswith("percentage"):
        return f"`{default * 100:.4g}%`"
    plain = TypeAdapter(info.annotation).dump_python(default, mode="json")
    return _example(int(plain) if isinstance(plain, float) and plain.is_integer() else plain)


def _duration(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def _example(value: Any) -> str:
    """A value as the file has it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return f"`{_cell(text.removesuffix('...' + chr(10)).strip())}`"


def _anchor(path: tuple[str, ...]) -> str:
    """The anchor of a section, as MkDocs and GitHub make it of the heading."""
    return "".join(char for char in ".".join(path).lower() if char.isalnum() or char in "-_")


def _cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
