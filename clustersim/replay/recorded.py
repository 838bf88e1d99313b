"""Stories that were recorded on a real control plane: watch events and the writes in between, one a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """What a watch showed, `at` seconds after the story began. The object is whole; of a deleted one the last seen."""

    at: float
    watch: str
    type: str
    object: Json


@dataclass(frozen=True, slots=True)
class RecordedWrite:
    """A write, and whose hand it stands for; a step without a request is a remark."""

    at: float
    step: str
    by: str = ""
    request: Mapping[str, Any] | None = None
    status: int = 0


def story(folder: str, name: str) -> Iterator[RecordedEvent | RecordedWrite]:
    """The lines of a recording in their order."""
    seen: dict[tuple[str, str], Json] = {}
    for text in (RECORDINGS / folder / f"{name}.jsonl").read_text().splitlines():
        line = json.loads(text)
        if "step" in line:
            yield RecordedWrite(
                line["t"], line["step"], line.get("by", ""), line.get("request"), line.get("status", 0)
            )
            continue
        whole = line.get("object")
        key = (line["watch"], whole["metadata"]["name"] if whole else line["name"])
        seen[key] = whole if whole else merged(seen[key], line.get("change", {}))
        yield RecordedEvent(line["t"], line["watch"], line["type"], seen[key])
        if line["type"] == "DELETED":
            del seen[key]


def merged(before: Json, change: Mapping[str, Any]) -> Json:
    """A JSON merge patch applied to a copy (RFC 7386)."""
    after = deepcopy(before)
    for key, value in change.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, Mapping):
            inner = after.get(key)
            after[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            after[key] = value
    return after
