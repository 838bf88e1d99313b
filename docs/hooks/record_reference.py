"""Writes the page of the fields of our objects, from their definitions: `make reference`. A test compares the page."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CRDS = Path(__file__).parents[2] / "helm" / "rollback-sentinel" / "crds"
HEAD = """# Every field of a record

Generated (`make reference`) from the definitions; `kubectl explain rolloutrecord.status` prints the same.
The sentinel writes records and histories, people and tools read them. What people write are [commands](commands.md)
and policies, whose `spec` is that of [rule files](rules-reference.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for file in sorted(CRDS.glob("*.yaml")) for line in _section(file))])


def _section(file: Path) -> Iterator[str]:
    definition = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
    schema = definition["versions"][0]["schema"]["openAPIV3Schema"]
    yield f"## {definition['names']['kind']}\n"
    yield "| field | type | what it holds |"
    yield "|---|---|---|"
    for part in ("status",) if definition["names"]["kind"].endswith("Policy") else ("spec", "status"):
        if part in schema["properties"]:
            yield from _rows(part, schema["properties"][part])
    yield ""


def _rows(path: str, node: Mapping[str, Any]) -> Iterator[str]:
    for name, value in node.get("properties", {}).items():
        held = value.get("items", value)
        here = f"{path}.{name}" + "[]" * ("items" in value)
        about = " ".join(value.get("description", held.get("description", "")).split()).replace("|", "\\|")
        yield f"| `{here}` | {_kind(held)} | {about} |"
        yield from _rows(here, held)


def _kind(value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return "one of " + ", ".join(f"`{each}`" for each in value["enum"])
    return str(value.get("format") or value.get("type") or "any")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
