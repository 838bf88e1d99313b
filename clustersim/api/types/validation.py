"""What the server refuses in objects of the built-in kinds, and in the metadata of all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from clustersim.api.types import workload_rules
from clustersim.api.types.workload_rules import LABEL, LABEL_RULE
from clustersim.storage.api_errors import StatusCause, invalid_value, required
from clustersim.storage.resources import (
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    PODS,
    REPLICASETS,
    SERVICES,
    STATEFULSETS,
    ResourceType,
)

JsonObject = dict[str, Any]
Check = Callable[[JsonObject], Iterator[StatusCause]]

_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def validate_metadata(resource: ResourceType, obj: JsonObject) -> list[StatusCause]:
    """What is wrong with the name and the labels of an object."""
    metadata = obj["metadata"]
    causes = list(_labels(metadata.get("labels") or {}, "metadata.labels"))
    name = metadata.get("name") or ""
    if resource.group == "rbac.authorization.k8s.io" or not name:
        return causes
    if resource in (NAMESPACES, SERVICES):
        if not LABEL.match(name) or len(name) > 63:
            causes.append(invalid_value("metadata.name", name, LABEL_RULE))
    elif not _SUBDOMAIN.match(name) or len(name) > 253:
        causes.append(invalid_value("metadata.name", name, _SUBDOMAIN_RULE))
    return causes


def _labels(labels: JsonObject, field: str) -> Iterator[StatusCause]:
    for value in labels.values():
        if isinstance(value, str) and (not _LABEL_VALUE.match(value) or len(value) > 63):
            yield invalid_value(field, value, _LABEL_VALUE_RULE)


def validate(resource: ResourceType, obj: JsonObject, current: JsonObject | None) -> list[StatusCause]:
    """What is wrong with a completed object, and with its change from `current` (None: it is new)."""
    causes = validate_metadata(resource, obj)
    check = _CHECKS.get(resource.key)
    if check is not None:
        causes += check(obj)
    if current is not None and resource.key in _IMMUTABLE:
        causes += _immutable(_IMMUTABLE[resource.key], current, obj)
    return causes


def _immutable(fields: tuple[str, ...], current: JsonObject, obj: JsonObject) -> Iterator[StatusCause]:
    if not fields:
        yield from workload_rules.stateful_set_update(current.get("spec") or {}, obj.get("spec") or {})
    for field in fields:
        old, new = (spec.get(field) for spec in (current.get("spec") or {}, obj.get("spec") or {}))
        if old is not None and old != new:
            yield invalid_value(f"spec.{field}", new, "field is immutable")


def _event(obj: JsonObject) -> Iterator[StatusCause]:
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    if about != obj["metadata"].get("namespace") and not (
        about == "" and obj["metadata"].get("namespace") == "default"
    ):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")


def _lease(obj: JsonObject) -> Iterator[StatusCause]:
    duration = (obj.get("spec") or {}).get("leaseDurationSeconds")
    if isinstance(duration, int) and duration <= 0:
        yield invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0")


def _crd(obj: JsonObject) -> Iterator[StatusCause]:
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    for field in ("plural", "kind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
    expected = f"{names.get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != expected:
        why = 'must be spec.names.plural+"."+spec.group'
        yield invalid_value("metadata.name", obj["metadata"].get("name"), why)
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield required("spec.scope")
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        why = "must have exactly one version marked as storage version"
        yield invalid_value("spec.versions", [v.get("name") for v in versions], why)
    for position, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            yield required(f"spec.versions[{position}].schema.openAPIV3Schema", "schemas are required")


_CHECKS: dict[tuple[str, str], Check] = {
    DEPLOYMENTS.key: workload_rules.deployment,
    REPLICASETS.key: workload_rules.replica_set,
    STATEFULSETS.key: workload_rules.stateful_set,
    DAEMONSETS.key: workload_rules.daemon_set,
    PODS.key: workload_rules.pod,
    JOBS.key: workload_rules.job,
    EVENTS.key: _event,
    LEASES.key: _lease,
    CRDS.key: _crd,
}
_IMMUTABLE: dict[tuple[str, str], tuple[str, ...]] = {
    DEPLOYMENTS.key: ("selector",),
    REPLICASETS.key: ("selector",),
    DAEMONSETS.key: ("selector",),
    STATEFULSETS.key: (),
    JOBS.key: ("selector", "completions", "template"),
}
