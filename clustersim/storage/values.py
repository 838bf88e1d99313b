"""JSON values: copying them, and times in the form in which Kubernetes writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson


def copy_of(value: Any) -> Any:
    """An independent copy of a JSON value."""
    return orjson.loads(orjson.dumps(value))


def timestamp(moment: datetime) -> str:
    """`moment` as Kubernetes writes times: UTC, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
