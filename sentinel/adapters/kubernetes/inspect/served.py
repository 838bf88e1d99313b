"""What the API server runs and knows: its version, and whether its definitions have every field that we write.

A field that a definition lacks is dropped without an error.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import mapping, objects
from sentinel.adapters.kubernetes.api.resources import RECORDS, VERSION, ApiResource
from sentinel.adapters.kubernetes.custom.crd import definition_of, how_to_upgrade
from sentinel.domain.errors import ClusterError

log = logging.getLogger(__name__)

SCHEMAS = ApiResource("", "", f"openapi/v3/apis/{RECORDS.api_version}", namespaced=False)
"""The API server's own description of our resources, which every account may read."""
_NAMED = 5
_ANYTHING = "x-kubernetes-preserve-unknown-fields"


async def server_version(client: ApiClient, timeout: float) -> str:
    """The server's version, such as `v1.36.1`. Raises ClusterError if it does not answer within `timeout` seconds."""
    await client.open()
    answer = await client.get(RequestTarget(VERSION), timeout=timeout)
    return str(answer.get("gitVersion") or "unknown")


async def outdated(client: ApiClient, resources: Iterable[ApiResource]) -> tuple[str, ...]:
    """A sentence for each definition of these resources in the cluster that lacks fields of ours.

    Empty where none does, and where the API server does not say what it knows.
    """
    try:
        document = await client.get(RequestTarget(SCHEMAS))
    except ClusterError as error:
        log.info("cannot compare the CustomResourceDefinitions of the cluster with ours: %s", error)
        return ()
    served = dict(_served(document))
    return tuple(
        _sentence(definition["spec"]["names"]["plural"], lacking)
        for definition in (definition_of(resource.plural) for resource in resources)
        for version in definition["spec"]["versions"]
        if (known := served.get(definition["spec"]["names"]["kind"]))
        and (lacking := [*_lacking(version["schema"]["openAPIV3Schema"], known)])
    )


def _served(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas in an OpenAPI document that are those of a kind."""
    for schema in mapping(mapping(document.get("components")).get("schemas")).values():
        for kind in objects(mapping(schema).get("x-kubernetes-group-version-kind")):
            yield str(kind.get("kind")), schema


def _lacking(ours: Mapping[str, Any], known: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """The fields of our schema that the other one has no place for, as paths."""
    if known.get(_ANYTHING):
        return
    fields = mapping(known.get("properties"))
    for name, schema in mapping(ours.get("properties")).items():
        if name not in fields:
            yield f"{place}{name}"
        else:
            yield from _lacking(schema, mapping(fields[name]), f"{place}{name}.")
    for part in ("items", "additionalProperties"):
        if part in ours:
            yield from _lacking(mapping(ours[part]), mapping(known.get(part)), place)


def _sentence(plural: str, lacking: list[str]) -> str:
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return (
        f"the cluster's definition of {plural} is older than this version: it would drop "
        f"{', '.join(lacking[:_NAMED])}{more}: {how_to_upgrade()}"
    )
