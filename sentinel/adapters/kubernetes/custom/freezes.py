"""The kill switch as a Lease beside the leader's, named `<lease>-freeze`: while it is there, nobody acts.

A Lease, because the daemon may already read Leases in its namespace, and a Role can grant this one name to those who
may freeze.
"""

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import mapping, stamp, text, time
from sentinel.adapters.kubernetes.api.resources import LEASES
from sentinel.domain.coordination import Freeze
from sentinel.domain.errors import NotFoundError

REASON_ANNOTATION = "rollback-sentinel.dev/reason"
TIMEOUT = 5.0


class KubernetesFreezeStore:
    """Implements `ports.FreezeStore`. `lease` is the name of the leader's Lease in the same namespace."""

    def __init__(self, client: ApiClient, namespace: str, lease: str) -> None:
        self._client = client
        self._collection = RequestTarget(LEASES, namespace)
        self._lease = RequestTarget(LEASES, namespace, lease)
        self._place = RequestTarget(LEASES, namespace, f"{lease}-freeze")

    async def read(self) -> Freeze | None:
        """The freeze in force, None without one. Raises ClusterError."""
        try:
            raw = await self._client.get(self._place, timeout=TIMEOUT)
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            return None
        metadata, spec = mapping(raw.get("metadata")), mapping(raw.get("spec"))
        reason = text(mapping(metadata.get("annotations")).get(REASON_ANNOTATION))
        return Freeze(text(spec.get("holderIdentity")), time(spec.get("acquireTime")), reason)

    async def sentinel_is_here(self) -> bool:
        """Whether this namespace has a leader's Lease, so that a freeze here takes effect. Raises ClusterError."""
        try:
            await self._client.get(self._lease, timeout=TIMEOUT)
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            return False
        return True

    async def freeze(self, freeze: Freeze) -> None:
        """Put it in force. Raises ConflictError when one is in force already, and ClusterError's other kinds."""
        spec: Json = {"holderIdentity": freeze.by}
        if freeze.since is not None:
            spec["acquireTime"] = stamp(freeze.since)
        metadata: Json = {"name": self._place.name, "namespace": self._place.namespace}
        if freeze.reason:
            metadata["annotations"] = {REASON_ANNOTATION: freeze.reason}
        body: Json = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}
        await self._client.create(self._collection, body, timeout=TIMEOUT)

    async def thaw(self) -> bool:
        """Lift it; whether there was one. Raises ClusterError."""
        try:
            await self._client.delete(self._place, timeout=TIMEOUT)
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            return False
        return True
