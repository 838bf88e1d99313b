"""The volume claims of a StatefulSet's pods: made with the first pod of an ordinal, and kept when it goes."""

from __future__ import annotations

from typing import Any

from clustersim.controllers.common.base import FIELD_MANAGER, ControlPlane
from clustersim.storage.resources import PERSISTENT_VOLUME_CLAIMS

JsonObject = dict[str, Any]


def mount_claims(plane: ControlPlane, owner: JsonObject, pod: JsonObject) -> None:
    """Give a pod that is about to be made, in place, its volumes, and make the claims that are missing."""
    volumes = []
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        metadata = template["metadata"]
        name = f"{metadata['name']}-{pod['metadata']['name']}"
        volumes.append({"name": metadata["name"], "persistentVolumeClaim": {"claimName": name}})
        if plane.store.find(PERSISTENT_VOLUME_CLAIMS, pod["metadata"]["namespace"], name) is None:
            selected = owner["spec"]["selector"].get("matchLabels") or {}
            claim = {
                "metadata": {
                    **metadata,
                    "name": name,
                    "namespace": pod["metadata"]["namespace"],
                    "labels": {**(metadata.get("labels") or {}), **selected},
                },
                "spec": template["spec"],
            }
            plane.store.create(PERSISTENT_VOLUME_CLAIMS, claim, manager=FIELD_MANAGER)
    if volumes:
        claimed = {volume["name"] for volume in volumes}
        others = [v for v in pod["spec"].get("volumes") or () if v["name"] not in claimed]
        pod["spec"]["volumes"] = [*volumes, *others]
