"""Writing objects: create, update, patch, server-side apply and delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from clustersim.api import bodies, protobuf
from clustersim.api.calls import ApiResponse, ResourceRequest
from clustersim.api.reading import selection
from clustersim.api.requests import dry_run, flag, number
from clustersim.api.types import conversion
from clustersim.storage import applying, patching
from clustersim.storage.api_errors import (
    ApiError,
    StatusCause,
    bad_request,
    internal,
    invalid,
    invalid_options,
    invalid_value,
)
from clustersim.storage.managed_fields import Writer
from clustersim.storage.resources import (
    CRDS,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    PDBS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SERVICES,
)
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_CREATED_BY_UPDATE = (LEASES.key, EVENTS.key)
_ANSWERED_WHEN_DELETED = (PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS, NAMESPACES, CRDS)
_POLICIES = ("Foreground", "Background", "Orphan")
_NEEDS_VERSION = (LEASES.key, CRDS.key, PDBS.key)


def create(call: ResourceRequest) -> ApiResponse:
    """Store the object of the body."""
    obj, warnings = bodies.check_fields(call, bodies.parse(call), patched=False)
    return _create(call, obj, warnings)


def _create(
    call: ResourceRequest, obj: JsonObject, warnings: tuple[str, ...], applied: JsonObject | None = None
) -> ApiResponse:
    obj = bodies.completed(call, obj)
    created = call.store.prepare_create(call.stored, obj, manager=call.manager, applied=applied)
    bodies.validate(call, created, None)
    if not dry_run(call.query, call.info.verb):
        created = call.store.commit_create(call.stored, created)
    return ApiResponse(call.presenter.one(created), 201, warnings)


def update(call: ResourceRequest) -> ApiResponse:
    """Replace the object with that of the body."""
    obj, warnings = bodies.check_fields(call, bodies.parse(call), patched=False)
    namespace = call.info.namespace_of(call.resource)
    current = call.store.find(call.stored, namespace, call.info.name)
    if current is None and call.stored.key in _CREATED_BY_UPDATE and not call.info.subresource:
        return _create(call, obj, warnings)
    current = call.store.get(call.stored, namespace, call.info.name)
    if not obj["metadata"].get("resourceVersion") and (
        call.resource.custom or call.stored.key in _NEEDS_VERSION
    ):
        why = "Invalid value: 0: must be specified for an update"
        named_by_plural = replace(call.resource, kind=call.resource.plural)
        raise invalid(
            named_by_plural,
            call.info.name,
            [StatusCause("FieldValueInvalid", why, "metadata.resourceVersion")],
        )
    return write(call, current, obj, warnings)


def write(
    call: ResourceRequest,
    current: JsonObject,
    obj: JsonObject,
    warnings: tuple[str, ...],
    applied: JsonObject | None = None,
) -> ApiResponse:
    """Store `obj`, which is checked, over `current`."""
    updated = call.store.prepare_update(
        call.stored,
        current,
        bodies.completed(call, obj),
        subresource=call.info.subresource,
        manager=call.manager,
        applied=applied,
    )
    if call.info.subresource != "status" or call.resource.custom:
        bodies.validate(call, updated, current)
    if not dry_run(call.query, call.info.verb):
        updated = call.store.commit_update(call.stored, current, updated)
    return ApiResponse(call.presenter.one(updated), 200, warnings)


def patch(call: ResourceRequest) -> ApiResponse:
    """Change the object as the patch in the body says."""
    if call.media_type == APPLY_PATCH:
        return _apply(call)
    _check_media_type(call)
    current = call.store.get(call.stored, call.info.namespace_of(call.resource), call.info.name)
    served = conversion.to_served(call.resource, current)
    patched = patched_object(call, served)
    _check_identity(call, served, patched)
    obj, warnings = bodies.check_fields(call, patched, patched=True)
    return write(call, current, obj, warnings)


def _check_media_type(call: ResourceRequest) -> None:
    if call.media_type in (JSON_PATCH, MERGE_PATCH):
        return
    if call.resource.custom:
        raise bodies.unsupported(f"{JSON_PATCH}, {MERGE_PATCH}, {APPLY_PATCH}")
    if call.media_type == STRATEGIC_PATCH:
        return
    raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})


def patched_object(call: ResourceRequest, obj: JsonObject) -> JsonObject:
    """`obj` with the patch of the body applied."""
    document = bodies.parse_json(call.body)
    if call.media_type == JSON_PATCH:
        return patching.json_patch(obj, document)
    if not isinstance(document, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    if call.media_type == STRATEGIC_PATCH:
        return patching.strategic_merge_patch(obj, document)
    merged: JsonObject = patching.merge_patch(obj, document)
    return merged


def _check_identity(call: ResourceRequest, current: JsonObject, patched: JsonObject) -> None:
    metadata = patched.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("name") != call.info.name:
        raise bad_request(
            f"the name of the object ({(metadata or {}).get('name', '')}) does not match the name on the URL "
            f"({call.info.name})"
        )
    for field in ("apiVersion", "kind"):
        if patched.get(field) != current.get(field):
            raise bodies.undecodable(call.resource, patched, f"the patch changes {field}", patched=True)
    uid = metadata.get("uid")
    if uid is not None and uid != current["metadata"]["uid"]:
        raise invalid(
            call.resource,
            call.info.name,
            [invalid_value("metadata.uid", uid, "field is immutable")],
        )


def _apply(call: ResourceRequest) -> ApiResponse:
    """Server-side apply."""
    manager = call.query.get("fieldManager", "")
    if not manager:
        why = "Required value: is required for apply patch"
        raise invalid_options("PatchOptions", "fieldManager", "FieldValueRequired", why)
    document = bodies.parse_yaml(call.body)
    if not isinstance(document, dict):
        raise bad_request("the applied configuration must be an object")
    if document.get("kind") != call.resource.kind or document.get("apiVersion") != call.resource.api_version:
        raise bad_request(
            f"the applied configuration must be of {call.resource.api_version}, Kind={call.resource.kind}"
        )
    metadata = bodies.placed(call, document.get("metadata") or {})
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    applied, warnings = bodies.check_fields(call, {**document, "metadata": metadata}, patched=True)
    if warnings:
        raise internal(_undeclared(call, document, warnings[0]))
    current = call.store.find(call.stored, call.info.namespace_of(call.resource), call.info.name)
    writer = Writer(manager, timestamp(call.now()), "Apply", call.info.subresource)
    if current is None and call.info.subresource:
        call.store.get(call.stored, call.info.namespace_of(call.resource), call.info.name)
    merged = applying.apply(call.stored, current, applied, writer, force=flag(call.query, "force"))
    if current is None:
        return _create(call, merged, warnings, applied)
    return write(call, current, merged, warnings, applied)


def _undeclared(call: ResourceRequest, document: JsonObject, warning: str) -> str:
    namespace = (document.get("metadata") or {}).get("namespace", "")
    field = warning.split('"')[1]
    return (
        f"failed to create typed patch object ({namespace}/{call.info.name}; {call.resource.api_version}, "
        f"Kind={call.resource.kind}): .{field}: field not declared in schema"
    )


def delete(call: ResourceRequest) -> ApiResponse:
    """Delete the object, or mark it as being deleted."""
    options = delete_options(call)
    namespace = call.info.namespace_of(call.resource)
    current = call.store.get(call.stored, namespace, call.info.name)
    if dry_run(call.query, call.info.verb, options):
        return _deleted(call, current, gone=True)
    preconditions = options.get("preconditions") or {}
    marked = call.store.delete(
        call.stored,
        namespace,
        call.info.name,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        propagation=_propagation(call, options),
        grace_period=_grace_period(call, options),
    )
    gone = call.store.find(call.stored, namespace, call.info.name) is None
    return _deleted(call, marked, gone=gone)


def delete_options(call: ResourceRequest) -> JsonObject:
    """The DeleteOptions of the body, empty ones without a body; raises ApiError 400."""
    if not call.body:
        return {}
    if call.media_type == protobuf.MEDIA_TYPE:
        return bodies.parse_protobuf(call.body, protobuf.delete_options)
    options = bodies.parse_json(call.body)
    if not isinstance(options, dict):
        raise bad_request("the body of a delete must be DeleteOptions")
    return options


def _propagation(call: ResourceRequest, options: JsonObject) -> str:
    policy = options.get("propagationPolicy") or call.query.get("propagationPolicy")
    if policy:
        if policy not in _POLICIES:
            supported = 'supported values: "Foreground", "Background", "Orphan", "nil"'
            message = f'Unsupported value: "{policy}": {supported}'
            raise invalid_options("DeleteOptions", "propagationPolicy", "FieldValueNotSupported", message)
        return str(policy)
    # A Job's pods outlive it where nothing is said, as they did before there was a garbage collector.
    unsaid = flag(call.query, "orphanDependents") or call.stored is JOBS
    orphan = options.get("orphanDependents", unsaid)
    return "Orphan" if orphan else "Background"


def _grace_period(call: ResourceRequest, options: JsonObject) -> int | None:
    seconds = options.get("gracePeriodSeconds")
    return seconds if isinstance(seconds, int) else number(call.query, "gracePeriodSeconds")


def _deleted(call: ResourceRequest, obj: JsonObject, *, gone: bool) -> ApiResponse:
    if not gone or call.resource in _ANSWERED_WHEN_DELETED:
        return ApiResponse(call.presenter.one(obj))
    details = {"name": obj["metadata"]["name"], "group": call.resource.group, "kind": call.resource.plural}
    if not call.resource.group:
        del details["group"]
    return ApiResponse(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {**details, "uid": obj["metadata"]["uid"]},
        }
    )


def delete_collection(call: ResourceRequest) -> ApiResponse:
    """Delete every object that the selectors choose."""
    options = delete_options(call)
    namespace = call.info.namespace if call.resource.namespaced else ""
    chosen = call.store.list(call.stored, namespace or None, selection(call))
    metadata = {"resourceVersion": str(call.store.revision)}
    if not dry_run(call.query, call.info.verb, options):
        for obj in chosen:
            call.store.delete(
                call.stored,
                obj["metadata"].get("namespace"),
                obj["metadata"]["name"],
                propagation=_propagation(call, options),
                grace_period=_grace_period(call, options),
            )
    return ApiResponse(call.presenter.many(chosen, metadata))


def finalize(call: ResourceRequest) -> ApiResponse:
    """Take finalizers off a namespace: `PUT /api/v1/namespaces/<name>/finalize`."""
    obj = orjson.loads(call.body)
    current = call.store.get(NAMESPACES, None, call.info.name)
    finalizers = (obj.get("spec") or {}).get("finalizers") or []
    changed = {**current, "metadata": dict(current["metadata"]), "spec": {"finalizers": finalizers}}
    return ApiResponse(call.presenter.one(call.store.commit_update(NAMESPACES, current, changed)))
