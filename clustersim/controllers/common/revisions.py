"""ControllerRevisions: the template history of StatefulSets and DaemonSets."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from clustersim.controllers.common.base import FIELD_MANAGER, ControlPlane, key_of
from clustersim.controllers.common.ownership import controller_reference
from clustersim.controllers.common.templates import safe_hash
from clustersim.storage.resources import CONTROLLER_REVISIONS, DAEMONSETS, ResourceType

JsonObject = dict[str, Any]
POD_REVISION_LABEL = "controller-revision-hash"
_HASH_LABEL = "controller.kubernetes.io/hash"


def history(plane: ControlPlane, owner: JsonObject) -> list[JsonObject]:
    """The owner's revisions, oldest first."""
    owned = plane.owners.owned(CONTROLLER_REVISIONS, owner)
    return sorted(owned, key=lambda rev: (rev["revision"], rev["metadata"]["name"]))


def current(plane: ControlPlane, resource: ResourceType, owner: JsonObject) -> JsonObject:
    """The revision of the owner's present template.

    One with equal data is used again, moved to the newest number when it is not the newest; else one is made.
    """
    revisions = history(plane, owner)
    data = {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}
    newest = revisions[-1]["revision"] if revisions else 0
    equal = next((rev for rev in reversed(revisions) if rev["data"] == data), None)
    if equal is None:
        return _create(plane, resource, owner, data, newest + 1)
    if equal["revision"] == newest:
        return equal

    def renumber(revision: JsonObject) -> None:
        revision["revision"] = newest + 1

    return plane.store.mutate(CONTROLLER_REVISIONS, *key_of(equal), renumber, manager=FIELD_MANAGER)


def template_of(revision: JsonObject) -> JsonObject:
    """The pod template that a revision keeps."""
    return {k: v for k, v in revision["data"]["spec"]["template"].items() if k != "$patch"}


def hash_of(revision: JsonObject) -> str:
    """The hash that is the last part of the revision's name."""
    return str(revision["metadata"]["name"].rpartition("-")[2])


def clean(plane: ControlPlane, owner: JsonObject, live: Collection[str]) -> None:
    """Delete the oldest revisions beyond the history limit, never one whose name is in `live`."""
    dead = [rev for rev in history(plane, owner) if rev["metadata"]["name"] not in live]
    excess = max(len(dead) - owner["spec"].get("revisionHistoryLimit", 10), 0)
    for revision in dead[:excess]:
        plane.store.delete(CONTROLLER_REVISIONS, *key_of(revision))


def _create(
    plane: ControlPlane, resource: ResourceType, owner: JsonObject, data: JsonObject, number: int
) -> JsonObject:
    hashed = safe_hash(data)
    labels = dict((owner["spec"]["template"].get("metadata") or {}).get("labels") or {})
    annotations = owner["metadata"].get("annotations")
    revision = {
        "metadata": {
            "name": f"{owner['metadata']['name']}-{hashed}",
            "namespace": owner["metadata"]["namespace"],
            "labels": {**labels, POD_REVISION_LABEL if resource is DAEMONSETS else _HASH_LABEL: hashed},
            **({"annotations": dict(annotations)} if annotations else {}),
            "ownerReferences": [controller_reference(resource, owner)],
        },
        "data": data,
        "revision": number,
    }
    return plane.store.create(CONTROLLER_REVISIONS, revision, manager=FIELD_MANAGER)
