"""What the server refuses in workloads and their pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from clustersim.storage.api_errors import StatusCause, invalid_value, required
from clustersim.storage.selectors import matches_label_selector

JsonObject = dict[str, Any]

LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_STATEFUL_SET_UPDATES = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def replica_set(obj: JsonObject) -> Iterator[StatusCause]:
    """A ReplicaSet, and what is the same for every workload."""
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


def deployment(obj: JsonObject) -> Iterator[StatusCause]:
    """A Deployment."""
    yield from replica_set(obj)
    spec = obj.get("spec") or {}
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("RollingUpdate", "Recreate"):
        supported = 'supported values: "Recreate", "RollingUpdate"'
        limits = {name[0].upper() + name[1:]: value for name, value in (rolling or {}).items()}
        shown = orjson.dumps({"Type": kind, "RollingUpdate": limits or None}).decode()
        yield StatusCause(
            "FieldValueNotSupported", f"Unsupported value: {shown}: {supported}", "spec.strategy"
        )
    if kind == "Recreate" and rolling is not None:
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield StatusCause("FieldValueForbidden", f"Forbidden: {why}", "spec.strategy.rollingUpdate")
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


def stateful_set_update(old: JsonObject, new: JsonObject) -> Iterator[StatusCause]:
    """What may not be changed of a StatefulSet."""
    if any(old.get(f) != new.get(f) for f in (old.keys() | new.keys()) - set(_STATEFUL_SET_UPDATES)):
        listed = [f"'{field}'" for field in _STATEFUL_SET_UPDATES]
        names = f"{', '.join(listed[:-1])} and {listed[-1]}"
        why = f"updates to statefulset spec for fields other than {names} are forbidden"
        yield StatusCause("FieldValueForbidden", f"Forbidden: {why}", "spec")


def pod(obj: JsonObject) -> Iterator[StatusCause]:
    """A Pod."""
    yield from _pod_spec(obj.get("spec") or {}, "spec")


def _pod_spec(spec: JsonObject, path: str) -> Iterator[StatusCause]:
    containers = spec.get("containers")
    if not containers:
        yield required(f"{path}.containers")
    names: set[str] = set()
    for position, container in enumerate(containers or ()):
        at = f"{path}.containers[{position}]"
        if not container.get("name"):
            yield required(f"{at}.name")
        elif not LABEL.match(container["name"]):
            yield invalid_value(f"{at}.name", container["name"], LABEL_RULE)
        elif container["name"] in names:
            yield StatusCause("FieldValueDuplicate", f'Duplicate value: "{container["name"]}"', f"{at}.name")
        names.add(container.get("name", ""))
        if not container.get("image"):
            yield required(f"{at}.image")


def job(obj: JsonObject) -> Iterator[StatusCause]:
    """A Job."""
    spec = obj.get("spec") or {}
    yield from _negative(spec, "activeDeadlineSeconds", "backoffLimit", "completions", "parallelism")
    pods = (spec.get("template") or {}).get("spec") or {}
    yield from _pod_spec(pods, "spec.template.spec")
    if pods.get("restartPolicy") not in ("OnFailure", "Never"):
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif spec.get("podFailurePolicy") and pods["restartPolicy"] != "Never":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        yield invalid_value("spec.template.spec.restartPolicy", pods["restartPolicy"], why)


def _negative(spec: JsonObject, *fields: str) -> Iterator[StatusCause]:
    for field in fields:
        value = spec.get(field)
        if isinstance(value, int) and value < 0:
            yield invalid_value(f"spec.{field}", value, "must be greater than or equal to 0")


def stateful_set(obj: JsonObject) -> Iterator[StatusCause]:
    """A StatefulSet."""
    yield from replica_set(obj)
    strategy = (obj.get("spec") or {}).get("updateStrategy") or {}
    rolling, field = strategy.get("rollingUpdate"), "spec.updateStrategy"
    if strategy.get("type") not in ("RollingUpdate", "OnDelete"):
        yield invalid_value(field, strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and rolling is not None:
        why = "only allowed for updateStrategy 'RollingUpdate'"
        yield invalid_value(f"{field}.rollingUpdate", rolling, why)
    elif (rolling or {}).get("partition", 0) < 0:
        why = "must be greater than or equal to 0"
        yield invalid_value(f"{field}.rollingUpdate.partition", strategy["rollingUpdate"]["partition"], why)


def daemon_set(obj: JsonObject) -> Iterator[StatusCause]:
    """A DaemonSet."""
    yield from replica_set(obj)
    strategy = (obj.get("spec") or {}).get("updateStrategy") or {}
    rolling, field = strategy.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate"
    if strategy.get("type") not in ("RollingUpdate", "OnDelete"):
        supported = 'supported values: "RollingUpdate", "OnDelete"'
        shown = orjson.dumps(strategy).decode()
        yield StatusCause(
            "FieldValueNotSupported", f"Unsupported value: {shown}: {supported}", "spec.updateStrategy"
        )
    elif strategy["type"] == "RollingUpdate":
        none = [_zero(rolling.get(name)) for name in ("maxUnavailable", "maxSurge")]
        if all(none):
            yield required(f"{field}.maxUnavailable", "cannot be 0 when maxSurge is 0")
        elif not any(none):
            why = "may not be set when maxUnavailable is non-zero"
            yield invalid_value(f"{field}.maxSurge", rolling["maxSurge"], why)
