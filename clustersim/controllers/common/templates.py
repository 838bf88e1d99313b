"""Pod templates: their hash, their equality, and pods made from them."""

from __future__ import annotations

from typing import Any

import orjson

from clustersim.storage.store import copy_of

JsonObject = dict[str, Any]
HASH_LABEL = "pod-template-hash"
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_FNV_OFFSET = 2166136261
_FNV_PRIME = 16777619


def safe_hash(value: Any, salt: int | None = None) -> str:
    """A short name-safe hash of a JSON value (FNV-1a, 32 bits), the same for the same value and salt."""
    digest = _FNV_OFFSET
    payload = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    for byte in payload if salt is None else payload + str(salt).encode():
        digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(digest))


def comparable(template: JsonObject) -> JsonObject:
    """The template less what may differ between equal templates: its hash label and null fields."""
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if v is not None}
    labels = {k: v for k, v in (metadata.pop("labels", None) or {}).items() if k != HASH_LABEL}
    return {**template, "metadata": {**metadata, **({"labels": labels} if labels else {})}}


def same_template(one: JsonObject, other: JsonObject) -> bool:
    """Whether two pod templates make the same pods."""
    return comparable(one) == comparable(other)


def template_hash(template: JsonObject, collisions: int | None) -> str:
    """The `pod-template-hash` of a template; `collisions` is the Deployment's `collisionCount`."""
    return safe_hash(comparable(template), collisions)


def pod_from(template: JsonObject, namespace: str, reference: JsonObject) -> JsonObject:
    """A pod made from a template for its controller; the caller names it."""
    metadata = template.get("metadata") or {}
    pod: JsonObject = {
        "metadata": {
            "namespace": namespace,
            "labels": dict(metadata.get("labels") or {}),
            "ownerReferences": [reference],
        },
        "spec": copy_of(template["spec"]),
    }
    if metadata.get("annotations"):
        pod["metadata"]["annotations"] = dict(metadata["annotations"])
    if metadata.get("finalizers"):
        pod["metadata"]["finalizers"] = list(metadata["finalizers"])
    return pod
