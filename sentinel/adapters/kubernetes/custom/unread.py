"""The states of a record's tests as they came, parsed when they are asked for.

Every record keeps them, and those of rollouts that are over are hardly ever looked at. As objects they take five times
as much: with twenty records of each of a thousand workloads, more than everything else that the daemon holds.
"""

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

import msgspec

from sentinel.domain.record.state import Json


class _Object(msgspec.Struct, gc=False):
    """Any object; its fields are skipped."""


_OBJECTS = msgspec.json.Decoder(dict[str, _Object])
_PARTS: "msgspec.json.Decoder[dict[str, msgspec.Raw]]" = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WHOLE: "msgspec.json.Decoder[dict[str, dict[str, Any]]]" = msgspec.json.Decoder(dict[str, dict[str, Any]])
_ONE: "msgspec.json.Decoder[dict[str, Any]]" = msgspec.json.Decoder(dict[str, Any])


class Unread(Mapping[str, Json]):
    """A mapping of names to JSON objects, kept as its bytes."""

    __slots__ = ("_whole",)

    def __init__(self, whole: bytes) -> None:
        """Raises msgspec.ValidationError for anything but an object of objects."""
        _OBJECTS.decode(whole)
        self._whole = whole

    def __getitem__(self, name: str) -> Json:
        return _ONE.decode(_PARTS.decode(self._whole)[name])

    def __iter__(self) -> Iterator[str]:
        return iter(_PARTS.decode(self._whole))

    def __len__(self) -> int:
        return len(_PARTS.decode(self._whole))

    def items(self) -> ItemsView[str, Json]:
        """All of it at once, which costs no more than one of them."""
        read: dict[str, Json] = {**_WHOLE.decode(self._whole)}
        return read.items()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Unread) and other._whole == self._whole:
            return True
        return isinstance(other, Mapping) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(dict(self.items()))
