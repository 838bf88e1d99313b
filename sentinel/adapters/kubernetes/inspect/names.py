"""The names of namespaces and workloads alone, for a person who types one."""

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import NAMESPACES, ApiResource
from sentinel.adapters.kubernetes.workloads.registry import DRIVERS
from sentinel.domain.errors import ForbiddenError, NotFoundError
from sentinel.domain.workload.kinds import WorkloadKind

MOST = 500
"""Names of one kind: nobody chooses among more."""


async def namespace_names(client: ApiClient, timeout: float) -> tuple[str, ...]:
    """The names of the namespaces, each request within `timeout` seconds. Raises ClusterError."""
    return await _names(client, NAMESPACES, "", timeout)


async def workload_names(
    client: ApiClient, namespace: str, timeout: float
) -> tuple[tuple[WorkloadKind, str], ...]:
    """Kind and name of each object that a driver guards, each request within `timeout` seconds. Raises ClusterError."""
    found = {
        kind: await _names(client, driver.resource, namespace, timeout) for kind, driver in DRIVERS.items()
    }
    return tuple((kind, name) for kind, names in found.items() for name in names)


async def _names(client: ApiClient, resource: ApiResource, namespace: str, timeout: float) -> tuple[str, ...]:
    """None where the kind does not exist or may not be listed."""
    target = RequestTarget(resource, namespace, metadata_only=True)
    try:
        answer = await client.request("GET", target, params={"limit": str(MOST)}, timeout=timeout)
    except (ForbiddenError, NotFoundError):
        return ()
    return tuple(str(item["metadata"]["name"]) for item in answer.get("items") or ())
