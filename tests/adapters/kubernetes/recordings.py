"""Watch events recorded from a real Kubernetes 1.36: an update that crash-loops past its deadline, then undone.

`recorded/crash-and-undo.jsonl` has one event a line: `watch` is the resource, `type` and `object` are as sent.
"""

import json
from pathlib import Path
from typing import Any

RECORDING = Path(__file__).parent / "recorded" / "crash-and-undo.jsonl"


def events() -> list[dict[str, Any]]:
    """Every event, in order."""
    return [json.loads(line) for line in RECORDING.read_text().splitlines()]


def objects(resource: str) -> list[dict[str, Any]]:
    """The objects of one resource's events."""
    return [event["object"] for event in events() if event["watch"] == resource]
