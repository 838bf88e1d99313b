"""All objects of a resource, read page by page."""

from collections.abc import AsyncIterator

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, objects, text

PAGE = 500
TIMEOUT = 30.0


async def pages(
    client: ApiClient, target: RequestTarget, params: dict[str, str] | None = None
) -> AsyncIterator[list[RawObject]]:
    """The objects, `PAGE` at a time. Raises ClusterError."""
    query = {"limit": str(PAGE), **(params or {})}
    while True:
        page = await client.request("GET", target, params=query, timeout=TIMEOUT)
        yield list(objects(page.get("items")))
        following = text(mapping(page.get("metadata")).get("continue"))
        if not following:
            return
        query["continue"] = following
