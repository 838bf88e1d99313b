"""The states of a record's tests as they came, parsed when they are asked for.

Every record keeps them, and those of rollouts that are over are hardly ever looked at. As objects they take five times
as much: with twenty records of each of a thousand workloads, more than everything else that the daemon holds.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from sentinel.domain.record.state import Json


class _Object(msgspec.Struct, gc=False):
    """Any object; its fields are skipped."""


_OBJECTS = msgspec.json.Decoder(dict[str, _Object])
_WHOLE: "msgspec.json.Decoder[dict[str, dict[str, Any]]]" = msgspec.json.Decoder(dict[str, dict[str, Any]])
_REMEMBERED = 256
"""What so many records hold stays read: a rollout in flight looks at those before it at each of its ticks."""


@lru_cache(maxsize=_REMEMBERED)
def _read(whole: bytes) -> dict[str, dict[str, Any]]:
    return _WHOLE.decode(whole)


class Unread(Mapping[str, Json]):
    """A mapping of names to JSON objects, kept as its bytes."""

    __slots__ = ("_whole",)

    def __init__(self, whole: bytes) -> None:
        """Raises msgspec.ValidationError for anything but an object of objects."""
        _OBJECTS.decode(whole)
        self._whole = whole

    def __getitem__(self, name: str) -> Json:
        return _read(self._whole)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_read(self._whole))

    def __len__(self) -> int:
        return len(_read(self._whole))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Unread) and other._whole == self._whole:
            return True
        return isinstance(other, Mapping) and _read(self._whole) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(_read(self._whole))
