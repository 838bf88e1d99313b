"""The way into a simulated cluster for clients that read a kubeconfig."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def kubeconfig(url: str, token: str, namespace: str = "default") -> JsonObject:
    """A kubeconfig for a simulated cluster at `url`."""
    name = "simulation"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        "current-context": name,
    }
