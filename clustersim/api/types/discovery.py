"""Discovery: which groups, versions, resources and verbs the server has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clustersim.api.reviews import REVIEWS
from clustersim.api.types.registry import Registry
from clustersim.storage.resources import NAMESPACES, SERVICE_ACCOUNTS, ResourceType

JsonObject = dict[str, Any]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_EVERY_VERB = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_PART_VERBS: dict[str, tuple[str, ...]] = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "finalize": ("update",),
    "eviction": ("create",),
    "binding": ("create",),
    "token": ("create",),
}
_PART_KINDS: dict[str, tuple[str, str, str]] = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "binding": ("", "", "Binding"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}

VERSION: JsonObject = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z",
    "goVersion": "go1.26",
    "compiler": "gc",
    "platform": "linux/amd64",
}


class PageNotFoundError(Exception):
    """No document of any kind stands at the path; the answer is plain text."""


class Discovery:
    """Makes the discovery documents from what is served now."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def answer(self, path: str, accept: str, host: str) -> tuple[JsonObject, str]:
        """The document at `path` and its content type; raises PageNotFoundError if it does not exist."""
        parts = [part for part in path.split("/") if part]
        aggregated = _wants_aggregated(accept)
        if parts in (["api"], ["apis"]) and aggregated:
            return self._aggregated(core=parts == ["api"]), AGGREGATED
        match parts:
            case ["api"]:
                return _api_versions(host), "application/json"
            case ["apis"]:
                groups = [self._group(group) for group in self._groups() if group]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}, "application/json"
            case ["api", version]:
                return self._resources("", version), "application/json"
            case ["apis", group] if group in self._groups():
                return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}, "application/json"
            case ["apis", group, version]:
                return self._resources(group, version), "application/json"
            case _:
                raise PageNotFoundError

    def _types(self) -> Iterable[ResourceType]:
        yield from self._registry.types()
        yield from REVIEWS

    def _groups(self) -> dict[str, list[str]]:
        """The versions of each group, the preferred one first."""
        groups: dict[str, list[str]] = {}
        for resource in self._types():
            versions = groups.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        return groups

    def _group(self, group: str) -> JsonObject:
        versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in self._groups()[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def served(self, group: str, version: str) -> list[ResourceType]:
        """The types of one group and version, by name."""
        found = [r for r in self._types() if (r.group, r.version) == (group, version)]
        return sorted(found, key=lambda r: r.plural)

    def group_versions(self) -> list[tuple[str, str]]:
        """Every group with each of its versions."""
        return [(group, version) for group, versions in self._groups().items() for version in versions]

    def _resources(self, group: str, version: str) -> JsonObject:
        types = self.served(group, version)
        if not types:
            raise PageNotFoundError
        listed = [entry for resource in types for entry in _entries(resource)]
        group_version = f"{group}/{version}" if group else version
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": listed,
        }

    def _aggregated(self, *, core: bool) -> JsonObject:
        items = []
        for group, versions in self._groups().items():
            if core != (group == ""):
                continue
            entries = [
                {
                    "version": version,
                    "resources": [_aggregated_entry(r) for r in self.served(group, version)],
                    "freshness": "Current",
                }
                for version in versions
            ]
            items.append({"metadata": {"name": group} if group else {}, "versions": entries})
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }


def _wants_aggregated(accept: str) -> bool:
    return any(
        "as=APIGroupDiscoveryList" in clause and "v=v2" in clause and "v2beta1" not in clause
        for clause in accept.split(",")
    )


def _api_versions(host: str) -> JsonObject:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    }


def _verbs(resource: ResourceType) -> list[str]:
    if resource in REVIEWS:
        return ["create"]
    if resource.custom:
        return list(_CUSTOM_VERBS)
    return [verb for verb in _EVERY_VERB if resource is not NAMESPACES or verb != "deletecollection"]


def _parts(resource: ResourceType) -> list[str]:
    if resource.custom:
        return sorted(resource.subresources, reverse=True)  # the status comes first, as the real one has it
    return sorted(resource.subresources | ({"token"} if resource is SERVICE_ACCOUNTS else set()))


def _entries(resource: ResourceType) -> Iterable[JsonObject]:
    entry: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _verbs(resource),
    }
    yield {**entry, **_names(resource)}
    for part in _parts(resource):
        group, version, kind = _PART_KINDS.get(part, ("", "", resource.kind))
        where = {"group": group, "version": version} if group else {}
        yield {
            "name": f"{resource.plural}/{part}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **where,
            "kind": kind,
            "verbs": list(_PART_VERBS[part]),
        }


def _names(resource: ResourceType) -> JsonObject:
    names: JsonObject = {}
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    if resource.categories:
        names["categories"] = list(resource.categories)
    return names


def _aggregated_entry(resource: ResourceType) -> JsonObject:
    own = ("", "") if not resource.custom else (resource.group, resource.version)
    entry: JsonObject = {
        "resource": resource.plural,
        "responseKind": _kind(*own, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _verbs(resource),
        **_names(resource),
    }
    parts = [
        {
            "subresource": part,
            "responseKind": _kind(*_PART_KINDS.get(part, (*own, resource.kind))),
            "verbs": list(_PART_VERBS[part]),
        }
        for part in _parts(resource)
    ]
    return {**entry, "subresources": parts} if parts else entry


def _kind(group: str, version: str, kind: str) -> JsonObject:
    return {"group": group, "version": version, "kind": kind}
