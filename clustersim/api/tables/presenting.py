"""The forms in which objects are answered: as they are, as rows of a `Table`, or their metadata alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from clustersim.api.tables import tables
from clustersim.api.types import conversion
from clustersim.api.types.registry import Registry
from clustersim.storage.api_errors import ApiError
from clustersim.storage.resources import ResourceType

JsonObject = dict[str, Any]
Form = Literal["object", "table", "metadata"]

_FORMS: dict[str, Form] = {
    "Table": "table",
    "PartialObjectMetadata": "metadata",
    "PartialObjectMetadataList": "metadata",
}
_JSON = ("application/json", "*/*", "application/*")


def form_of(accept: str) -> Form:
    """The first form in an `Accept` header that can be made; raises ApiError 406 where none can."""
    if not accept:
        return "object"
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in _JSON:
            continue
        asked = dict(p.split("=", 1) for p in parameters if "=" in p)
        if "as" not in asked:
            return "object"
        if asked["as"] in _FORMS and asked.get("v", "v1") == "v1":
            return _FORMS[asked["as"]]
    raise ApiError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml",
        details={},
    )


@dataclass(frozen=True, slots=True)
class Presenter:
    """Makes the bodies of answers for one request."""

    registry: Registry
    resource: ResourceType
    form: Form
    now: Callable[[], Any]

    def one(self, obj: JsonObject) -> JsonObject:
        """A single object."""
        served = conversion.to_served(self.resource, obj)
        if self.form == "table":
            return self._table([served], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
        return _metadata_of(served) if self.form == "metadata" else served

    def many(self, objects: Sequence[JsonObject], metadata: JsonObject) -> JsonObject:
        """A list."""
        served = [conversion.to_served(self.resource, obj) for obj in objects]
        if self.form == "table":
            return self._table(served, metadata)
        if self.form == "metadata":
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": [_metadata_of(obj) for obj in served] or None,
            }
        if self.resource.custom:
            metadata = {"continue": "", **metadata}
        else:
            served = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in served]
        return {
            "kind": self.resource.listed_kind,
            "apiVersion": self.resource.api_version,
            "metadata": metadata,
            "items": served,
        }

    def streamed(self, obj: JsonObject, *, columns: bool) -> bytes:
        """An object of a watch event; `columns`: whether a table says its columns."""
        if self.form != "table":
            return orjson.dumps(self.one(obj))
        row = self._table(
            [conversion.to_served(self.resource, obj)],
            {"resourceVersion": obj["metadata"].get("resourceVersion", "")},
        )
        if not columns:
            row["columnDefinitions"] = None
        return orjson.dumps(row)

    def bookmark(self, revision: int, annotations: JsonObject | None = None) -> bytes:
        """The object of a bookmark at `revision`."""
        metadata: JsonObject = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        if self.form == "table":
            kind = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}
            rows = {
                "columnDefinitions": None,
                "rows": [
                    {
                        "cells": [],
                        "object": {
                            "kind": "PartialObjectMetadata",
                            "apiVersion": "meta.k8s.io/v1",
                            "metadata": metadata,
                        },
                    }
                ],
            }
            return orjson.dumps({**kind, "metadata": {"resourceVersion": str(revision)}, **rows})
        return orjson.dumps(
            {"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": metadata}
        )

    def _table(self, objects: Sequence[JsonObject], metadata: JsonObject) -> JsonObject:
        custom = self.registry.custom(self.resource)
        return tables.table(self.resource, objects, metadata, self.now(), custom)


def _metadata_of(obj: JsonObject) -> JsonObject:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
