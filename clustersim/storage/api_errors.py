"""Refusals of the simulated API server, in the words of the real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from clustersim.storage.resources import ResourceType

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(frozen=True, slots=True)
class StatusCause:
    """One entry of `details.causes`: what is wrong with which field."""

    reason: str
    message: str
    field: str

    def sentence(self) -> str:
        """The cause as the message of the whole refusal quotes it."""
        return f"{self.field}: {self.message}"


def invalid_value(field: str, value: Any, why: str) -> StatusCause:
    """A cause for a value that breaks a rule."""
    return StatusCause("FieldValueInvalid", f"Invalid value: {orjson.dumps(value).decode()}: {why}", field)


def required(field: str, why: str = "") -> StatusCause:
    """A cause for a field that is missing."""
    return StatusCause("FieldValueRequired", "Required value" + (f": {why}" if why else ""), field)


class ApiError(Exception):
    """A refusal that a client sees as a `Status` object with an HTTP code."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}

    def status(self) -> dict[str, Any]:
        """The refusal as a `v1.Status` body."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(resource: ResourceType, name: str) -> dict[str, Any]:
    return {"name": name, **({"group": resource.group} if resource.group else {}), "kind": resource.plural}


def not_found(resource: ResourceType, name: str) -> ApiError:
    """404 for one object."""
    return ApiError(
        404, "NotFound", f'{resource.qualified} "{name}" not found', details=_details(resource, name)
    )


def unknown_path() -> ApiError:
    """404 for a resource or path that the server does not serve."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(resource: ResourceType, name: str) -> ApiError:
    """409 for a create of a name that is taken."""
    return ApiError(
        409,
        "AlreadyExists",
        f'{resource.qualified} "{name}" already exists',
        details=_details(resource, name),
    )


def conflict(resource: ResourceType, name: str, why: str = MODIFIED) -> ApiError:
    """409 for a write that is based on another version or incarnation of the object."""
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}',
        details=_details(resource, name),
    )


def bad_request(message: str) -> ApiError:
    """400 for a body or parameter that cannot be understood."""
    return ApiError(400, "BadRequest", message)


def precondition_failed(resource: ResourceType, name: str, why: str) -> ApiError:
    """409 for a delete of an object that is not the one that the preconditions name."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {**_details(resource, name), "kind": resource.kind}
    return ApiError(
        409, "Conflict", f'Operation cannot be fulfilled on {kind} "{name}": {why}', details=details
    )


def method_not_allowed() -> ApiError:
    """405 for a verb that the resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def invalid_options(kind: str, field: str, reason: str, message: str) -> ApiError:
    """422 for a parameter of a request; `kind` is that of the options, for example ListOptions."""
    cause = {"reason": reason, "message": message, "field": field}
    return ApiError(
        422,
        "Invalid",
        f'{kind}.meta.k8s.io "" is invalid: {field}: {message}',
        details={"group": "meta.k8s.io", "kind": kind, "causes": [cause]},
    )


def internal(message: str) -> ApiError:
    """500 in the bare form of errors that the server does not classify."""
    return ApiError(500, "", message)


def unprocessable() -> ApiError:
    """422 without a word of why, as for a JSON patch that does not apply."""
    return ApiError(
        422, "Invalid", "the server rejected our request due to an error in our request", details={}
    )


def invalid(resource: ResourceType, name: str, causes: Sequence[StatusCause]) -> ApiError:
    """422 for an object that breaks the rules of its kind."""
    sentences = list(dict.fromkeys(cause.sentence() for cause in causes))
    listed = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return ApiError(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {listed}',
        details={
            **({"name": name} if name else {}),
            **({"group": resource.group} if resource.group else {}),
            "kind": resource.kind,
            "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
        },
    )


def forbidden(resource: ResourceType, name: str, why: str, causes: Sequence[StatusCause] = ()) -> ApiError:
    """403 from an admission rule or from access control."""
    quoted = f'{resource.qualified} "{name}"' if name else resource.qualified
    details = _details(resource, name)
    if not name:
        del details["name"]
    if causes:
        details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return ApiError(403, "Forbidden", f"{quoted} is forbidden: {why}", details=details)


def expired(message: str, metadata: dict[str, Any] | None = None) -> ApiError:
    """410 for a revision that has been compacted away."""
    return ApiError(410, "Expired", message, metadata=metadata)
