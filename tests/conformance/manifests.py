"""Objects that the conformance tests create, and where."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def deployments(namespace: str, name: str = "") -> str:
    """The path of the Deployments, or of one, in a namespace."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments" + (f"/{name}" if name else "")


def config_maps(namespace: str, name: str = "") -> str:
    """The path of the ConfigMaps, or of one, in a namespace."""
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def pods(namespace: str, name: str = "") -> str:
    """The path of the Pods, or of one, in a namespace."""
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}" if name else "")


def leases(namespace: str, name: str = "") -> str:
    """The path of the Leases, or of one, in a namespace."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases" + (f"/{name}" if name else "")


def deployment(name: str, *, image: str = "app:v1", **spec: Any) -> JsonObject:
    """A Deployment of one container; without `replicas` it has none."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
            **spec,
        },
    }


def observed(obj: JsonObject) -> bool:
    """Whether the controller has seen the newest generation."""
    generation = obj["metadata"]["generation"]
    return bool((obj.get("status") or {}).get("observedGeneration") == generation)


def pod(name: str, labels: dict[str, str] | None = None) -> JsonObject:
    """A Pod that no scheduler takes up."""
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "app:v1"}]},
    }


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> JsonObject:
    """A ConfigMap."""
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def lease(name: str, holder: str, **metadata: Any) -> JsonObject:
    """A Lease."""
    moment = "2026-01-01T00:00:00.000000Z"
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": moment},
    }


def crd(group: str) -> JsonObject:
    """A CRD `samples` with a schema, a status subresource, a scale subresource and printer columns."""
    spec = {
        "type": "object",
        "required": ["count"],
        "properties": {
            "count": {"type": "integer", "minimum": 0, "maximum": 10},
            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "title": {"type": "string", "maxLength": 5, "pattern": "^[a-z]*$"},
            "items": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "port": {"x-kubernetes-int-or-string": True},
            "replicas": {"type": "integer"},
            "entries": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                },
            },
        },
    }
    status = {
        "type": "object",
        "properties": {"phase": {"type": "string"}, "replicas": {"type": "integer"}},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
        "additionalPrinterColumns": [
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
            {"name": "Count", "type": "integer", "jsonPath": ".spec.count"},
        ],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"samples.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "samples", "kind": "Sample", "shortNames": ["smp"]},
            "versions": [version],
        },
    }
