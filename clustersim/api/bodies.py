"""Bodies of requests: parsed, checked against the types of their kind, unknown fields taken out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import yaml

from clustersim.api import protobuf
from clustersim.api.calls import ResourceRequest
from clustersim.api.types import builtin_types, conversion, schemas, validation
from clustersim.storage.api_errors import ApiError, bad_request, invalid
from clustersim.storage.resources import SECRETS, ResourceType

JsonObject = dict[str, Any]

_JSON_TYPES = ("", "application/json")
_YAML_TYPES = ("application/yaml", "application/apply-patch+yaml")
_UNKNOWN_FORMAT = "the body of the request was in an unknown format - accepted media types include: "


def unsupported(accepted: str) -> ApiError:
    """415 that names what would be accepted."""
    return ApiError(415, "UnsupportedMediaType", _UNKNOWN_FORMAT + accepted)


def parse(call: ResourceRequest) -> JsonObject:
    """The object in the body of a create or update.

    Raises ApiError 400 for malformed bodies and bodies of another kind, 415 for unknown formats.
    """
    if call.media_type in _JSON_TYPES:
        try:
            obj = orjson.loads(call.body)
        except orjson.JSONDecodeError as error:
            raise bad_request(_unrecognized(call, error)) from error
    elif call.media_type in _YAML_TYPES:
        obj = parse_yaml(call.body)
    elif call.media_type == protobuf.MEDIA_TYPE and call.resource is SECRETS:
        obj = parse_protobuf(call.body, protobuf.secret)
    else:
        raise unsupported("application/json, application/yaml")
    if not isinstance(obj, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {call.resource.kind})")
    return _identified(call, obj)


def parse_yaml(body: bytes) -> Any:
    """A YAML (or JSON) body; raises ApiError 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return yaml.safe_load(body)
        except yaml.YAMLError as error:
            raise bad_request(f"error decoding YAML: {error}") from error


def parse_protobuf(body: bytes, decode: Callable[[bytes], JsonObject]) -> JsonObject:
    """A protobuf body; raises ApiError 400."""
    try:
        return decode(body)
    except ValueError as error:
        raise bad_request(f"error decoding protobuf: {error}") from error


def parse_json(body: bytes) -> Any:
    """A JSON body; raises ApiError 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {_go_error(body, error)}") from error


def _unrecognized(call: ResourceRequest, error: orjson.JSONDecodeError) -> str:
    return (
        f"the object provided is unrecognized (must be of type {call.resource.kind}): couldn't get "
        f"version/kind; json parse error: {_go_error(call.body, error)} "
        f"({call.body.decode(errors='replace') or '<empty>'})"
    )


def _go_error(body: bytes, error: orjson.JSONDecodeError) -> str:
    """A parse error in the words of Go's decoder."""
    text = body.decode(errors="replace")
    if error.pos >= len(text):
        return "unexpected end of JSON input"
    before = text[: error.pos].rstrip()[-1:]
    place = "object key string" if before == "{" else "value"
    return f"invalid character '{text[error.pos]}' looking for beginning of {place}"


def _identified(call: ResourceRequest, obj: JsonObject) -> JsonObject:
    """The object with its kind, version, name and namespace, all as the path says."""
    resource = call.resource
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if resource.custom and not (version and kind):
        missing = "Kind" if not kind else "apiVersion"
        raise bad_request(f"Object '{missing}' is missing in '{call.body.decode(errors='replace')}'")
    if kind and kind != resource.kind:
        short = str(version or resource.version).rpartition("/")[2]
        raise bad_request(
            f'{kind} in version "{short}" cannot be handled as a {resource.kind}: converting '
            f"({short}.{kind}) to ({resource.group or 'core'}.{resource.kind}): unknown conversion"
        )
    if version and version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    metadata = obj.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    return {
        **obj,
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": placed(call, metadata),
    }


def placed(call: ResourceRequest, metadata: JsonObject) -> JsonObject:
    """The metadata with the namespace and the name of the path; raises ApiError 400 where they differ."""
    metadata = dict(metadata)
    namespace = call.info.namespace
    if call.resource.namespaced:
        if namespace and metadata.get("namespace", namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = namespace or metadata.get("namespace", "default")
    if call.info.name:
        if metadata.get("name", call.info.name) != call.info.name:
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL "
                f"({call.info.name})"
            )
        metadata["name"] = call.info.name
    return metadata


def check_fields(
    call: ResourceRequest, obj: JsonObject, *, patched: bool
) -> tuple[JsonObject, tuple[str, ...]]:
    """The object with nothing but known fields of the right types, in its stored form, and the warnings.

    Raises ApiError 400 (or 422 for a `patched` object) for wrong types and, where the client asked for
    strict validation, for unknown fields.
    """
    custom = call.services.registry.custom(call.resource)
    if custom is None:
        decoded = builtin_types.decode(call.resource, obj)
        known, unknown, wrong = decoded.object, decoded.unknown, decoded.type_error
    else:
        known = orjson.loads(orjson.dumps(obj))
        schemas.drop_nulls(custom.schema, known)
        unknown = tuple(schemas.prune(custom.schema, known))
        wrong = builtin_types.metadata_error(known["metadata"])
    if wrong:
        raise undecodable(call.resource, obj, wrong, patched=patched)
    directive = call.query.get("fieldValidation") or "Warn"
    warnings = tuple(f'unknown field "{name}"' for name in unknown)
    if warnings and directive == "Strict":
        why = f"strict decoding error: {', '.join(warnings)}"
        raise undecodable(call.resource, obj, why, patched=patched)
    return conversion.to_stored(call.resource, known), warnings if directive == "Warn" else ()


def completed(call: ResourceRequest, obj: JsonObject) -> JsonObject:
    """The object with the defaults of its schema; those of built-in kinds are the store's business."""
    custom = call.services.registry.custom(call.resource)
    if custom is None:
        return obj
    complete: JsonObject = orjson.loads(orjson.dumps(obj))
    schemas.complete(custom.schema, complete)
    return complete


def undecodable(resource: ResourceType, obj: JsonObject, why: str, *, patched: bool) -> ApiError:
    """400, or 422 for a `patched` object, for an object that does not fit the type of its kind."""
    if not patched:
        kind, version = resource.kind, resource.version
        return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')
    ordered = {"apiVersion": resource.api_version, **obj}
    shown = orjson.dumps(orjson.dumps(ordered).decode()).decode()
    message = f"Invalid value: {shown}: {why}"
    return ApiError(
        422,
        "Invalid",
        f' "" is invalid: patch: {message}',
        details={"causes": [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]},
    )


def validate(call: ResourceRequest, obj: JsonObject, current: JsonObject | None) -> None:
    """Check a completed object against the rules of its kind; raises ApiError 422 with every cause."""
    custom = call.services.registry.custom(call.resource)
    if custom is None:
        causes = validation.validate(call.stored, obj, current)
    else:
        causes = validation.validate_metadata(call.resource, obj)
        causes += schemas.validate(custom.schema, obj)
    if causes:
        raise invalid(call.resource, obj["metadata"].get("name", ""), causes)
