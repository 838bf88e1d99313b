"""The store of RolloutHistories: one object for each workload, read when it is needed and not watched."""

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.listing import pages
from sentinel.adapters.kubernetes.api.raw import RawObject, key_of, mapping, text
from sentinel.adapters.kubernetes.api.resources import HISTORIES
from sentinel.adapters.kubernetes.custom.codec import decode, encode
from sentinel.adapters.kubernetes.custom.commands import NamedWorkload
from sentinel.domain.errors import NotFoundError
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.reports.history import Days, RolloutHistory
from sentinel.values import dataclass

log = logging.getLogger(__name__)

KIND = "RolloutHistory"
_NAME_LIMIT = 253


@dataclass(frozen=True, slots=True)
class HistorySpec:
    """What a RolloutHistory object holds."""

    workload: NamedWorkload
    days: Days = field(default_factory=dict)
    folded: frozenset[str] = frozenset()


class KubernetesHistoryStore:
    """Implements `ports.HistoryStore`."""

    def __init__(self, client: ApiClient, namespaces: Sequence[str] = ()) -> None:
        """Without `namespaces` `all` reads those of the whole cluster."""
        self._client = client
        self._namespaces = tuple(namespaces) or ("",)

    async def all(self) -> tuple[RolloutHistory, ...]:
        """Every history; one that cannot be read is left out. Raises ClusterError.

        None where the cluster does not know them.
        """
        found: list[RolloutHistory] = []
        try:
            for namespace in self._namespaces:
                async for page in pages(self._client, RequestTarget(HISTORIES, namespace)):
                    found += await asyncio.to_thread(_readable, page)
        except NotFoundError:
            return ()
        return tuple(found)

    async def read(self, key: WorkloadKey) -> RolloutHistory:
        """The history of a workload, empty where nothing was kept yet. Raises ClusterError."""
        try:
            return history_of(await self._client.get(_place(key)))
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            return RolloutHistory(key)
        except ValueError:
            # What somebody broke by hand is not the record of anything: it is written again over its version.
            raw = await self._client.get(_place(key))
            return RolloutHistory(key, version=text(mapping(raw.get("metadata")).get("resourceVersion")))

    async def write(self, history: RolloutHistory) -> None:
        """Make it, or replace the one of its version. Raises ConflictError when someone else wrote it since."""
        body = object_of_history(history)
        if history.version:
            await self._client.replace(_place(history.key), body)
        else:
            await self._client.create(RequestTarget(HISTORIES, history.key.namespace), body)


def history_of(raw: RawObject) -> RolloutHistory:
    """The history of an object. Raises ValueError that names the field which cannot be read."""
    metadata = mapping(raw.get("metadata"))
    spec = decode(HistorySpec, raw.get("spec"))
    key = WorkloadKey(spec.workload.kind, text(metadata.get("namespace")), spec.workload.name)
    return RolloutHistory(key, spec.days, spec.folded, text(metadata.get("resourceVersion")))


def _readable(page: Iterable[RawObject]) -> list[RolloutHistory]:
    found = []
    for raw in page:
        try:
            found.append(history_of(raw))
        except ValueError as error:
            log.warning("the RolloutHistory %s cannot be read: %s", "/".join(key_of(raw)), error)
    return found


def object_of_history(history: RolloutHistory) -> dict[str, Any]:
    """The whole object. It has no owner, as records have none: it outlives a workload that comes back."""
    key = history.key
    metadata = {
        "name": _place(key).name,
        "namespace": key.namespace,
        "labels": {"app.kubernetes.io/managed-by": "rollback-sentinel"},
    }
    if history.version:
        metadata["resourceVersion"] = history.version
    spec = HistorySpec(NamedWorkload(key.kind, key.name), history.days, history.folded)
    return {"apiVersion": HISTORIES.api_version, "kind": KIND, "metadata": metadata, "spec": encode(spec)}


def _place(key: WorkloadKey) -> RequestTarget:
    name = f"{key.kind.lower()}.{key.name}"
    if len(name) > _NAME_LIMIT:
        name = f"{key.kind.lower()}.{hashlib.blake2b(key.name.encode(), digest_size=16).hexdigest()}"
    return RequestTarget(HISTORIES, key.namespace, name)
