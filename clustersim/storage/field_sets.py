"""Sets of fields in the form of `fieldsV1`, and what a write changed as such a set.

A set is a tree: `f:<name>` for a field, `k:<keys>` for an item of a list that is keyed, `v:<value>` for an
item of a list that is a set. A node without children is a member of the set; a node with children is one
when it has the child `.`. The format is that of structured-merge-diff (v6 `fieldpath`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from clustersim.storage.resources import CRDS, ResourceType

FieldSet = dict[str, Any]

_LIST_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "volumes": ("name",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "podIPs": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_KEY_DEFAULTS = {"protocol": "TCP"}
_ATOMIC = frozenset(
    {
        "selector",
        "nodeSelector",
        "labelSelector",
        "namespaceSelector",
        "podSelector",
        "involvedObject",
        "fieldRef",
        "secretKeyRef",
        "configMapKeyRef",
    }
)
_WITHOUT_DOT = frozenset(
    {
        "metadata",
        "spec",
        "status",
        "template",
        "strategy",
        "updateStrategy",
        "containers",
        "source",
        "scaleTargetRef",
    }
)
_WITHOUT_DOT_IN_CRDS = frozenset({"names", "acceptedNames", "conditions", "versions"})
_SERVER_METADATA = frozenset(
    (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    )
)


@dataclass(frozen=True, slots=True)
class FieldShape:
    """What is known of a kind's fields: `without_dot` are those that exist, empty, in an empty object."""

    custom: bool = False
    without_dot: frozenset[str] = _WITHOUT_DOT
    list_keys: tuple[tuple[str, tuple[str, ...]], ...] = ()


def shape_of(resource: ResourceType) -> FieldShape:
    """The shape of the objects of a resource."""
    if resource.custom:
        return FieldShape(custom=True, without_dot=frozenset(), list_keys=resource.list_keys)
    return FieldShape(without_dot=_WITHOUT_DOT | _WITHOUT_DOT_IN_CRDS) if resource is CRDS else FieldShape()


def list_keys(field: str, item: Any, *, shape: FieldShape) -> tuple[str, ...] | None:
    """The fields that tell the items of the list `field` apart; None for a list that is one value."""
    if not isinstance(item, dict):
        return None
    if shape.custom and field != "ownerReferences":
        return dict(shape.list_keys).get(field)
    if field == "ports":
        return ("containerPort", "protocol") if "containerPort" in item else ("port", "protocol")
    return _LIST_KEYS.get(field)


def item_step(keys: tuple[str, ...], item: dict[str, Any]) -> str:
    """The step that leads to `item`, for example `k:{"name":"main"}`."""
    values = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in keys}
    values = {key: value for key, value in values.items() if value is not None}
    return "k:" + orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def members(field: str, value: Any, *, shape: FieldShape) -> dict[str, Any] | None:
    """The children of a value by step, or None for one that is owned as a whole."""
    if isinstance(value, dict):
        if not value or (field in _ATOMIC and not shape.custom):
            return None
        return {f"f:{name}": child for name, child in value.items()}
    if isinstance(value, list) and value:
        if field == "finalizers":
            return {"v:" + orjson.dumps(item).decode(): item for item in value}
        keys = list_keys(field, value[0], shape=shape)
        if keys:
            return {item_step(keys, item): item for item in value}
    return None


def owned_part(obj: dict[str, Any], *, with_status: bool) -> dict[str, Any]:
    """The part of an object whose fields have managers: not what only the server writes."""
    skipped = {"apiVersion", "kind"} if with_status else {"apiVersion", "kind", "status"}
    part = {k: v for k, v in obj.items() if k not in skipped and v is not None and v != ""}
    metadata = obj.get("metadata") or {}
    part["metadata"] = {key: value for key, value in metadata.items() if key not in _SERVER_METADATA}
    if not part["metadata"]:
        del part["metadata"]
    return part


