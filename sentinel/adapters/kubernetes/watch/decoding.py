"""Decoding pages and events: of what has a known shape, only the fields that are read."""

from typing import Any, Generic, TypedDict, TypeVar

import msgspec
import orjson

from sentinel.adapters.kubernetes.api.client import decoded
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping

Shape = TypeVar("Shape")
_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
"""The objects of other events are not of the resource."""


_ListMeta = TypedDict("_ListMeta", {"resourceVersion": str | None, "continue": str | None}, total=False)


class _Page(TypedDict, Generic[Shape], total=False):
    metadata: _ListMeta
    items: list[Shape] | None


class _Event(TypedDict, Generic[Shape], total=False):
    type: str
    object: Shape


class _Owner(msgspec.Struct, gc=False):
    uid: str = ""
    controller: bool = False


_OWNERS = b'"ownerReferences":'
_OWNERS_DECODER = msgspec.json.Decoder(list[_Owner])
_CHANGE_BEGINS = tuple(f'{{"type":"{change}"'.encode() for change in sorted(_CHANGES))


def controller_at_a_glance(line: bytes) -> str | None:
    """The uid of what controls the object of a change, empty where nothing seems to; None for other events.

    It is looked for as a server writes it, which costs a tenth of what it costs to take the event in: the first such
    field is the object's own, as `metadata` stands before `spec`, and no string contains it, as quotes in strings are
    escaped. Where a server writes otherwise, nothing is found.
    """
    if not line.startswith(_CHANGE_BEGINS):
        return None
    begins = line.find(_OWNERS)
    if begins < 0:
        return ""
    begins += len(_OWNERS)
    try:
        owners = _OWNERS_DECODER.decode(line[begins : line.find(b"]", begins) + 1])
    except msgspec.DecodeError:
        return ""
    return next((owner.uid for owner in owners if owner.controller), "")


def ends_state(bookmark: RawObject) -> bool:
    """Whether the state that a stream began with ends with this bookmark: changes follow."""
    annotations = mapping(mapping(bookmark.get("metadata")).get("annotations"))
    return annotations.get("k8s.io/initial-events-end") == "true"


class Decoding:
    """Decodes what a list and a watch of one resource answer.

    `shape` is a TypedDict of the fields that are read of its objects: a pod has ten times as many, and to build them
    all took most of the time of a first list. An answer that does not fit it is decoded as a whole, so that a field of
    an unexpected type costs time and nothing else.
    """

    def __init__(self, shape: Any = None) -> None:
        self._page = msgspec.json.Decoder(_Page[shape]) if shape else None
        self._event = msgspec.json.Decoder(_Event[shape]) if shape else None

    def page(self, answer: bytes, asked: str) -> dict[str, Any]:
        """A page of a list. Raises ClusterUnavailableError, its reason `BadAnswer`, for what is not an object."""
        page = _fitting(self._page, answer)
        return decoded(answer, asked) if page is None else page

    def event(self, line: bytes) -> RawObject:
        """An event of a watch. Raises orjson.JSONDecodeError for what is not JSON."""
        event = _fitting(self._event, line)
        return event if event and event.get("type") in _CHANGES else mapping(orjson.loads(line))


def _fitting(decoder: "msgspec.json.Decoder[Any] | None", answer: bytes) -> dict[str, Any] | None:
    """The answer by its shape, None where that is not known or other."""
    try:
        return None if decoder is None else decoder.decode(answer)
    except msgspec.DecodeError:
        return None
