"""Serves the daemon's own metrics. A long page is made in a thread: the event loop would feel it."""

import asyncio

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

LONG = 100_000
"""A page of so many bytes takes some ten milliseconds to make."""


class Exposition:
    """`GET /metrics`, one page at a time. `name[]` asks for single metrics, as in Prometheus' own clients."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._one_by_one = asyncio.Lock()
        self._long = False

    async def handle(self, request: web.Request) -> web.Response:
        """Answer in the format that the request accepts best, compressed where it accepts that."""
        encode, content_type = choose_encoder(",".join(request.headers.getall(hdrs.ACCEPT, [])))
        names = request.query.getall("name[]", [])
        asked = self._registry.restricted_registry(names) if names else self._registry
        async with self._one_by_one:
            page: bytes = await asyncio.to_thread(encode, asked) if self._long else encode(asked)
            self._long = len(page) > LONG if not names else self._long
        response = web.Response(body=page, headers={hdrs.CONTENT_TYPE: content_type})
        response.enable_compression()
        return response
