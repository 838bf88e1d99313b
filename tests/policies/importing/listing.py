"""Prints the path of every field of a kind's spec, one a line, from its CustomResourceDefinition."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

WITHOUT = "template."
"""The pod template's own fields are the workload's."""


def paths(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths of the leaves of a schema; `[]` stands for any item of a list."""
    known = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    inner = [(name, one) for part in known for name, one in part.get("properties", {}).items()]
    if schema.get("items", {}).get("properties"):
        yield from paths(schema["items"], f"{path}[]")
    elif not inner:
        yield path
    for name, one in inner:
        yield from paths(one, f"{path}.{name}" if path else name)


def main(file: str, kind: str) -> None:
    """Print the paths of the served version of this kind."""
    documents = yaml.safe_load_all(Path(file).read_text(encoding="utf-8"))
    definition = next(one for one in documents if one and one["spec"]["names"]["kind"] == kind)
    version = next(one for one in definition["spec"]["versions"] if one["served"])
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    print(*sorted({path for path in paths(spec) if not path.startswith(WITHOUT)}), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
