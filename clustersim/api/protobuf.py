"""Bodies in Kubernetes' protobuf encoding, as far as helm sends them: Secrets, in which it keeps its releases.

Field numbers are those of the API's published `generated.proto` files.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

JsonObject = dict[str, Any]

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_RAW = 2
_METADATA, _DATA, _TYPE, _STRING_DATA, _IMMUTABLE = 1, 2, 3, 4, 5
_TEXTS = {1: "name", 2: "generateName", 3: "namespace", 5: "uid", 6: "resourceVersion"}
_MAPS = {11: "labels", 12: "annotations"}
_PROPAGATION_POLICY = 4


def secret(body: bytes) -> JsonObject:
    """A Secret as JSON has it. Raises ValueError for what is not an encoded object."""
    fields = list(_fields(_object(body)))
    found: JsonObject = {"apiVersion": "v1", "kind": "Secret", "metadata": {}}
    for number, value in fields:
        if number == _METADATA:
            found["metadata"] = _metadata(_bytes(value))
        elif number == _TYPE:
            found["type"] = _bytes(value).decode()
        elif number == _IMMUTABLE:
            found["immutable"] = bool(value)
    if data := _map(fields, _DATA):
        found["data"] = {name: base64.b64encode(value).decode() for name, value in data.items()}
    if texts := _map(fields, _STRING_DATA):
        found["stringData"] = {name: value.decode() for name, value in texts.items()}
    return found


def delete_options(body: bytes) -> JsonObject:
    """The propagation policy of DeleteOptions. Raises ValueError for what is not an encoded object."""
    for number, value in _fields(_object(body)):
        if number == _PROPAGATION_POLICY:
            return {"propagationPolicy": _bytes(value).decode()}
    return {}


def _metadata(message: bytes) -> JsonObject:
    fields = list(_fields(message))
    found: JsonObject = {
        _TEXTS[number]: _bytes(value).decode() for number, value in fields if value and number in _TEXTS
    }
    for number, name in _MAPS.items():
        if texts := _map(fields, number):
            found[name] = {key: value.decode() for key, value in texts.items()}
    return found


def _object(body: bytes) -> bytes:
    """The object within the envelope that names its kind."""
    if not body.startswith(_MAGIC):
        raise ValueError("the body does not begin as Kubernetes' protobuf does")
    return next((_bytes(value) for number, value in _fields(body[len(_MAGIC) :]) if number == _RAW), b"")


def _map(fields: list[tuple[int, int | bytes]], wanted: int) -> dict[str, bytes]:
    """A map's entries, each of which is a message with the key and the value."""
    entries = [dict(_fields(_bytes(value))) for number, value in fields if number == wanted]
    return {_bytes(entry.get(1, b"")).decode(): _bytes(entry.get(2, b"")) for entry in entries}


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The number and value of each field: whole numbers, and bytes for texts and messages."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
        elif kind == 2:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("the message ends within a field")
            yield number, message[at : at + size]
            at += size
        else:
            raise ValueError(f"field {number} has the wire type {kind}, which no field that is read here has")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("the message ends within a number")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ValueError("a number where a text or a message belongs")
