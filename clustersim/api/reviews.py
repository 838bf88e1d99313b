"""Reviews: questions about who may do what, and whose token this is."""

from __future__ import annotations

from typing import Any

from clustersim.api import bodies, protobuf
from clustersim.api.access import User
from clustersim.api.calls import ApiResponse, ResourceRequest
from clustersim.api.requests import RequestInfo
from clustersim.storage import field_sets
from clustersim.storage.api_errors import bad_request
from clustersim.storage.managed_fields import Writer
from clustersim.storage.resources import ResourceType
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]

_AUTHORIZATION = "authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"

LOCAL_ACCESS = ResourceType(
    _AUTHORIZATION, "v1", "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview"
)
SELF_ACCESS = ResourceType(
    _AUTHORIZATION,
    "v1",
    "selfsubjectaccessreviews",
    "selfsubjectaccessreview",
    "SelfSubjectAccessReview",
    False,
)
SELF_RULES = ResourceType(
    _AUTHORIZATION, "v1", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", False
)
ACCESS = ResourceType(
    _AUTHORIZATION, "v1", "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", False
)
SELF = ResourceType(
    _AUTHENTICATION, "v1", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", False
)
TOKEN = ResourceType(_AUTHENTICATION, "v1", "tokenreviews", "tokenreview", "TokenReview", False)

REVIEWS: tuple[ResourceType, ...] = (LOCAL_ACCESS, SELF_ACCESS, SELF_RULES, ACCESS, SELF, TOKEN)


def review(call: ResourceRequest) -> ApiResponse:
    """Answer the question in the body; nothing is stored."""
    obj = {} if _asks_nothing(call) else bodies.parse(call)
    status = _status(call, obj.get("spec") or {})
    metadata: JsonObject = {}
    fields = field_sets.FieldSetChange(
        {}, field_sets.owned_part(obj, with_status=False), shape=field_sets.FieldShape()
    )
    if fields.changed:
        writer = Writer(call.manager, timestamp(call.now()))
        metadata["managedFields"] = [writer.entry(call.resource, fields.changed)]
    body = {"kind": call.resource.kind, "apiVersion": call.resource.api_version, "metadata": metadata}
    return ApiResponse({**body, "spec": obj.get("spec") or {}, "status": status}, 201)


def _asks_nothing(call: ResourceRequest) -> bool:
    # `kubectl auth whoami` sends protobuf, of which nothing but Secrets is read; a SelfSubjectReview has no fields.
    return call.resource is SELF and call.media_type == protobuf.MEDIA_TYPE


def _status(call: ResourceRequest, spec: JsonObject) -> JsonObject:
    if call.resource is TOKEN:
        return _token_status(call, str(spec.get("token", "")))
    if call.resource is SELF:
        return {"userInfo": _user_info(call.user)}
    if call.resource is SELF_RULES:
        return _rules(call, str(spec.get("namespace", "")))
    user = call.user
    if call.resource is not SELF_ACCESS:
        if not spec.get("user") and not spec.get("groups"):
            raise bad_request("spec.user: Invalid value: at least one of user or group must be specified")
        user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
    return _access(call, user, spec)


def _access(call: ResourceRequest, user: User, spec: JsonObject) -> JsonObject:
    attributes: JsonObject = spec.get("resourceAttributes") or {}
    path: JsonObject = spec.get("nonResourceAttributes") or {}
    if bool(attributes) == bool(path):
        raise bad_request(
            "spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or "
            "resourceAttributes must be specified"
        )
    if path:
        info = RequestInfo(path.get("verb", ""), path.get("path", ""))
    else:
        info = RequestInfo(
            verb=attributes.get("verb", ""),
            path="",
            group=attributes.get("group", ""),
            version=attributes.get("version", ""),
            resource=attributes.get("resource", ""),
            namespace=attributes.get("namespace", ""),
            name=attributes.get("name", ""),
            subresource=attributes.get("subresource", ""),
        )
    return {"allowed": call.services.rbac.allows(user, info)}


def _rules(call: ResourceRequest, namespace: str) -> JsonObject:
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    found = list(call.services.rbac.rules(call.user, namespace))
    resources = everything if call.user.admin else [r for r in found if r.get("resources")]
    paths = [r for r in found if r.get("nonResourceURLs")]
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def _token_status(call: ResourceRequest, token: str) -> JsonObject:
    user = call.services.tokens.user(token)
    if user is None:
        return {"user": {}, "error": "[invalid bearer token]"}
    return {"authenticated": True, "user": _user_info(user), "audiences": ["https://kubernetes.default.svc"]}


def _user_info(user: User) -> JsonObject:
    return {"username": user.name, "groups": list(user.groups)}
