"""`metadata.managedFields`: which manager set which field, kept up to date at every write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustersim.storage import field_sets
from clustersim.storage.field_sets import FieldSet, FieldSetChange
from clustersim.storage.resources import NAMESPACES, ResourceType

JsonObject = dict[str, Any]
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: the manager's name, how (`Update` or `Apply`), through which subresource, and when."""

    manager: str
    time: str
    operation: str = "Update"
    subresource: str = ""

    def wrote(self, entry: Entry, resource: ResourceType) -> bool:
        """Whether `entry` is this writer's."""
        return (
            entry.get("manager") == self.manager
            and entry.get("operation") == self.operation
            and entry.get("apiVersion") == resource.api_version
            and entry.get("subresource", "") == self.subresource
        )

    def entry(self, resource: ResourceType, fields: FieldSet) -> Entry:
        """A new entry of this writer."""
        made: Entry = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": resource.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        if self.subresource:
            made["subresource"] = self.subresource
        return made


def record_update(
    resource: ResourceType, current: JsonObject | None, obj: JsonObject, writer: Writer
) -> None:
    """Write the entries of `obj`, in place, after an update of `current` (None: a create) by `writer`.

    The writer gains what it changed, everybody loses what others changed or what is gone. Entries in `obj`
    itself replace the current ones, an empty list or `[{}]` clears them, none at all keeps them. An object
    without entries has none until somebody applies.
    """
    entries = _base_entries(current, obj, writer)
    if writer.manager and (entries or current is None):
        difference = _difference(resource, current, obj, writer)
        if difference.changed or difference.removed:
            entries = _after_update(resource, entries, difference, writer)
    _store(obj, entries)


def _base_entries(current: JsonObject | None, obj: JsonObject, writer: Writer) -> list[Entry]:
    given = obj["metadata"].get("managedFields")
    if current is None or given is None or writer.subresource:
        return list(current["metadata"].get("managedFields", [])) if current else []
    return [] if given == [{}] else list(given)


def _difference(
    resource: ResourceType, current: JsonObject | None, obj: JsonObject, writer: Writer
) -> FieldSetChange:
    with_status = writer.subresource == "status" or "status" not in resource.subresources
    old = field_sets.owned_part(current, with_status=with_status) if current else {}
    new = field_sets.owned_part(obj, with_status=with_status)
    if resource is NAMESPACES:
        old, new = ({k: v for k, v in part.items() if k != "spec"} for part in (old, new))
    return FieldSetChange(old, new, shape=field_sets.shape_of(resource))


def _after_update(
    resource: ResourceType, entries: list[Entry], difference: FieldSetChange, writer: Writer
) -> list[Entry]:
    after = []
    own: FieldSet = {}
    for entry in entries:
        fields = field_sets.subtract(entry.get("fieldsV1", {}), difference.removed)
        if writer.wrote(entry, resource):
            own = fields
            if difference.changed:
                continue
        else:
            fields = field_sets.subtract(fields, difference.changed)
        if fields:
            after.append(entry if fields is entry.get("fieldsV1") else {**entry, "fieldsV1": fields})
    if difference.changed:
        after.append(writer.entry(resource, field_sets.union(own, difference.changed)))
    return after


def record_apply(
    resource: ResourceType, current: JsonObject | None, obj: JsonObject, applied: JsonObject, writer: Writer
) -> None:
    """Write the entries of `obj`, in place, after `writer` applied `applied` over `current`."""
    entries = entries_before_apply(resource, current, writer) if current else []
    difference = _difference(resource, current, obj, writer)
    own = applied_fields(resource, applied, writer)
    kept: list[Entry] = []
    for entry in entries:
        if writer.wrote(entry, resource):
            if entry["fieldsV1"] == own:
                kept.append(entry)
            continue
        fields = field_sets.subtract(entry.get("fieldsV1", {}), difference.removed)
        fields = field_sets.subtract(fields, difference.changed)
        if fields:
            kept.append({**entry, "fieldsV1": fields})
    if own and not any(writer.wrote(entry, resource) for entry in kept):
        kept.append(writer.entry(resource, own))
    _store(obj, kept)


def entries_before_apply(resource: ResourceType, current: JsonObject, writer: Writer) -> list[Entry]:
    """The entries that an apply finds; fields of an object without any count as `before-first-apply`'s."""
    entries: list[Entry] = current["metadata"].get("managedFields", [])
    if entries:
        return entries
    shape = field_sets.shape_of(resource)
    everything = FieldSetChange({}, field_sets.owned_part(current, with_status=False), shape=shape).changed
    if not everything:
        return []
    return [Writer("before-first-apply", writer.time).entry(resource, everything)]


def applied_fields(resource: ResourceType, applied: JsonObject, writer: Writer) -> FieldSet:
    """The fields that an applied configuration claims."""
    with_status = writer.subresource == "status" or "status" not in resource.subresources
    part = field_sets.owned_part(applied, with_status=with_status)
    return field_sets.applied("", part, shape=field_sets.shape_of(resource))


def owned(resource: ResourceType, current: JsonObject, writer: Writer) -> FieldSet:
    """The fields that `writer` owns in `current`."""
    for entry in current["metadata"].get("managedFields", []):
        if writer.wrote(entry, resource):
            return dict(entry.get("fieldsV1", {}))
    return {}


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that an apply would change although another manager owns it."""

    manager: str
    field: str


def conflicts(
    resource: ResourceType, current: JsonObject, obj: JsonObject, applied: JsonObject, writer: Writer
) -> list[Conflict]:
    """The fields that applying would take from others by changing their values."""
    difference = _difference(resource, current, obj, writer)
    claimed = applied_fields(resource, applied, writer)
    found: list[Conflict] = []
    for entry in entries_before_apply(resource, current, writer):
        if writer.wrote(entry, resource):
            continue
        taken = field_sets.intersection(entry.get("fieldsV1", {}), difference.changed)
        found += [
            Conflict(_described(entry), field_sets.printed(path))
            for path in sorted(taken)
            if field_sets.has(claimed, path)
        ]
    return found


def _described(entry: Entry) -> str:
    through = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
    version = f" using {entry['apiVersion']}" if entry.get("operation") == "Update" else ""
    return f'"{entry["manager"]}"{through}{version}'


def _store(obj: JsonObject, entries: Sequence[Entry]) -> None:
    if entries:
        obj["metadata"]["managedFields"] = sorted(entries, key=_rank)
    else:
        obj["metadata"].pop("managedFields", None)


def _rank(entry: Entry) -> tuple[str, ...]:
    return tuple(entry.get(key, "") for key in ("operation", "time", "manager", "apiVersion", "subresource"))