class FieldSetChange:
    """What differs between two objects: `changed` (added or modified) and `removed`."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any], *, shape: FieldShape) -> None:
        self._shape = shape
        self.changed: FieldSet = {}
        self.removed: FieldSet = {}
        before, after = (members("", each, shape=shape) or {} for each in (old, new))
        self._compare(before, after, self.changed, self.removed)

    def _compare(
        self, before: dict[str, Any], after: dict[str, Any], changed: FieldSet, removed: FieldSet
    ) -> None:
        for step, value in after.items():
            if step not in before:
                changed[step] = whole(step, value, shape=self._shape)
            elif before[step] != value:
                self._compare_child(step, before[step], value, changed, removed)
        for step in before:
            if step not in after:
                removed[step] = {}

    def _compare_child(self, step: str, old: Any, new: Any, changed: FieldSet, removed: FieldSet) -> None:
        before, after = (members(_field(step), each, shape=self._shape) for each in (old, new))
        if before is None or after is None:
            changed[step] = whole(step, new, shape=self._shape)
            return
        child_changed: FieldSet = {}
        child_removed: FieldSet = {}
        self._compare(before, after, child_changed, child_removed)
        if child_changed:
            changed[step] = child_changed
        if child_removed:
            removed[step] = child_removed


def whole(step: str, value: Any, *, shape: FieldShape, in_item: bool = False) -> FieldSet:
    """The set of a value that was not there before, as an update records it."""
    field = _field(step)
    children = members(field, value, shape=shape)
    if children is None:
        return {}
    in_item = in_item or step.startswith("k:")
    found = {name: whole(name, child, shape=shape, in_item=in_item) for name, child in children.items()}
    if field == "metadata" or (field in shape.without_dot and not in_item):
        return found
    return {".": {}, **found}


def applied(step: str, value: Any, *, shape: FieldShape) -> FieldSet:
    """The set of an applied value: as `whole`, but maps and structs are not members themselves."""
    children = members(_field(step), value, shape=shape)
    if children is None:
        return {}
    found = {name: applied(name, child, shape=shape) for name, child in children.items()}
    return {".": {}, **found} if step.startswith("k:") else found


def _field(step: str) -> str:
    return step[2:] if step.startswith("f:") else ""


def is_member(node: FieldSet) -> bool:
    """Whether the node itself is in the set."""
    return not node or "." in node


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in either set."""
    merged = {**left, **{step: node for step, node in right.items() if step not in left}}
    for step in left.keys() & right.keys() - {"."}:
        merged[step] = _union_of_nodes(left[step], right[step])
    return merged


def _union_of_nodes(left: FieldSet, right: FieldSet) -> FieldSet:
    merged = union(left, right)
    if merged and (is_member(left) or is_member(right)):
        return {".": {}, **merged}
    return merged


def subtract(fields: FieldSet, taken: FieldSet) -> FieldSet:
    """What is left of `fields` without those in `taken`, each with all that is below it."""
    if not taken:
        return fields
    left: FieldSet = {}
    for step, node in fields.items():
        gone = taken.get(step)
        if gone is None:
            left[step] = node
        elif gone and node and step != ".":
            rest = subtract(node, gone)
            if rest:
                left[step] = rest
    return left


def intersection(left: FieldSet, right: FieldSet) -> Iterator[tuple[str, ...]]:
    """The paths of the fields that are in both sets."""
    for step in left.keys() & right.keys() - {"."}:
        if is_member(left[step]) and is_member(right[step]):
            yield (step,)
        for path in intersection(left[step], right[step]):
            yield (step, *path)


def has(fields: FieldSet, path: Iterable[str]) -> bool:
    """Whether the field at `path`, or one below it, is in the set."""
    node = fields
    for step in path:
        if step not in node:
            return False
        node = node[step]
    return True


def paths(fields: FieldSet) -> Iterator[tuple[str, ...]]:
    """The paths of the members, the deepest of each branch first."""
    for step, node in fields.items():
        if step == ".":
            continue
        for path in paths(node):
            yield (step, *path)
        if is_member(node):
            yield (step,)


def printed(path: Iterable[str]) -> str:
    """A path as conflicts name it: `.spec.containers[name="app"].image`."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        elif step.startswith("k:"):
            keys = orjson.loads(step[2:])
            text += "[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in keys.items()) + "]"
        else:
            text += f"[={step[2:]}]"
    return text
