"""The lease of the leader election: one `coordination.k8s.io/v1` Lease, read and written as a whole."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentinel.adapters.kubernetes.api.access import SERVICE_ACCOUNT
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, stamp, text, time
from sentinel.adapters.kubernetes.api.resources import LEASES
from sentinel.domain.coordination import Lease
from sentinel.domain.errors import ForbiddenError, NotFoundError

_MARK = {"app.kubernetes.io/managed-by": "rollback-sentinel"}
SHARDS_LABEL = "rollback-sentinel.dev/shards"
"""How many shards there are for who wrote the Lease; one where it is absent."""


def lease_name(name: str, shard: int, shards: int) -> str:
    """The name of a shard's Lease; the first one's, by which people find the sentinel, is always the same."""
    return f"{name}-{shard}-of-{shards}" if shard else name


class KubernetesLeaseStore:
    """Implements `ports.LeaseStore`. Seconds are written rounded up: others may wait longer, never less."""

    def __init__(self, client: ApiClient, namespace: str, name: str, shards: int = 1) -> None:
        self._client = client
        self._labels = {**_MARK, SHARDS_LABEL: str(shards)} if shards > 1 else _MARK
        self._collection = RequestTarget(LEASES, namespace)
        self._place = RequestTarget(LEASES, namespace, name)

    async def read(self, *, timeout: float) -> Lease | None:
        """The lease as it is now, None if it does not exist."""
        try:
            return _lease_of(await self._client.get(self._place, timeout=timeout))
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            return None

    async def write(self, lease: Lease, *, timeout: float) -> Lease:
        """Make it, or replace the one of its version; see `ports.LeaseStore.write`."""
        body = self._object_of(lease)
        if lease.version:
            return _lease_of(await self._client.replace(self._place, body, timeout=timeout))
        return _lease_of(await self._client.create(self._collection, body, timeout=timeout))

    def _object_of(self, lease: Lease) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "leaseDurationSeconds": math.ceil(lease.duration),
            "leaseTransitions": lease.transitions,
        }
        if lease.holder:  # an empty name is refused: a lease that was given up has none
            spec["holderIdentity"] = lease.holder
        if lease.acquired_at is not None:
            spec["acquireTime"] = stamp(lease.acquired_at)
        if lease.renewed_at is not None:
            spec["renewTime"] = stamp(lease.renewed_at)
        metadata: dict[str, Any] = {
            "name": self._place.name,
            "namespace": self._place.namespace,
            "labels": self._labels,
        }
        if lease.version:
            metadata["resourceVersion"] = lease.version
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        }


class KubernetesLeaseDirectory:
    """Implements `ports.LeaseDirectory`: the Leases of one installation that are not of this number of shards."""

    def __init__(self, client: ApiClient, namespace: str, name: str, shards: int) -> None:
        self._client = client
        self._collection = RequestTarget(LEASES, namespace)
        self._known = re.compile(rf"{re.escape(name)}(-\d+-of-\d+)?")
        self._shards = shards

    async def others(self, *, timeout: float) -> Mapping[str, Lease]:
        """Those that exist, by name; none where there is one shard and our account may not list them."""
        params = {"labelSelector": ",".join(f"{key}={value}" for key, value in _MARK.items())}
        try:
            listed = await self._client.request("GET", self._collection, params=params, timeout=timeout)
        except ForbiddenError:
            # Roles of earlier releases do not allow it, and then nobody has ever used more than one shard.
            if self._shards > 1:
                raise
            return {}
        found: dict[str, Lease] = {}
        for raw in objects(listed.get("items")):
            metadata = mapping(raw.get("metadata"))
            name, shards = text(metadata.get("name")), mapping(metadata.get("labels")).get(SHARDS_LABEL, "1")
            if self._known.fullmatch(name) and shards != str(self._shards):
                found[name] = _lease_of(raw)
        return found


def own_namespace(service_account: Path = SERVICE_ACCOUNT) -> str:
    """The namespace of the pod that we run in, `default` outside of one."""
    try:
        return (service_account / "namespace").read_text().strip() or "default"
    except OSError:
        return "default"


def _lease_of(raw: RawObject) -> Lease:
    metadata, spec = mapping(raw.get("metadata")), mapping(raw.get("spec"))
    return Lease(
        holder=text(spec.get("holderIdentity")),
        duration=float(number(spec.get("leaseDurationSeconds"))),
        transitions=number(spec.get("leaseTransitions")),
        acquired_at=time(spec.get("acquireTime")),
        renewed_at=time(spec.get("renewTime")),
        version=text(metadata.get("resourceVersion")),
    )
