"""The part of JSONPath that printer columns and scale subresources use."""

from __future__ import annotations

import re
from typing import Any

import orjson

_STEP = re.compile(
    r"""\.(?P<field>(?:[^.\[\\]|\\.)+)            # .field, with \. for a dot in the name
      | \[['"](?P<quoted>[^'"\]]+)['"]\]          # ['field']
      | \[(?P<index>-?\d+|\*)\]                   # [0], [*]
      | \[\?\(@\.(?P<key>[^=!<>\s]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]   # [?(@.type=="Ready")]
    """,
    re.VERBOSE,
)


def find(obj: Any, path: str) -> list[Any]:
    """The values at `path`, an empty list if nothing is there."""
    text = path.strip().removeprefix("{").removesuffix("}")
    found = [obj]
    for match in _STEP.finditer(text):
        found = [value for item in found for value in _step(item, match)]
    return found


def _step(value: Any, match: re.Match[str]) -> list[Any]:
    name = match["field"] or match["quoted"]
    if name is not None:
        name = name.replace("\\.", ".")
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if match["key"] is not None:
        return [v for v in value if isinstance(v, dict) and str(v.get(match["key"])) == match["value"]]
    if match["index"] == "*":
        return value
    index = int(match["index"])
    return [value[index]] if -len(value) <= index < len(value) else []


def printed(value: Any) -> str:
    """A value as text in a column."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
