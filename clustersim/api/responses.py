"""HTTP responses: whole ones, and those that a fault spoils."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from clustersim.api.calls import ApiResponse
from clustersim.faults import ConnectionDropped, InjectedFault
from clustersim.storage.api_errors import ApiError

JSON_HEADERS = {"Content-Type": "application/json"}
_HTML = b"<html><body><h1>503 Service Unavailable</h1>No server is available to handle this request.</body></html>"


def from_answer(answer: ApiResponse) -> web.Response:
    """The response of a handler's answer, with its warnings."""
    response = json_response(answer.body, answer.status)
    for warning in answer.warnings:
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def json_response(
    body: Mapping[str, Any], status: int = 200, *, content_type: str = "application/json"
) -> web.Response:
    """A JSON document."""
    return web.Response(body=orjson.dumps(body), status=status, headers={"Content-Type": content_type})


def spoiled(fault: InjectedFault) -> web.Response:
    """The answer that an ERROR fault puts in the place of the real one."""
    headers = {"Retry-After": str(int(fault.seconds))} if fault.seconds else {}
    if fault.html:
        return web.Response(body=_HTML, status=fault.status, content_type="text/html", headers=headers)
    reasons = {
        429: ("TooManyRequests", "Too many requests, please try again later."),
        500: ("InternalError", "Internal error occurred: an injected fault"),
        503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
    }
    reason, message = reasons.get(fault.status, ("", "an injected fault"))
    error = ApiError(fault.status, reason, message)
    response = json_response(error.status(), fault.status)
    response.headers.update(headers)
    return response


async def send_half(request: web.BaseRequest, answer: ApiResponse, date: str) -> web.StreamResponse:
    """Announce the whole answer, send half of it and break the connection."""
    body = orjson.dumps(answer.body)
    response = web.StreamResponse(status=answer.status, headers={**JSON_HEADERS, "Date": date})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    raise ConnectionDropped


def cut(request: web.BaseRequest) -> None:
    """Break the connection off."""
    if request.transport is not None:
        request.transport.abort()
