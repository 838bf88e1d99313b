"""Which resources are served: the built-in ones and those that CRDs register."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from clustersim.api.types import schemas
from clustersim.storage.resources import BUILT_IN, CRDS, ResourceType
from clustersim.storage.store import Event, Store, timestamp

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CustomResource:
    """A version of a custom resource: its type, its schema and what the CRD says about showing it."""

    type: ResourceType
    schema: JsonObject
    columns: tuple[JsonObject, ...] = ()
    scale: JsonObject = field(default_factory=dict)


class Registry:
    """The served types by group, version and plural name; follows the CRDs of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._types = {(r.group, r.version, r.plural): r for r in BUILT_IN}
        self._custom: dict[tuple[str, str, str], CustomResource] = {}
        self._unsubscribe = store.subscribe(self._changed)
        for crd in store.list(CRDS):
            self._register(crd)

    def close(self) -> None:
        """Stop following the store."""
        self._unsubscribe()

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The type served at that place."""
        custom = self._custom.get((group, version, plural))
        return custom.type if custom else self._types.get((group, version, plural))

    def of_kind(self, group: str, version: str, kind: str) -> ResourceType:
        """The type of a kind; raises KeyError where the server has none."""
        for resource in self.types():
            if (resource.group, resource.version, resource.kind) == (group, version, kind):
                return resource
        raise KeyError(f"{group}/{version} {kind}")

    def custom(self, resource: ResourceType) -> CustomResource | None:
        """What the CRD of a custom resource says, None for a built-in one."""
        return self._custom.get((resource.group, resource.version, resource.plural))

    def types(self) -> Iterator[ResourceType]:
        """Every served type, the built-in ones first."""
        yield from self._types.values()
        for custom in self._custom.values():
            yield custom.type

    def _changed(self, event: Event) -> None:
        if event.resource is not CRDS:
            return
        if event.type == "DELETED":
            self._unregister(event.object)
        else:
            self._register(event.object)

    def _register(self, crd: JsonObject) -> None:
        self._withdraw(crd)
        for version in crd["spec"].get("versions", ()):
            if version.get("served"):
                custom = _custom_resource(crd["spec"], version)
                self._custom[(custom.type.group, custom.type.version, custom.type.plural)] = custom
        if not (crd.get("status") or {}).get("conditions"):
            self._store.mutate(
                CRDS,
                None,
                crd["metadata"]["name"],
                self._establish,
                subresource="status",
                manager="kube-apiserver",
            )

    def _establish(self, crd: JsonObject) -> None:
        now = timestamp(self._store.now())
        stored = [v["name"] for v in crd["spec"]["versions"] if v.get("storage")]
        conditions = (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
        crd["status"] = {
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": why}
                for kind, reason, why in conditions
            ],
            "acceptedNames": crd["spec"]["names"],
            "storedVersions": stored,
        }

    def _withdraw(self, crd: JsonObject) -> None:
        group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        for place in [p for p in self._custom if (p[0], p[2]) == (group, plural)]:
            del self._custom[place]

    def _unregister(self, crd: JsonObject) -> None:
        group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        types = [c.type for c in self._custom.values() if c.type.key == (group, plural)]
        for resource in types[:1]:
            for obj in self._store.list(resource):
                self._store.remove(resource, obj["metadata"].get("namespace"), obj["metadata"]["name"])
        self._withdraw(crd)


def _custom_resource(spec: JsonObject, version: JsonObject) -> CustomResource:
    names, subresources = spec["names"], version.get("subresources") or {}
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    served = ResourceType(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        namespaced=spec.get("scope") == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(subresources),
        generations=True,
        list_kind=names.get("listKind", ""),
        custom=True,
        list_keys=tuple(sorted(schemas.list_keys(schema).items())),
    )
    columns = tuple(version.get("additionalPrinterColumns") or ())
    return CustomResource(served, schema, columns, subresources.get("scale") or {})
