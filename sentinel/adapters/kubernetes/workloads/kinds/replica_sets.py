"""ReplicaSets: each stores one revision of a Deployment, or of an Argo Rollout."""

from sys import intern

import orjson

from sentinel.adapters.kubernetes.api.raw import RawObject, controller_of, mapping, number, text, time
from sentinel.adapters.kubernetes.api.resources import REPLICA_SETS
from sentinel.adapters.kubernetes.workloads.digest import ROLLOUT_HASH, TEMPLATE_HASH
from sentinel.adapters.kubernetes.workloads.essence import essence_of
from sentinel.adapters.kubernetes.workloads.trim import (
    CHANGE_CAUSE,
    PodCounts,
    RevisionEntry,
    ref_of,
    trim_template,
)
from sentinel.adapters.kubernetes.workloads.trim_pods import cut
from sentinel.domain.workload.kinds import REPLICA_SET

_REVISIONS = ("deployment.kubernetes.io/revision", "rollout.argoproj.io/revision")
_INJECTED = "rollout.argoproj.io/ephemeral-metadata"
"""What the Argo controller has put into a ReplicaSet's template while it is canary, or stable, as JSON."""


def trim_replica_set(raw: RawObject) -> RevisionEntry:
    """What matters of a ReplicaSet.

    The revisions of a Rollout are identified by its controller's hash: the API server writes defaults into a
    ReplicaSet's template that the Rollout's has not, so that no digest of the two is the same.
    """
    metadata, status = mapping(raw.get("metadata")), mapping(raw.get("status"))
    annotations, marks = mapping(metadata.get("annotations")), mapping(metadata.get("labels"))
    rollout_hash = text(marks.get(ROLLOUT_HASH))
    stored = stored_template(raw)
    return RevisionEntry(
        ref=ref_of(raw, REPLICA_SETS.api_version, REPLICA_SET),
        owner_uid=intern(controller_of(metadata)[2]),
        hash=intern(rollout_hash or text(marks.get(TEMPLATE_HASH))),
        number=_revision_number(annotations),
        template=trim_template(stored, digest=rollout_hash),
        created_at=time(metadata.get("creationTimestamp")),
        change_cause=cut(text(annotations.get(CHANGE_CAUSE))),
        counts=PodCounts(
            number(status.get("replicas")),
            number(status.get("readyReplicas")),
            number(status.get("availableReplicas")),
        ),
        essence=essence_of(stored) if rollout_hash else "",
    )


def stored_template(replica_set: RawObject) -> RawObject:
    """The template that a ReplicaSet stores, less what was put into it while its pods live."""
    template = mapping(mapping(replica_set.get("spec")).get("template"))
    injected = _injected(replica_set)
    if not injected:
        return template
    metadata = dict(mapping(template.get("metadata")))
    for part in ("labels", "annotations"):
        names = mapping(injected.get(part))
        if part in metadata:
            metadata[part] = {k: v for k, v in mapping(metadata[part]).items() if k not in names}
    return {**template, "metadata": metadata}


def _injected(replica_set: RawObject) -> RawObject:
    annotations = mapping(mapping(replica_set.get("metadata")).get("annotations"))
    try:
        return mapping(orjson.loads(text(annotations.get(_INJECTED)) or "{}"))
    except orjson.JSONDecodeError:
        return {}


def _revision_number(annotations: RawObject) -> int:
    """The controller's revision number, 0 if it is missing."""
    value = next((text(annotations.get(name)) for name in _REVISIONS if name in annotations), "")
    return int(value) if value.isdecimal() else 0
