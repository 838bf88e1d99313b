"""Decoding pages and events: of what has a known shape, only the fields that are read."""

from functools import lru_cache
from typing import Any, Generic, TypedDict, TypeVar

import msgspec
import orjson

from sentinel.adapters.kubernetes.api.client import RequestTarget, decoded
from sentinel.adapters.kubernetes.api.errors import status_error
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text

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


class RelistError(Exception):
    """The version we hold is of no use to go on from."""


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
    return _controller_in(line[begins : line.find(b"]", begins) + 1])


@lru_cache(maxsize=1024)
def _controller_in(owners: bytes) -> str:
    """Kept, since all pods of one controller name it with the same bytes."""
    try:
        found = _OWNERS_DECODER.decode(owners)
    except msgspec.DecodeError:
        return ""
    return next((owner.uid for owner in found if owner.controller), "")


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

    def change(self, line: bytes, watched: RequestTarget) -> tuple[str, RawObject, str]:
        """An event's kind, object and version. Raises RelistError, and as ClusterError what an ERROR tells."""
        try:
            event = self.event(line)
        except orjson.JSONDecodeError as error:
            raise RelistError(f"a line that is not JSON: {line[:80]!r}") from error
        kind, raw = text(event.get("type")), mapping(event.get("object"))
        if kind == "ERROR":
            _raise_told(raw, watched)
        version = text(mapping(raw.get("metadata")).get("resourceVersion"))
        if (kind not in _CHANGES and kind != "BOOKMARK") or not version:
            raise RelistError(f"an unexpected event: {line[:80]!r}")
        return kind, raw, version


def _raise_told(status: RawObject, watched: RequestTarget) -> None:
    error = status_error(status, request=f"watch {watched}")
    if error.status == 410:
        raise RelistError(str(error))
    raise error


def _fitting(decoder: "msgspec.json.Decoder[Any] | None", answer: bytes) -> dict[str, Any] | None:
    """The answer by its shape, None where that is not known or other."""
    try:
        return None if decoder is None else decoder.decode(answer)
    except msgspec.DecodeError:
        return None
