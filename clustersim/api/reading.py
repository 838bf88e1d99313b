"""Reading objects: get and list, with selectors, pages and older revisions."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import orjson

from clustersim.api.calls import ApiResponse, ResourceRequest
from clustersim.api.requests import number, revision
from clustersim.storage import selectors
from clustersim.storage.api_errors import ApiError, bad_request, expired, invalid_options, not_found

JsonObject = dict[str, Any]
Predicate = Callable[[JsonObject], bool]

_TOKEN_VERSION = "meta.k8s.io/v1"  # nosec B105  # a list's page
_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
    "that were created, modified, or deleted between the time the first chunk was returned and now may show "
    "up in the list."
)


def get(call: ResourceRequest) -> ApiResponse:
    """One object."""
    info = call.info
    if call.stale_by:
        return ApiResponse(call.presenter.one(_stale(call)))
    return ApiResponse(
        call.presenter.one(call.store.get(call.stored, info.namespace_of(call.resource), info.name))
    )


def _stale(call: ResourceRequest) -> JsonObject:
    """The object as it was some changes ago."""
    revision_then = max(call.store.revision - call.stale_by, call.store.history.compacted)
    namespace = call.info.namespace_of(call.resource)
    for obj in call.store.at(call.stored, revision_then, namespace):
        if obj["metadata"]["name"] == call.info.name:
            return obj
    raise not_found(call.resource, call.info.name)


def selection(call: ResourceRequest) -> Predicate | None:
    """What the label and field selectors of a request choose; None: everything."""
    labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    tests: list[Predicate] = []
    if labels:
        tests.append(selectors.parse_labels(labels))
    if fields:
        tests.append(selectors.parse_fields(call.stored, fields))
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda obj: all(test(obj) for test in tests)


def list_objects(call: ResourceRequest) -> ApiResponse:
    """A list, or a page of one."""
    where = selection(call)
    start, at = _position(call)
    namespace = call.info.namespace if call.resource.namespaced else ""
    if at == call.store.revision:
        objects = call.store.list(call.stored, namespace or None)
    else:
        objects = call.store.at(call.stored, at, namespace or None)
    if start:
        objects = objects[bisect_right(objects, _key(start), key=_place) :]
    if where is not None:
        objects = [obj for obj in objects if where(obj)]
    metadata: JsonObject = {"resourceVersion": str(at)}
    limit = number(call.query, "limit") or 0
    if 0 < limit < len(objects):
        metadata["continue"] = _token(at, objects[limit - 1])
        if where is None:
            metadata["remainingItemCount"] = len(objects) - limit
        objects = objects[:limit]
    return ApiResponse(call.presenter.many(objects, metadata))


def _position(call: ResourceRequest) -> tuple[str, int]:
    """After which object to begin, and at which revision."""
    token = call.query.get("continue", "")
    if token:
        return _continued(call, token)
    asked = revision(call.query)
    current = call.store.revision
    if call.stale_by:
        return "", max(current - call.stale_by, call.store.history.compacted)
    match = call.query.get("resourceVersionMatch", "")
    if match and asked is None:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", "resourceVersionMatch", "FieldValueForbidden", why)
    if asked is None or (asked == 0 and match != "Exact"):
        return "", current
    if asked > current:
        raise ApiError(
            504,
            "Timeout",
            f"Timeout: Too large resource version: {asked}, current: {current}",
            details={
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            },
        )
    return "", asked if match == "Exact" else current


def _continued(call: ResourceRequest, token: str) -> tuple[str, int]:
    if call.query.get("resourceVersion"):
        raise bad_request("specifying resource version is not allowed when using continue")
    try:
        decoded = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        start, at = str(decoded["start"]).removesuffix("\0"), int(decoded["rv"])
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    if at == -1:
        return start, call.store.revision
    if at < call.store.history.compacted:
        raise expired(_CONTINUE_EXPIRED, {"continue": _encode(-1, start)})
    return start, at


def _token(at: int, last: JsonObject) -> str:
    return _encode(at, "/".join(_place(last)))


def _encode(at: int, start: str) -> str:
    text = orjson.dumps({"v": _TOKEN_VERSION, "rv": at, "start": f"{start}\0"})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _place(obj: JsonObject) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _key(start: str) -> tuple[str, str]:
    namespace, _, name = start.rpartition("/")
    return namespace, name
