"""The present state of a resource in pages, from a server that does not stream it."""

from collections.abc import AsyncIterator
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.paging import Paging
from sentinel.adapters.kubernetes.api.raw import mapping, text
from sentinel.adapters.kubernetes.watch.decoding import Decoding, RelistError
from sentinel.adapters.kubernetes.watch.timing import WatchTiming
from sentinel.domain.errors import ClusterError, ClusterUnavailableError


class Pages:
    """Asks for one page after the other, of a size that decodes fast."""

    def __init__(
        self, client: ApiClient, target: RequestTarget, decoding: Decoding, timing: WatchTiming
    ) -> None:
        self._client = client
        self._target = target
        self._decoding = decoding
        self._timeout = timing.list_timeout
        self._paging = Paging(timing.page)

    async def all(self) -> AsyncIterator[dict[str, Any]]:
        """Every page, its `items` a list.

        Raises ClusterError, and RelistError when the list has expired: then it begins again, in larger pages.
        """
        token = ""  # nosec B105  # a list's page
        while True:
            page = await self._after(token)
            yield page
            token = text(mapping(page.get("metadata")).get("continue"))
            if not token:
                self._paging.completed()
                return

    async def _after(self, token: str) -> dict[str, Any]:
        params = {"limit": str(self._paging.limit)}
        if token:
            params["continue"] = token
        try:
            answer = await self._client.exchange("GET", self._target, params=params, timeout=self._timeout)
        except ClusterError as error:
            if error.status == 410 and token:
                self._paging.expired()
                raise RelistError("the list expired between two pages") from error
            raise
        page = self._decoding.page(answer, f"list {self._target}")
        # Where there is nothing to tell the metadata of, an API server writes null for an empty list.
        items = page["items"] = [] if page.get("items", "") is None else page.get("items")
        if not isinstance(items, list):
            raise ClusterUnavailableError(f"list {self._target}: an answer without items", reason="Garbage")
        self._paging.took(len(items), len(answer))
        return page
