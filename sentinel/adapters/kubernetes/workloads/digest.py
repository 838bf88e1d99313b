"""Our own name for a pod template: known as soon as the template is written, before any ReplicaSet has it."""

import hashlib
from typing import Any

import orjson

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping

TEMPLATE_HASH = "pod-template-hash"
ROLLOUT_HASH = "rollouts-pod-template-hash"
_HASHES = frozenset({TEMPLATE_HASH, ROLLOUT_HASH})


def bare_template(template: object) -> dict[str, Any]:
    """The template as its owner carries it: without the label by which a ReplicaSet tells its pods.

    A null `creationTimestamp`, which API servers before 1.34 write, is not part of it either.
    """
    bare = dict(mapping(template))
    metadata = {key: value for key, value in mapping(bare.get("metadata")).items() if value is not None}
    labels = mapping(metadata.get("labels"))
    if _HASHES & labels.keys():
        metadata["labels"] = {key: value for key, value in labels.items() if key not in _HASHES}
    bare["metadata"] = metadata
    return bare


def template_digest(template: object) -> str:
    """SHA-256 (hexadecimal) of the bare template's canonical JSON: keys sorted, no spaces."""
    return hashlib.sha256(orjson.dumps(bare_template(template), option=orjson.OPT_SORT_KEYS)).hexdigest()


def digest_of(owner: RawObject) -> str:
    """The digest of the template in the object's spec."""
    return template_digest(mapping(owner.get("spec")).get("template"))
