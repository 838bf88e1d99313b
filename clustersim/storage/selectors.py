"""Label and field selectors as list and watch requests carry them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from clustersim.storage.api_errors import bad_request
from clustersim.storage.resources import EVENTS, PODS, ResourceType

JsonObject = dict[str, Any]
Predicate = Callable[[JsonObject], bool]

_SET_BASED = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^)]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s!=,()]*)$")
_EXISTENCE = re.compile(r"^(?P<absent>!?)\s*(?P<key>[^\s!=,()]+)$")

_FIELDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    PODS.key: (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ),
    EVENTS.key: (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("", "namespaces"): ("status.phase",),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "secrets"): ("type",),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
}


def parse_labels(text: str) -> Predicate:
    """The label selector in `text`; raises ApiError 400 where it is malformed."""
    tests = [_label_test(requirement.strip(), text) for requirement in _requirements(text)]

    def matches(obj: JsonObject) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _requirements(text: str) -> Iterator[str]:
    """The requirements between the commas that are not inside parentheses."""
    depth, begin = 0, 0
    for position, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            yield text[begin:position]
            begin = position + 1
    yield text[begin:]


def _label_test(requirement: str, text: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET_BASED.match(requirement):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUALITY.match(requirement):
        key, value = match["key"], match["value"]
        if match["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTENCE.match(requirement):
        key, absent = match["key"], bool(match["absent"])
        return lambda labels: (key in labels) is not absent
    raise bad_request(f'unable to parse requirement: found {requirement!r} in the label selector "{text}"')


def parse_fields(resource: ResourceType, text: str) -> Predicate:
    """The field selector in `text`; raises ApiError 400 for a field that `resource` cannot select by."""
    supported = ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.key, ()))
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for requirement in filter(None, text.split(",")):
        match = _EQUALITY.match(requirement.strip())
        if match is None:
            raise bad_request(f"invalid selector: '{requirement}'; can't understand '{requirement}'")
        if match["key"] not in supported:
            known = ", ".join(f'"{field}"' for field in supported)
            raise bad_request(f'"{match["key"]}" is not a known field selector: only {known}')
        tests.append((tuple(match["key"].split(".")), match["operator"] != "!=", match["value"]))
    return lambda obj: all((_text_at(obj, path) == value) is equal for path, equal, value in tests)


def _text_at(obj: JsonObject, path: tuple[str, ...]) -> str:
    value: Any = obj
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value = value.get("component")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def matches_label_selector(selector: JsonObject | None, labels: Mapping[str, str]) -> bool:
    """Whether a `metav1.LabelSelector` selects `labels`; an empty one selects everything, None nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(e, labels) for e in selector.get("matchExpressions") or ())


def _expression(expression: JsonObject, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None


def printed_label_selector(selector: JsonObject | None) -> str:
    """A `metav1.LabelSelector` in the text form of requests."""
    if not selector:
        return ""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
        match expression["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case _:
                parts.append(f"!{key}")
    return ",".join(parts)


def single_name(text: str) -> str:
    """The name that a field selector pins with `metadata.name=`, or ""."""
    for requirement in text.split(","):
        match = _EQUALITY.match(requirement.strip())
        if match and match["key"] == "metadata.name" and match["operator"] != "!=":
            return match["value"]
    return ""
