"""The lease of the leader election: one `coordination.k8s.io/v1` Lease, read and written as a whole."""

import math
from pathlib import Path
from typing import Any

from sentinel.adapters.kubernetes.api.access import SERVICE_ACCOUNT
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, stamp, text, time
from sentinel.adapters.kubernetes.api.resources import LEASES
from sentinel.domain.coordination import Lease
from sentinel.domain.errors import NotFoundError


class KubernetesLeaseStore:
    """Implements `ports.LeaseStore`. Seconds are written rounded up: others may wait longer, never less."""

    def __init__(self, client: ApiClient, namespace: str, name: str) -> None:
        self._client = client
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
            "labels": {"app.kubernetes.io/managed-by": "rollback-sentinel"},
        }
        if lease.version:
            metadata["resourceVersion"] = lease.version
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        }


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
