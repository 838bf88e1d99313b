"""CustomResourceDefinitions of the tools, in short: the fields that decide what is deployed, and everything else."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
_ANY: JsonObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_FLAG: JsonObject = {"type": "boolean"}


def _definition(group: str, version: str, kind: str, schema: JsonObject, *, status: bool) -> JsonObject:
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}} if status else {},
    }
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [served],
        },
    }


def application(*, enabled: bool = True) -> JsonObject:
    """Of Applications. Without `enabled`, the definition before Argo CD 3.1: that field of `automated` is dropped."""
    flags = ("prune", "selfHeal", "allowEmpty", *(("enabled",) if enabled else ()))
    automated = {"type": "object", "properties": dict.fromkeys(flags, _FLAG)}
    policy = {**_ANY, "properties": {"automated": automated}}
    spec = {**_ANY, "properties": {"syncPolicy": policy}}
    schema = {"type": "object", "properties": {"spec": spec, "status": _ANY, "operation": _ANY}}
    return _definition("argoproj.io", "v1alpha1", "Application", schema, status=False)


def application_set() -> JsonObject:
    """Of ApplicationSets."""
    return _definition("argoproj.io", "v1alpha1", "ApplicationSet", _ANY, status=True)


def kustomization() -> JsonObject:
    """Of Flux's Kustomizations."""
    return _definition("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", _ANY, status=True)


def helm_release() -> JsonObject:
    """Of Flux's HelmReleases."""
    return _definition("helm.toolkit.fluxcd.io", "v2", "HelmRelease", _ANY, status=True)


def helm_chart() -> JsonObject:
    """Of Flux's HelmCharts."""
    return _definition("source.toolkit.fluxcd.io", "v1", "HelmChart", _ANY, status=True)
