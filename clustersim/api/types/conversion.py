"""Versions of one object: what is stored, and what a request for another version or group sees."""

from __future__ import annotations

from typing import Any

from clustersim.storage.resources import EVENTS, EVENTS_V1, ResourceType

JsonObject = dict[str, Any]

_EVENT_FIELDS = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_CORE_EVENT_FIELDS = {core: name for name, core in _EVENT_FIELDS.items()}


def stored_type(resource: ResourceType) -> ResourceType:
    """The type under which the objects of `resource` are stored."""
    return EVENTS if resource is EVENTS_V1 else resource


def to_stored(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """An object of a request as it is stored."""
    if resource is not EVENTS_V1:
        return obj
    renamed = {_EVENT_FIELDS.get(key, key): value for key, value in obj.items()}
    return {**renamed, "apiVersion": EVENTS.api_version}


def to_served(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """A stored object in the version that a request asks for."""
    if resource is EVENTS_V1:
        obj = {_CORE_EVENT_FIELDS.get(key, key): value for key, value in obj.items()}
    if obj.get("apiVersion") == resource.api_version:
        return obj
    return {**obj, "apiVersion": resource.api_version}
