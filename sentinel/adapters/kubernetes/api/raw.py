"""Reading raw JSON objects as the API server sends them, without trusting their shape."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

RawObject = Mapping[str, Any]
ObjectKey = tuple[str, str]
"""Namespace (empty where the resource has none) and name."""
ObjectId = tuple[str, str, str, str]
"""API group, kind, namespace and name."""


def mapping(value: object) -> RawObject:
    """The value where it is an object, else an empty one."""
    # What came as JSON is a dict, which is seen in a tenth of the time.
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def objects(value: object) -> Iterator[RawObject]:
    """The objects of a list; anything else in it is ignored."""
    if not isinstance(value, list):
        return iter(())
    return iter([item for item in value if type(item) is dict or isinstance(item, Mapping)])


def number(value: object, default: int = 0) -> int:
    """The whole number, or the default."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def text(value: object) -> str:
    """The string, or an empty one."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> tuple[str, ...]:
    """The strings of a list; anything else in it is ignored."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def labels(value: object) -> dict[str, str]:
    """A map of strings to strings."""
    return {key: item for key, item in mapping(value).items() if isinstance(item, str)}


def key_of(raw: RawObject) -> ObjectKey:
    """Namespace and name of an object.

    Raises ValueError when it has no name: then it is not an object.
    """
    metadata = mapping(raw.get("metadata"))
    name = text(metadata.get("name"))
    if not name:
        raise ValueError("an object without metadata.name")
    return intern(text(metadata.get("namespace"))), name


def order_of(version: str) -> int:
    """The place of a resourceVersion among those of its resource, 0 where it is not a number.

    They are whole numbers that grow (KEP-5504 makes that official).
    """
    return int(version) if version.isdecimal() else 0


@lru_cache(maxsize=1024)
def _parsed(value: str) -> datetime | None:
    # Cached because many places have the same stamp: a pod's four conditions mostly share one.
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def time(value: object) -> datetime | None:
    """The moment of an RFC 3339 stamp, None if it is missing or cannot be read."""
    return _parsed(value) if isinstance(value, str) else None


def stamp(moment: datetime) -> str:
    """An RFC 3339 stamp with microseconds, in UTC as the API server writes it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def controller_of(metadata: RawObject) -> tuple[str, str, str]:
    """Kind, name and uid of the object's controller; empty strings where it has none."""
    for owner in objects(metadata.get("ownerReferences")):
        if owner.get("controller") is True:
            return text(owner.get("kind")), text(owner.get("name")), text(owner.get("uid"))
    return "", "", ""
