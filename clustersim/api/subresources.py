"""Subresources that are not part of the object as such: scale, eviction, binding, token."""

from __future__ import annotations

from typing import Any

import orjson

from clustersim.api import bodies, writing
from clustersim.api.calls import ApiResponse, ResourceRequest
from clustersim.api.requests import dry_run
from clustersim.api.tables import jsonpath
from clustersim.storage.api_errors import ApiError, StatusCause, bad_request, invalid
from clustersim.storage.resources import PDBS, PODS, SERVICE_ACCOUNTS, ResourceType
from clustersim.storage.selectors import matches_label_selector, printed_label_selector

JsonObject = dict[str, Any]
SCALES = ResourceType("autoscaling", "v1", "scales", "scale", "Scale")
_SCALE_FIELDS = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def get_scale(call: ResourceRequest) -> ApiResponse:
    """The `autoscaling/v1` Scale of a workload."""
    return ApiResponse(_scale(call, _object(call)))


def _object(call: ResourceRequest) -> JsonObject:
    return call.store.get(call.resource, call.info.namespace_of(call.resource), call.info.name)


def _scale(call: ResourceRequest, obj: JsonObject) -> JsonObject:
    custom = call.services.registry.custom(call.resource)
    status: JsonObject = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    if custom is None:
        replicas = obj["spec"].get("replicas", 0)
        status["selector"] = printed_label_selector(obj["spec"].get("selector"))
    else:
        replicas = _first(obj, custom.scale.get("specReplicasPath", ".spec.replicas"), 0)
        status["replicas"] = _first(obj, custom.scale.get("statusReplicasPath", ".status.replicas"), 0)
        if custom.scale.get("labelSelectorPath"):
            status["selector"] = _first(obj, custom.scale["labelSelectorPath"], "")
    metadata = obj["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in _SCALE_FIELDS if field in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _first(obj: JsonObject, path: str, default: Any) -> Any:
    found = jsonpath.find(obj, path)
    return found[0] if found else default


def write_scale(call: ResourceRequest) -> ApiResponse:
    """Set the number of replicas by an update or a patch of the Scale."""
    current = _object(call)
    scale = _scale(call, current)
    patched = call.info.verb == "patch"
    wanted = writing.patched_object(call, scale) if patched else bodies.parse_json(call.body)
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        kind = "string" if isinstance(replicas, str) else "object"
        why = f"json: cannot unmarshal {kind} into Go struct field ScaleSpec.spec.replicas of type int32"
        raise bodies.undecodable(SCALES, wanted, why, patched=patched)
    if replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(SCALES, call.info.name, [StatusCause("FieldValueInvalid", why, "spec.replicas")])
    given = wanted.get("metadata") or {}
    identity = {key: given[key] for key in ("uid", "resourceVersion") if given.get(key)}
    metadata = {**current["metadata"], **identity}
    changed = _with_replicas(call, {**current, "metadata": metadata}, replicas)
    answer = writing.write(call, current, changed, ())
    return ApiResponse(
        _scale(call, changed if dry_run(call.query, call.info.verb) else _object(call)), 200, answer.warnings
    )


def _with_replicas(call: ResourceRequest, obj: JsonObject, replicas: int) -> JsonObject:
    custom = call.services.registry.custom(call.resource)
    path = (custom.scale.get("specReplicasPath") if custom else None) or ".spec.replicas"
    return _set(obj, path.strip(".").split("."), replicas)


def _set(obj: JsonObject, path: list[str], value: Any) -> JsonObject:
    if len(path) == 1:
        return {**obj, path[0]: value}
    return {**obj, path[0]: _set(obj.get(path[0]) or {}, path[1:], value)}


def evict(call: ResourceRequest) -> ApiResponse:
    """Delete a pod unless a disruption budget forbids it; raises ApiError 429 then."""
    pod = _object(call)
    labels = pod["metadata"].get("labels") or {}
    for budget in call.store.list(PDBS, call.info.namespace):
        allowed = (budget.get("status") or {}).get("disruptionsAllowed", 0)
        if matches_label_selector(budget["spec"].get("selector"), labels) and allowed < 1:
            raise ApiError(
                429,
                "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.",
                details={
                    "causes": [
                        {
                            "reason": "DisruptionBudget",
                            "message": f"The disruption budget {budget['metadata']['name']} does not allow it",
                        }
                    ]
                },
            )
    options = (orjson.loads(call.body) if call.body else {}).get("deleteOptions") or {}
    call.store.delete(
        PODS, call.info.namespace, call.info.name, grace_period=options.get("gracePeriodSeconds")
    )
    return _success(201)


def bind(call: ResourceRequest) -> ApiResponse:
    """Put a pod on a node."""
    target = (bodies.parse_json(call.body).get("target") or {}).get("name")
    if not target:
        raise bad_request("target.name is required")

    def change(pod: JsonObject) -> None:
        pod["spec"]["nodeName"] = target

    call.store.mutate(PODS, call.info.namespace, call.info.name, change, manager=call.manager)
    return _success(201)


def issue_token(call: ResourceRequest) -> ApiResponse:
    """A token for a service account: `TokenRequest`."""
    call.store.get(SERVICE_ACCOUNTS, call.info.namespace, call.info.name)
    asked = bodies.parse_json(call.body) if call.body else {}
    token = call.services.tokens.issue(call.info.namespace, call.info.name)
    body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}}
    return ApiResponse({**body, "spec": asked.get("spec") or {}, "status": {"token": token}}, 201)


def _success(status: int) -> ApiResponse:
    return ApiResponse({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, status)
