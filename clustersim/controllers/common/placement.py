"""Which nodes a pod may run on, as its affinity and tolerations say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

JsonObject = dict[str, Any]


def required_node(pod: JsonObject) -> str | None:
    """The one node that the pod's affinity names, as a DaemonSet's pods have it."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and len(field["values"]) == 1:
                return str(field["values"][0])
    return None


def only_on(node: str) -> JsonObject:
    """The affinity that binds a pod to one node."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def repelling_taint(
    node: JsonObject, tolerations: Iterable[JsonObject], effects: Collection[str]
) -> JsonObject | None:
    """The first taint of the node with one of these effects that no toleration covers."""
    covering = list(tolerations)
    for taint in node.get("spec", {}).get("taints") or ():
        if taint["effect"] in effects and not any(_covers(entry, taint) for entry in covering):
            found: JsonObject = taint
            return found
    return None


def _covers(toleration: JsonObject, taint: JsonObject) -> bool:
    return (
        toleration.get("key") in (None, taint["key"])
        and toleration.get("effect") in (None, taint["effect"])
        and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))
    )
