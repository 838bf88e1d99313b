"""Writes the reference of rule files from their JSON Schema: `make reference`.

One section for each mapping, headed by its path in the file, with a table of its fields. A test holds the committed
page and the schema together.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sentinel.policies.schema import policy as schema
from sentinel.policies.schema.quantities import format_duration, format_latency

HEAD = """# Rule files: every field

Generated from the schema that the daemon checks by (`make reference`); `sentinel rules schema` prints that for editors.
What `errorRate` and `latency` do with their numbers: [how a candidate is judged](judgement.md). Ready selectors:
[presets](rules-presets.md). Unknown fields are refused, with the one that was probably meant. Of the kinds,
`Rollout` is not guarded yet; [each of the others](strategies/index.md) has to be watched.

## A whole file

```yaml
{example}```
"""
EXAMPLE = Path(__file__).parents[2] / "rules" / "examples" / "canary.yaml"
TOP = "At the top"
DURATION, SHARE, LATENCY = "A duration such as", "A percentage such as", "A time such as"

Schema = Mapping[str, Any]


def page() -> str:
    """The whole page."""
    head = HEAD.format(example=EXAMPLE.read_text(encoding="utf-8"))
    return "\n".join([head, *_sections(schema.json_schema())])


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
    yield "| field | what | default |"
    yield "|---|---|---|"
    required = node.get("required", ())
    for field, value in node.get("properties", {}).items():
        default = "**required**" if field in required else _default(value)
        yield f"| `{field}` | {_what(value, root, paths)} | {default} |"
    for pattern in node.get("patternProperties", {}):
        yield f"| `{_cell(pattern)}` | {_cell(node['additionalProperties']['description'])} | |"
    yield ""


def _what(value: Schema, root: Schema, paths: Mapping[str, str]) -> str:
    """What a field holds, in words, with a link where it is a separate mapping."""
    if "items" in value:
        return f"list: {_what(value['items'], root, paths)}"
    if "anyOf" in value:
        return " or ".join(_what(each, root, paths) for each in value["anyOf"] if each.get("type") != "null")
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        if name in paths:
            return f"[`{paths[name]}`](#{_anchor(paths[name])})"
        return f"{_what(root['$defs'][name], root, paths)}"
    return " ".join(
        part for part in (_choice(value), _bounds(value), _cell(value.get("description", ""))) if part
    )


def _choice(value: Schema) -> str:
    """The values to choose from, or the kind of value where no description says it."""
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"]) + "." * ("description" in value)
    if value.get("type") == "object":
        more = value.get("additionalProperties")
        return "mapping: " + _cell(more.get("description", "text")) if isinstance(more, dict) else "mapping."
    if "description" in value:
        return ""
    return {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}[
        value["type"]
    ]


def _bounds(value: Schema) -> str:
    """The limits of a number."""
    if value.get("type") not in ("integer", "number"):
        return ""
    known = {"minimum": "from", "exclusiveMinimum": "more than", "maximum": "up to"}
    return ", ".join(f"{word} {value[key]}" for key, word in known.items() if key in value)


def _default(value: Schema) -> str:
    """What holds where the field is left out, as a rule file writes it."""
    default = value.get("default")
    if default is None or isinstance(default, Mapping) or default == []:
        return ""
    described = value.get("description", "")
    if described.startswith(DURATION):
        return f"`{format_duration(TypeAdapter(timedelta).validate_python(default))}`"
    if described.startswith(SHARE):
        return f"`{default:.4g}`" if default > 1 else f"`{default * 100:.4g}%`"
    if described.startswith(LATENCY):
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
