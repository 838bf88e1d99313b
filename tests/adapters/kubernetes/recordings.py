"""Watch events recorded from a real Kubernetes 1.36, one a line: `watch` is the resource, `type` and `object` as sent.

`crash-and-undo`: a Deployment's update that crash-loops past its deadline, then undone.
`stateful-partition-and-stuck`: a StatefulSet's update that waits at a partition, goes on, and the next one, whose
broken pod stays after the template was put back, until it is deleted.
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recorded"
CRASH, STATEFUL = "crash-and-undo", "stateful-partition-and-stuck"


def events(recording: str = CRASH) -> list[dict[str, Any]]:
    """Every event, in order."""
    return [json.loads(line) for line in (FOLDER / f"{recording}.jsonl").read_text().splitlines()]


def objects(resource: str) -> list[dict[str, Any]]:
    """The objects of one resource's events."""
    return [event["object"] for event in events() if event["watch"] == resource]
