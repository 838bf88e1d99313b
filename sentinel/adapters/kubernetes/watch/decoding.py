"""Decoding pages and events: of what has a known shape, only the fields that are read."""

from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

import msgspec
import orjson

from sentinel.adapters.kubernetes.api.client import decoded
from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject, mapping

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


class _Named(msgspec.Struct, gc=False):
    name: str = ""
    namespace: str = ""
    version: str = msgspec.field(default="", name="resourceVersion")
    owners: list[_Owner] = msgspec.field(default_factory=list, name="ownerReferences")


class _Object(msgspec.Struct, gc=False):
    metadata: _Named


class _Change(msgspec.Struct, gc=False):
    type: str
    object: _Object


_CHANGE = msgspec.json.Decoder(_Change)


@dataclass(frozen=True, slots=True)
class Glance:
    """Which object an event is of, at which version, and the uid of what controls it, empty where nothing does."""

    key: ObjectKey
    version: str
    controller: str


def glance(line: bytes) -> Glance | None:
    """Whose event of a watch this is, for a fifth of what it costs to take it in; None where that is not told."""
    try:
        change = _CHANGE.decode(line)
    except msgspec.DecodeError:
        return None
    named = change.object.metadata
    if change.type not in _CHANGES or not named.name or not named.version:
        return None
    controller = next((owner.uid for owner in named.owners if owner.controller), "")
    return Glance((named.namespace, named.name), named.version, controller)


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
