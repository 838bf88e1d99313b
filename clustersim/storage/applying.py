"""Server-side apply: merging an applied configuration, with its claims and its conflicts."""

from __future__ import annotations

from typing import Any

from clustersim.storage import field_sets, managed_fields
from clustersim.storage.api_errors import ApiError
from clustersim.storage.field_sets import FieldSet, FieldShape, shape_of
from clustersim.storage.managed_fields import Conflict, Writer
from clustersim.storage.resources import ResourceType

JsonObject = dict[str, Any]


def apply(
    resource: ResourceType, current: JsonObject | None, applied: JsonObject, writer: Writer, *, force: bool
) -> JsonObject:
    """The object that results when `writer` applies `applied` over `current` (None: it does not exist).

    What the writer applied before and leaves out now goes, unless another manager owns it too. Raises
    ApiError 409 where it would change fields of other managers and `force` is not set.
    """
    if current is None:
        return applied
    shape = shape_of(resource)
    before = managed_fields.owned(resource, current, writer)
    claimed = managed_fields.applied_fields(resource, applied, writer)
    merged: JsonObject = _merge("", current, {**applied, "metadata": _claims(applied)}, shape)
    others = [
        entry.get("fieldsV1", {})
        for entry in managed_fields.entries_before_apply(resource, current, writer)
        if not writer.wrote(entry, resource)
    ]
    for path in field_sets.paths(before):
        if not field_sets.has(claimed, path) and not any(field_sets.has(fields, path) for fields in others):
            _drop(merged, path, shape)
    found = managed_fields.conflicts(resource, current, merged, applied, writer)
    if found and not force:
        raise _refusal(found)
    return merged


def _claims(applied: JsonObject) -> JsonObject:
    return {key: value for key, value in applied["metadata"].items() if key != "managedFields"}


def _merge(field: str, live: Any, applied: Any, shape: FieldShape) -> Any:
    claimed = field_sets.members(field, applied, shape=shape)
    present = field_sets.members(field, live, shape=shape)
    if isinstance(applied, dict) and claimed is None and not applied and isinstance(live, dict):
        return live
    if claimed is None or present is None:
        return applied
    if isinstance(applied, dict):
        merged = dict(live)
        for key, value in applied.items():
            merged[key] = _merge(key, live.get(key), value, shape)
        return merged
    items = {**present, **{s: _merge("", present.get(s), item, shape) for s, item in claimed.items()}}
    return list(items.values())


def _drop(obj: Any, path: tuple[str, ...], shape: FieldShape, field: str = "") -> None:
    """Remove, in place along a fresh copy of the way, what stands at `path`."""
    step, rest = path[0], path[1:]
    if isinstance(obj, dict):
        name = step[2:]
        if name not in obj:
            return
        if not rest:
            del obj[name]
            return
        child = obj[name]
        obj[name] = (
            dict(child) if isinstance(child, dict) else list(child) if isinstance(child, list) else child
        )
        _drop(obj[name], rest, shape, name)
    elif isinstance(obj, list):
        items: FieldSet = field_sets.members(field, obj, shape=shape) or {}
        if step not in items:
            return
        at = obj.index(items[step])
        if rest:
            obj[at] = dict(obj[at])
            _drop(obj[at], rest, shape)
        else:
            del obj[at]


def _refusal(found: list[Conflict]) -> ApiError:
    managers: dict[str, list[str]] = {}
    for conflict in found:
        managers.setdefault(conflict.manager, []).append(conflict.field)
    count = f"{len(found)} conflict{'s' if len(found) > 1 else ''}"
    if len(found) == 1:
        text = f"conflict with {found[0].manager}: {found[0].field}"
    else:
        text = "\n".join(
            f"conflicts with {manager}:\n" + "\n".join(f"- {field}" for field in fields)
            for manager, fields in managers.items()
        )
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {c.manager}", "field": c.field}
        for c in found
    ]
    return ApiError(409, "Conflict", f"Apply failed with {count}: {text}", details={"causes": causes})
