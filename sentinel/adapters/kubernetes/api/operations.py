"""The operations of a JSON patch."""

from typing import Any

Operation = dict[str, Any]


def holds(path: str, value: object) -> Operation:
    """A test: without this value the whole patch is refused."""
    return {"op": "test", "path": path, "value": value}


def put(path: str, value: object) -> Operation:
    """Write a value, present or not."""
    return {"op": "add", "path": path, "value": value}
