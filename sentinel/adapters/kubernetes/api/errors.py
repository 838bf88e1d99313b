"""Failures of the API server, translated into the domain's errors by their kind."""

import os
import re
from ssl import SSLError

import aiohttp
import orjson

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.domain.errors import (
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    ForbiddenError,
    InvalidObjectError,
    NotFoundError,
    PreconditionError,
)

JSON_PATCH = "application/json-patch+json"
BROKEN = (aiohttp.ClientError, OSError, SSLError)
"""What is raised where the server cannot be reached, or the connection breaks before the end of an answer."""
_TEXT_LIMIT = 300
_CANNOT = re.compile(
    r"cannot (?P<verb>\S+) resource \"(?P<resource>[^\"]+)\"(?: in API group \"(?P<group>[^\"]*)\")?"
)


def api_error(
    status: int, body: bytes, *, request: str, content_type: str = "", retry_after: str | None = None
) -> ClusterError:
    """The error of an unsuccessful answer. `request` names what was asked, e.g. `patch deployments.apps`."""
    answer = _status_object(body)
    said = _said(status, answer, body)
    message = f"{request}: {said}"
    reason = text(answer.get("reason")) or f"HTTP{status}"
    if status in (401, 403):
        return ForbiddenError(_refusal(status, said, request), reason=reason, status=status)
    if status == 404:
        return _not_found(answer, request, said)
    if status == 409:
        return ConflictError(message, reason=reason, status=status)
    if status == 422:
        return _unprocessable(answer, message, reason, content_type)
    if status == 429 or status >= 500:
        return ClusterUnavailableError(
            message, reason=reason, status=status, retry_after=seconds(retry_after)
        )
    return ClusterError(message, reason="Expired" if status == 410 else reason, status=status)


def status_error(answer: RawObject, *, request: str) -> ClusterError:
    """The error that a watch sent as an ERROR event."""
    code = answer.get("code")
    status = code if isinstance(code, int) else 500
    return api_error(status, orjson.dumps(dict(answer)), request=request)


def seconds(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header; its other form, a date, Kubernetes never sends."""
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else None


def _status_object(body: bytes) -> RawObject:
    try:
        return mapping(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {}


def _said(status: int, answer: RawObject, body: bytes) -> str:
    said = text(answer.get("message")).strip()
    if said:
        return _cut(said)
    plain = " ".join(re.sub(r"<[^>]*>", " ", body.decode(errors="replace")).split())
    return f"HTTP {status}, and not by the API server: {_cut(plain)}" if plain else f"HTTP {status}"


def _cut(said: str) -> str:
    return said if len(said) <= _TEXT_LIMIT else said[: _TEXT_LIMIT - 1] + "…"


def _refusal(status: int, said: str, request: str) -> str:
    if status == 401:
        return f"{request}: the API server does not accept our credentials ({said})"
    lacking = _CANNOT.search(said)
    if lacking is None:
        return f"{request} is forbidden: {said}"
    group = lacking["group"]
    resource = f"{lacking['resource']}.{group}" if group else lacking["resource"]
    return f"our account lacks the verb {lacking['verb']!r} on {resource}: {said}"


def _not_found(answer: RawObject, request: str, said: str) -> NotFoundError:
    if mapping(answer.get("details")).get("name"):
        return NotFoundError(f"{request}: {said}", reason="NotFound", status=404)
    return NotFoundError(
        f"{request}: the API server does not serve this resource", reason="ResourceNotFound", status=404
    )


def _unprocessable(answer: RawObject, message: str, reason: str, content_type: str) -> ClusterError:
    # A `test` that fails (or a path that is not there) is refused without naming a field; an object that the
    # patch made invalid comes with its causes.
    if content_type == JSON_PATCH and not mapping(answer.get("details")).get("causes"):
        return PreconditionError(message, reason="PatchTestFailed", status=422)
    return InvalidObjectError(message, reason=reason, status=422)


def connection_error(
    error: Exception, asked: str, server: str, *, connect: float, silence: float
) -> ClusterUnavailableError:
    """What one of `BROKEN` means, for a request that allowed so many seconds for a connection and between two reads."""
    if isinstance(error, aiohttp.SocketTimeoutError):
        return ClusterUnavailableError(f"{asked}: nothing came for {silence} s", reason="Silent")
    if isinstance(error, aiohttp.ServerTimeoutError):
        return ClusterUnavailableError(
            f"{asked}: no connection to the API server at {server} within {connect:g} s",
            reason="ConnectTimeout",
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return ClusterUnavailableError(
            f"{asked}: the API server at {server} cannot be reached: {_why(error.os_error)}",
            reason="Unreachable",
        )
    return ClusterUnavailableError(
        f"{asked}: the connection to the API server at {server} broke ({type(error).__name__}: {error})",
        reason="ConnectionLost",
    )


def _why(error: OSError) -> str:
    """The system's own words: asyncio's tell the address once more, and the error as a number."""
    known = error.errno is not None and error.errno > 0 and not isinstance(error, SSLError)
    return os.strerror(error.errno).lower() if known and error.errno is not None else str(error)
