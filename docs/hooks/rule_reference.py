"""Writes the reference of rule files from their JSON Schema: `make reference`.

One section for each mapping, headed by its path in the file, with a table of its fields. A test holds the committed
page and the schema together.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from sentinel.policies.schema import described as schema
from sentinel.policies.schema.quantities import format_duration, format_latency

HEAD = """# Rule files: every field

Generated from the schema that the daemon checks by (`make reference`); `sentinel rules schema` prints that for editors.
What `errorRate` and `latency` do with their numbers: [how a candidate is judged](judgement.md). Ready selectors:
[presets](rules-presets.md). Unknown fields are refused, with the one that was probably meant. Each
[kind of workload](strategies/index.md) must be watched, which the settings say.

## A whole file

```yaml
{example}```
"""
TAIL = Path(__file__).with_name("rule_reference_tail.md")
"""Variables and functions: what no schema holds."""
EXAMPLE = Path(__file__).parents[2] / "rules" / "examples" / "canary.yaml"
TOP = "At the top"
DURATION, SHARE, LATENCY = "A duration such as", "A percentage such as", "A time such as"

Schema = Mapping[str, Any]


def page() -> str:
    """The whole page."""
    head = HEAD.format(example=EXAMPLE.read_text(encoding="utf-8"))
    return "\n".join([head, *_sections(schema.json_schema()), TAIL.read_text(encoding="utf-8")])


def _sections(root: Schema) -> Iterator[str]:
    """A section for each mapping in the order in which a rule file names them."""
    paths: dict[str, str] = {}
    for path, name in _mappings(root, root, ""):
        paths.setdefault(name, path)
    yield from _section(TOP, root, root, paths)
    for name, path in paths.items():
        yield from _section(f"`{path}`", root["$defs"][name], root, paths)


def _mappings(node: Schema, root: Schema, path: str) -> Iterator[tuple[str, str]]:
    """The path and the name of each mapping below a node, the first mention of each first."""
    for field, value in node.get("properties", {}).items():
        name, suffix = _named(value)
        if name and "properties" in root["$defs"][name]:
            here = f"{path}.{field}{suffix}".lstrip(".")
            yield here, name
            yield from _mappings(root["$defs"][name], root, here)


def _named(value: Schema) -> tuple[str, str]:
    """The name of the definition that a field refers to, and `[]` where it is a list of them."""
    if "items" in value:
        return _named(value["items"])[0], "[]"
    for each in (value, *value.get("anyOf", ())):
        if "$ref" in each:
            return each["$ref"].rpartition("/")[2], ""
    return "", ""


def _section(title: str, node: Schema, root: Schema, paths: Mapping[str, str]) -> Iterator[str]:
    yield f"## {title}\n"
    if node.get("description") and title != TOP:
        yield f"{_cell(node['description'])}\n"
    yield "| field | meaning | example | default |"
    yield "|---|---|---|---|"
    required = node.get("required", ())
    for field, value in node.get("properties", {}).items():
        default = "**required**" if field in required else _default(value)
        yield f"| `{field}` | {_meaning(value, root, paths)} | {_example(value)} | {default} |"
    for pattern in node.get("patternProperties", {}):
        yield f"| `{_cell(pattern)}` | {_cell(node['additionalProperties']['description'])} | | |"
    yield ""


def _meaning(value: Schema, root: Schema, paths: Mapping[str, str]) -> str:
    """What a field means, and what it holds where that does not say it."""
    said, held = _cell(value["description"]), _held(value, root, paths)
    choices = re.findall("`[^`]+`", held)
    return said if choices and all(choice in said for choice in choices) else f"{said} {held}".strip()


def _held(value: Schema, root: Schema, paths: Mapping[str, str]) -> str:
    """What a field holds: a separate mapping, with a link, one of some words, or a number."""
    if "items" in value:
        held = _held(value["items"], root, paths)
        return f"A list: {held}" if held else "A list."
    if "anyOf" in value:
        return " or ".join(filter(None, (_held(each, root, paths) for each in value["anyOf"])))
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return (
            f"See [`{paths[name]}`](#{_anchor(paths[name])})."
            if name in paths
            else _held(root["$defs"][name], root, paths)
        )
    if "enum" in value:
        return "One of " + ", ".join(f"`{each}`" for each in value["enum"]) + "."
    return _bounds(value)


def _example(value: Schema) -> str:
    """A value as a rule file has it."""
    text = yaml.safe_dump(value["examples"][0], default_flow_style=True, width=10_000, sort_keys=False)
    return f"`{_cell(text.removesuffix('...' + chr(10)).strip())}`"


def _bounds(value: Schema) -> str:
    """The limits of a number."""
    if value.get("type") not in ("integer", "number"):
        return ""
    known = {"minimum": "from", "exclusiveMinimum": "more than", "maximum": "up to"}
    said = ", ".join(f"{word} {value[key]}" for key, word in known.items() if key in value)
    return f"A {'whole ' if value['type'] == 'integer' else ''}number {said}".strip() + "."


def _default(value: Schema) -> str:
    """What holds where the field is left out, as a rule file writes it."""
    default = value.get("default")
    if default is None or isinstance(default, Mapping) or default == []:
        return ""
    described = value.get("description", "")
    if DURATION in described:
        return f"`{format_duration(TypeAdapter(timedelta).validate_python(default))}`"
    if SHARE in described:
        return f"`{default:.4g}`" if default > 1 else f"`{default * 100:.4g}%`"
    if LATENCY in described:
        return f"`{format_latency(default)}`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _anchor(path: str) -> str:
    """The anchor of a section, as MkDocs and GitHub make it of the heading."""
    return "".join(char for char in path.lower() if char.isalnum() or char in "-_")


def _cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
