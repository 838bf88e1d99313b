"""Which Kubernetes an API server runs."""

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import VERSION


async def server_version(client: ApiClient, timeout: float) -> str:
    """The server's version, such as `v1.36.1`. Raises ClusterError when it gives none within `timeout` seconds."""
    await client.open()
    answer = await client.get(RequestTarget(VERSION), timeout=timeout)
    return str(answer.get("gitVersion") or "unknown")
