"""What the server refuses in objects of the built-in kinds, and in the metadata of all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from clustersim.storage.api_errors import Cause
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
from clustersim.storage.selectors import matches_label_selector

JsonObject = dict[str, Any]
Check = Callable[[JsonObject], Iterator[Cause]]

_STATEFUL_SET_UPDATES = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def invalid_value(field: str, value: Any, why: str) -> Cause:
    """A cause for a value that breaks a rule."""
    return Cause("FieldValueInvalid", f"Invalid value: {orjson.dumps(value).decode()}: {why}", field)


def required(field: str, why: str = "") -> Cause:
    """A cause for a field that is missing."""
    return Cause("FieldValueRequired", "Required value" + (f": {why}" if why else ""), field)


def validate_metadata(resource: ResourceType, obj: JsonObject) -> list[Cause]:
    """What is wrong with the name and the labels of an object."""
    metadata = obj["metadata"]
    causes = list(_labels(metadata.get("labels") or {}, "metadata.labels"))
    name = metadata.get("name") or ""
    if resource.group == "rbac.authorization.k8s.io" or not name:
        return causes
    if resource in (NAMESPACES, SERVICES):
        if not _LABEL.match(name) or len(name) > 63:
            causes.append(invalid_value("metadata.name", name, _LABEL_RULE))
    elif not _SUBDOMAIN.match(name) or len(name) > 253:
        causes.append(invalid_value("metadata.name", name, _SUBDOMAIN_RULE))
    return causes


def _labels(labels: JsonObject, field: str) -> Iterator[Cause]:
    for value in labels.values():
        if isinstance(value, str) and (not _LABEL_VALUE.match(value) or len(value) > 63):
            yield invalid_value(field, value, _LABEL_VALUE_RULE)


def validate(resource: ResourceType, obj: JsonObject, current: JsonObject | None) -> list[Cause]:
    """What is wrong with a completed object, and with its change from `current` (None: it is new)."""
    causes = validate_metadata(resource, obj)
    check = _CHECKS.get(resource.key)
    if check is not None:
        causes += check(obj)
    if current is not None and resource.key in _IMMUTABLE:
        causes += _immutable(_IMMUTABLE[resource.key], current, obj)
    return causes


def _immutable(fields: tuple[str, ...], current: JsonObject, obj: JsonObject) -> Iterator[Cause]:
    if not fields:
        yield from _stateful_set_update(current.get("spec") or {}, obj.get("spec") or {})
    for field in fields:
        old, new = (spec.get(field) for spec in (current.get("spec") or {}, obj.get("spec") or {}))
        if old is not None and old != new:
            yield invalid_value(f"spec.{field}", new, "field is immutable")


def _stateful_set_update(old: JsonObject, new: JsonObject) -> Iterator[Cause]:
    if any(old.get(f) != new.get(f) for f in (old.keys() | new.keys()) - set(_STATEFUL_SET_UPDATES)):
        listed = [f"'{field}'" for field in _STATEFUL_SET_UPDATES]
        names = f"{', '.join(listed[:-1])} and {listed[-1]}"
        why = f"updates to statefulset spec for fields other than {names} are forbidden"
        yield Cause("FieldValueForbidden", f"Forbidden: {why}", "spec")


def _negative(spec: JsonObject, *fields: str) -> Iterator[Cause]:
    for field in fields:
        value = spec.get(field)
        if isinstance(value, int) and value < 0:
            yield invalid_value(f"spec.{field}", value, "must be greater than or equal to 0")


def _workload(obj: JsonObject) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _negative(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    if not selector:
        yield required("spec.selector")
        yield invalid_value(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    elif not matches_label_selector(selector, labels or {}):
        yield invalid_value(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from _pod_spec(template.get("spec") or {}, "spec.template.spec")


def _deployment(obj: JsonObject) -> Iterator[Cause]:
    yield from _workload(obj)
    spec = obj.get("spec") or {}
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("RollingUpdate", "Recreate"):
        supported = 'supported values: "Recreate", "RollingUpdate"'
        limits = {name[0].upper() + name[1:]: value for name, value in (rolling or {}).items()}
        shown = orjson.dumps({"Type": kind, "RollingUpdate": limits or None}).decode()
        yield Cause("FieldValueNotSupported", f"Unsupported value: {shown}: {supported}", "spec.strategy")
    if kind == "Recreate" and rolling is not None:
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield Cause("FieldValueForbidden", f"Forbidden: {why}", "spec.strategy.rollingUpdate")
    if (
        kind == "RollingUpdate"
        and rolling
        and {_zero(rolling.get(f)) for f in ("maxSurge", "maxUnavailable")} == {True}
    ):
        field = "spec.strategy.rollingUpdate.maxUnavailable"
        yield invalid_value(field, rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0")
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if isinstance(deadline, int) and deadline <= ready:
        yield invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _zero(value: Any) -> bool:
    return value in (0, "0%")


def _pod(obj: JsonObject) -> Iterator[Cause]:
    yield from _pod_spec(obj.get("spec") or {}, "spec")


def _pod_spec(spec: JsonObject, path: str) -> Iterator[Cause]:
    containers = spec.get("containers")
    if not containers:
        yield required(f"{path}.containers")
    names: set[str] = set()
    for position, container in enumerate(containers or ()):
        at = f"{path}.containers[{position}]"
        if not container.get("name"):
            yield required(f"{at}.name")
        elif not _LABEL.match(container["name"]):
            yield invalid_value(f"{at}.name", container["name"], _LABEL_RULE)
        elif container["name"] in names:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{container["name"]}"', f"{at}.name")
        names.add(container.get("name", ""))
        if not container.get("image"):
            yield required(f"{at}.image")


def _job(obj: JsonObject) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _negative(spec, "activeDeadlineSeconds", "backoffLimit", "completions", "parallelism")
    pods = (spec.get("template") or {}).get("spec") or {}
    yield from _pod_spec(pods, "spec.template.spec")
    if pods.get("restartPolicy") not in ("OnFailure", "Never"):
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif spec.get("podFailurePolicy") and pods["restartPolicy"] != "Never":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        yield invalid_value("spec.template.spec.restartPolicy", pods["restartPolicy"], why)


def _event(obj: JsonObject) -> Iterator[Cause]:
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    if about != obj["metadata"].get("namespace") and not (
        about == "" and obj["metadata"].get("namespace") == "default"
    ):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")


def _lease(obj: JsonObject) -> Iterator[Cause]:
    duration = (obj.get("spec") or {}).get("leaseDurationSeconds")
    if isinstance(duration, int) and duration <= 0:
        yield invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0")


def _crd(obj: JsonObject) -> Iterator[Cause]:
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
    DEPLOYMENTS.key: _deployment,
    REPLICASETS.key: _workload,
    STATEFULSETS.key: _workload,
    DAEMONSETS.key: _workload,
    PODS.key: _pod,
    JOBS.key: _job,
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
