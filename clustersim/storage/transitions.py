"""What a write makes of an object: which fields it may set, what it costs, whether a delete waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from clustersim.storage.api_errors import precondition_failed
from clustersim.storage.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    NAMESPACES,
    PODS,
    ResourceType,
)
from clustersim.storage.values import copy_of, timestamp

JsonObject = dict[str, Any]
SERVER_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""The annotation of a DaemonSet that counts the changes of its template."""


def other_uid(given: str, current: str) -> str:
    """Why an update of another incarnation of the object conflicts."""
    return f"Precondition failed: UID in precondition: {given}, UID in object meta: {current}"


def _not_the_recorded(what: str, given: str, current: str) -> str:
    ends = {
        "UID": "The object might have been deleted and then recreated",
        "ResourceVersion": "The object might have been modified",
    }
    return f"the {what} in the precondition ({given}) does not match the {what} in record ({current}). {ends[what]}"


def merged(resource: ResourceType, current: JsonObject, obj: JsonObject, subresource: str) -> JsonObject:
    """`current` with that part of `obj` that the endpoint may write."""
    if subresource == "status":
        result = {**current, "metadata": dict(obj.get("metadata") or {})}
        if "status" in obj:
            result["status"] = obj["status"]
        kept = current["metadata"]
        if resource.custom:
            own = {"managedFields": result["metadata"].get("managedFields", kept.get("managedFields"))}
            result["metadata"] = {**kept, **({} if own["managedFields"] is None else own)}
        if resource is DEPLOYMENTS and "labels" in kept:
            result["metadata"]["labels"] = kept["labels"]
        return result
    result = {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
    if "status" in resource.subresources:
        result.pop("status", None)
        if "status" in current:
            result["status"] = current["status"]
    return result


def kept_metadata(current: JsonObject, given: JsonObject) -> JsonObject:
    """The metadata of an update: what only the server may set stays as it was."""
    kept = {field: current[field] for field in (*SERVER_FIELDS, "resourceVersion") if field in current}
    written = {key: value for key, value in given.items() if key not in SERVER_FIELDS and value is not None}
    namespace = {"namespace": current["namespace"]} if "namespace" in current else {}
    generate = {"generateName": current["generateName"]} if "generateName" in current else {}
    return {**written, "name": current["name"], **generate, **namespace, **kept}


def spec_changed(resource: ResourceType, current: JsonObject, updated: JsonObject) -> bool:
    """Whether an update makes a new generation."""
    if resource.custom or resource is ENDPOINT_SLICES:
        ignored = {"metadata", "status"} if "status" in resource.subresources else {"metadata"}
        return {k: v for k, v in current.items() if k not in ignored} != {
            k: v for k, v in updated.items() if k not in ignored
        }
    old, new = current.get("spec"), updated.get("spec")
    if resource is DEPLOYMENTS and not _same_annotations(current, updated):
        return True
    if resource is PODS and old is not None and new is not None:
        # Binding a pod to a node writes the spec without making a new generation.
        old, new = {**old, "nodeName": None}, {**new, "nodeName": None}
    return bool(old != new)


def count_template(resource: ResourceType, current: JsonObject | None, updated: JsonObject) -> None:
    """Write on a DaemonSet, in place, how often its template has been changed; the first counts as 1."""
    if resource is not DAEMONSETS:
        return
    count = 1
    if current is not None:
        count = int(current["metadata"]["annotations"][TEMPLATE_GENERATION])
        count += current["spec"]["template"] != updated["spec"]["template"]
    annotations = updated["metadata"].get("annotations") or {}
    updated["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(count)}


def _same_annotations(current: JsonObject, updated: JsonObject) -> bool:
    before, after = (obj["metadata"].get("annotations") or {} for obj in (current, updated))
    return bool(before == after)


def _remaining_finalizers(current: JsonObject, propagation: str) -> list[str]:
    finalizers = [
        f for f in current["metadata"].get("finalizers", []) if f not in ("orphan", "foregroundDeletion")
    ]
    if "deletionTimestamp" in current["metadata"]:
        return list(current["metadata"].get("finalizers", []))
    return finalizers + {"Orphan": ["orphan"], "Foreground": ["foregroundDeletion"]}.get(propagation, [])


def _grace_seconds(resource: ResourceType, current: JsonObject, asked: int | None) -> int:
    """Seconds that a pod keeps after its deletion; other kinds have none."""
    if resource is not PODS or not current.get("spec", {}).get("nodeName"):
        return 0
    if current.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if asked is not None:
        return max(asked, 0)
    pending = current["metadata"].get("deletionGracePeriodSeconds")
    return int(current["spec"].get("terminationGracePeriodSeconds", 30) if pending is None else pending)


def held_back(resource: ResourceType, obj: JsonObject) -> bool:
    """Whether a deleted object stays for now: by a finalizer, or a grace period that is not over."""
    metadata = obj["metadata"]
    if metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return True
    return resource is NAMESPACES and bool(obj.get("spec", {}).get("finalizers"))


def marked_for_deletion(
    resource: ResourceType, current: JsonObject, propagation: str, grace_period: int | None, now: datetime
) -> JsonObject | None:
    """The object as a delete leaves it behind, or None when it goes at once."""
    finalizers = _remaining_finalizers(current, propagation)
    grace = _grace_seconds(resource, current, grace_period)
    if not finalizers and not grace and resource is not NAMESPACES:
        return None
    marked: JsonObject = copy_of(current)
    metadata = marked["metadata"]
    if finalizers:
        metadata["finalizers"] = finalizers
    if "deletionTimestamp" not in metadata or grace < metadata.get("deletionGracePeriodSeconds", 0):
        if "generation" in metadata and "deletionTimestamp" not in metadata:
            metadata["generation"] += 1
        metadata["deletionTimestamp"] = timestamp(now + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
    if resource is NAMESPACES:
        metadata.pop("deletionGracePeriodSeconds")
        marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
    return marked


def check_preconditions(
    resource: ResourceType, current: JsonObject, uid: str | None, version: str | None
) -> None:
    """Raises ApiError 409 where a delete names another incarnation or version of the object."""
    metadata = current["metadata"]
    if uid and uid != metadata["uid"]:
        raise precondition_failed(resource, metadata["name"], _not_the_recorded("UID", uid, metadata["uid"]))
    if version and version != metadata["resourceVersion"]:
        why = _not_the_recorded("ResourceVersion", version, metadata["resourceVersion"])
        raise precondition_failed(resource, metadata["name"], why)
