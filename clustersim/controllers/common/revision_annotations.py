"""The annotations by which a Deployment and its ReplicaSets keep their revisions and sizes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

JsonObject = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAX_REPLICAS,
    }
)
_HISTORY_LENGTH = 2000


def annotations_of(obj: JsonObject) -> dict[str, str]:
    """The object's annotations; empty when it has none."""
    return obj["metadata"].get("annotations") or {}


def revision(obj: JsonObject) -> int:
    """The revision that the object is marked with; 0 for none or for garbage."""
    text = annotations_of(obj).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def max_revision(replica_sets: Iterable[JsonObject]) -> int:
    """The highest revision among them; 0 for none."""
    return max((revision(rs) for rs in replica_sets), default=0)


def for_new_replica_set(deployment: JsonObject, replica_set: JsonObject, new_revision: int) -> dict[str, str]:
    """The annotations of the Deployment's current ReplicaSet: the Deployment's own and its revision.

    A ReplicaSet that comes back (an undo) moves to the new revision and remembers the one that it had.
    """
    marked = dict(annotations_of(replica_set))
    marked.update({k: v for k, v in annotations_of(deployment).items() if k not in _NOT_COPIED})
    had = revision(replica_set)
    if had < new_revision:
        if REVISION in marked:
            marked[REVISION_HISTORY] = _remembered(marked.get(REVISION_HISTORY, ""), marked[REVISION])
        marked[REVISION] = str(new_revision)
    return marked


def with_sizes(marked: dict[str, str], desired: int, most: int) -> dict[str, str]:
    """The annotations with the size of the Deployment and of its surge written down."""
    return {**marked, DESIRED: str(desired), MAX_REPLICAS: str(most)}


def _remembered(history: str, old: str) -> str:
    revisions = [*history.split(","), old] if history else [old]
    while len(",".join(revisions)) > _HISTORY_LENGTH and len(revisions) > 1:
        revisions.pop(0)
    return ",".join(revisions)
